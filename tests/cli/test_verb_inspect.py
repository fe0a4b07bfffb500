"""`inspect`: what it says and writes of runs with and without classes, and what it refuses."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from launching import TINY, launch
from PIL import Image

from cli.conftest import Said, Verb, change_manifest
from gan_experiments.inspection.inspect import real_images
from gan_experiments.runs.run import Run, load_checkpoint

Copy = Callable[..., Path]
QUICK = ("--iterations", 3, "--per-class", 2, "-n", 40)


@pytest.fixture(scope="session")
def with_classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a discriminator with a class head, large enough to learn something. Not to be changed."""
    run = tmp_path_factory.mktemp("with_classes") / "run"
    widths = ["model.generator.base_width=4", "model.discriminator.base_width=16", "budget.kimg=6.4"]
    rarely = ["checkpoint_every_kimg=10", "log_every_iterations=100"]
    launch(run, *TINY, "model=dcgan_class_head", "loss=acgan", *widths, *rarely)
    return run


def inspected(verb: Verb, run: Path, *words: object) -> dict[str, Any]:
    said = verb("inspect", run, "--json", *QUICK, *words)
    assert said.code == 0, said.err
    found: dict[str, Any] = json.loads(said.out)
    return found


def without(config: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in config.items() if name != key}


def refused(said: Said, run: Path) -> str:
    assert said.code == 2, said.err
    assert not (run / "inspection").exists()
    return said.err


def test_all_three_are_written_with_their_numbers(verb: Verb, with_classes: Path, copy_of: Copy) -> None:
    run = copy_of(with_classes, "a <b>run</b> = 'x'")
    found = inspected(verb, run)
    place = Path(found.pop("directory"))

    assert place.parent == run / "inspection"
    assert sorted(path.name for path in place.iterdir()) == sorted(
        ["classes.png", "inspection.json", "perturbed.png", *(layer["picture"] for layer in found["layers"])]
    )
    assert json.loads((place / "inspection.json").read_text()) == found
    assert found["settings"]["step"] == 10 / 255
    assert found["checkpoint"] == "iteration_000000400.pt"
    perturbation = found["perturbation"]
    assert perturbation["num_images"] == 40
    assert perturbation["split"] == "held-out"
    assert perturbation["accuracy_after"] <= perturbation["accuracy_before"]
    judged = found["classes"]["judged"]["digits_classifier"]
    assert found["classes"]["num_images"] == 20
    assert judged["chance"] == 0.1
    assert judged["interval"][0] <= judged["share"] <= judged["interval"][1]
    assert judged["share"] == pytest.approx(np.mean(judged["by_class"]))
    for layer in found["layers"]:
        assert len(layer["mean_of_made_images"]) == layer["drawn"] <= layer["channels"]
        with Image.open(place / layer["picture"]) as picture:
            assert picture.width > 400


def test_a_large_step_fools_the_discriminator_and_images_are_made_for_their_classes(
    verb: Verb, with_classes: Path, copy_of: Copy
) -> None:
    run = copy_of(with_classes, "run")
    some = ("--only", "perturbation", "--only", "classes", "--step", 0.5, "-n", 128, "--iterations", 60)
    found = inspected(verb, run, *some)

    assert found["perturbation"]["accuracy_before"] > 0.3
    assert found["perturbation"]["accuracy_after"] < 0.1
    assert found["perturbation"]["share_led_to_the_other_class"] > 0.8
    assert found["classes"]["recognized_by_itself"] > 0.9
    assert "layers" not in found


def test_the_same_words_give_the_same_files_and_another_seed_others(
    verb: Verb, with_classes: Path, copy_of: Copy
) -> None:
    run = copy_of(with_classes, "run")
    first = inspected(verb, run)
    files = {path.name: path.read_bytes() for path in Path(first["directory"]).iterdir()}
    torch.rand(3)
    assert inspected(verb, run) == first
    assert {path.name: path.read_bytes() for path in Path(first["directory"]).iterdir()} == files

    other = inspected(verb, run, "--seed", 1)
    assert other["directory"] != first["directory"]
    assert other["layers"] != first["layers"]


def test_the_terminal_says_what_was_found(verb: Verb, with_classes: Path, copy_of: Copy) -> None:
    run = copy_of(with_classes, "run")
    said = verb("inspect", run, *QUICK, "-o", "elsewhere")

    assert said.code == 0, said.err
    assert "accuracy on 40 held-out images" in said.out
    assert "recognised as asked by digits_classifier, trained separately; chance is 10.0%" in said.out
    assert "Written to elsewhere" in said.out
    assert Path("elsewhere/inspection.json").exists()
    assert not (run / "inspection").exists()
    assert verb("inspect", run, *QUICK, "-o", "elsewhere").code == 2


def test_without_a_class_head_layers_are_left_and_the_rest_is_said(
    verb: Verb, unconditional: Path, copy_of: Copy
) -> None:
    run = copy_of(unconditional, "run")
    found = inspected(verb, run)

    assert set(found["left_out"]) == {"perturbation", "classes"}
    assert "perturbation" not in found
    assert found["layers"]
    assert "no class head" in verb("inspect", run, *QUICK).out

    shutil.rmtree(run / "inspection")
    for look in ("perturbation", "classes"):
        message = refused(verb("inspect", run, *QUICK, "--only", look), run)
        assert f"--only {look}: the discriminator has no class head" in message
        assert "--only layers" in message


def test_a_class_head_that_no_term_trains_counts_as_none(verb: Verb, with_classes: Path, copy_of: Copy) -> None:
    terms = json.loads((with_classes / "manifest.json").read_text())["config"]["loss"]
    reason = "no loss term trains the discriminator's class head"
    untrained = copy_of(with_classes, "run", config={"loss": without(terms, "auxiliary_class")})
    found = inspected(verb, untrained)

    assert set(found["left_out"]) == {"perturbation", "classes"}
    assert found["left_out"]["classes"].startswith(reason)
    shutil.rmtree(untrained / "inspection")
    message = refused(verb("inspect", untrained, *QUICK, "--only", "classes"), untrained)
    assert f"--only classes: {reason}" in message
    said = verb("evaluate", untrained, "evaluation/metric=[class_head_accuracy]", "evaluation.num_seeds=1")
    assert said.code == 0, said.err
    assert f"class_head_accuracy/discriminator is not applicable: {reason}" in said.out

    weightless = terms | {"auxiliary_class": terms["auxiliary_class"] | {"weight": 0.0}}
    assert set(inspected(verb, copy_of(with_classes, "0", config={"loss": weightless}))["left_out"])


def test_the_place_is_tried_before_anything_else(
    verb: Verb, with_classes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "gan_experiments.inspection.inspect.Inspection.open", lambda *_: pytest.fail("the run was opened")
    )
    (tmp_path / "file").touch()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    before = sorted(tmp_path.rglob("*"))
    for place, message in {
        "file": "is a file: name a directory",
        "file/below": "cannot write",
        "full": "exists and is not empty: name another with -o.\n",
        "x" * 300: "cannot write",
    }.items():
        said = verb("inspect", with_classes, "-o", place)
        assert said.code == 2
        assert message in said.err
        assert "--force" not in said.err
    assert sorted(tmp_path.rglob("*")) == before


def test_more_images_than_there_are_become_all(
    verb: Verb, with_classes: Path, copy_of: Copy, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    run = copy_of(with_classes, "run")
    found = inspected(verb, run, "--only", "perturbation", "-n", 10_000_000, "--steps", 1)

    there = found["perturbation"]["num_images"]
    assert found["settings"]["num"] == there
    assert f"--num 10,000,000: there are only {there} held-out images" in caplog.text


def test_a_projection_discriminator_has_layers_to_look_at(verb: Verb, finished: Path, copy_of: Copy) -> None:
    run = copy_of(finished, "run")
    assert inspected(verb, run, "--only", "layers", "--checkpoint", "best")["checkpoint"] == "best.pt"


def test_a_regimes_classes_alone_are_looked_at(verb: Verb, with_classes: Path, copy_of: Copy) -> None:
    classes = {
        "_target_": "gan_experiments.datasets.regimes.classes.Classes",
        "keep": [3],
        "class_names": list("0123456789"),
    }
    run = copy_of(with_classes, "run", config={"regime": {"classes": classes}})
    _, labels, split = real_images(Run.open(run, "RUN").omegaconf(), 20, 0)

    assert labels.tolist() == [3] * 20
    assert split == "held-out"
    found = inspected(verb, run, "--only", "perturbation", "--only", "classes")
    assert found["perturbation"]["num_images"] <= 40
    assert found["classes"]["num_images"] == 2  # of the class that it was trained on
    assert len(found["classes"]["judged"]["digits_classifier"]["by_class"]) == 1


@pytest.mark.slow
def test_pictures_are_added_to_the_run_in_wandb(verb: Verb, tmp_path: Path) -> None:
    run = tmp_path / "tracked"
    launch(run, *TINY, "model=dcgan_class_head", "loss=acgan", "logger=wandb_offline")
    before = set((run / "wandb").glob("offline-run-*"))
    said = verb("inspect", run, *QUICK, "--only", "classes")

    assert "and logged to W&B" in said.out
    (added,) = set((run / "wandb").glob("offline-run-*")) - before
    first, again = before.pop().name.split("-"), added.name.split("-")  # offline-run-TIME-ID, and -1 in the same second
    assert again[3] == first[3]
    assert [path.name.partition("_")[0] for path in added.rglob("*.png")] == ["classes"]


def test_layers_are_named(verb: Verb, with_classes: Path, copy_of: Copy) -> None:
    run = copy_of(with_classes, "run")
    found = inspected(verb, run, "--layer", "class_head", "--only", "layers")
    assert [(layer["name"], layer["channels"]) for layer in found["layers"]] == [("class_head", 10)]

    shutil.rmtree(run / "inspection")
    message = refused(verb("inspect", run, *QUICK, "--layer", "conv9"), run)
    assert "--layer conv9: the discriminator has no such layer; its layers are: " in message
    assert "class_head" in message
    assert "leaves layers out" in refused(verb("inspect", run, "--layer", "class_head", "--only", "classes"), run)


@pytest.mark.parametrize("step", ["0", "-0.1", "1.01", "300/255", "nan", "inf", "8/0", "much"])
def test_a_step_is_a_share_of_the_range(verb: Verb, with_classes: Path, copy_of: Copy, step: str) -> None:
    run = copy_of(with_classes, "run")
    assert f"--step {step}: write a share" in refused(verb("inspect", run, f"--step={step}"), run)


def test_what_is_no_run_is_refused(verb: Verb, with_classes: Path, copy_of: Copy, tmp_path: Path) -> None:
    (tmp_path / "foreign").mkdir()
    for directory in ("missing", "foreign"):
        assert "is not a run directory" in refused(verb("inspect", directory), tmp_path / directory)
    run = copy_of(with_classes, "run")
    assert "there is no checkpoint iteration_000000007.pt" in refused(verb("inspect", run, "--checkpoint", 7), run)
    assert "--regularization inf" in refused(verb("inspect", run, "--regularization", "inf"), run)
    manifest = json.loads((run / "manifest.json").read_text())
    (run / "manifest.json").write_text(json.dumps(manifest | {"config": without(manifest["config"], "regime")}))
    assert "its config lacks regime" in refused(verb("inspect", run), run)
    (run / "manifest.json").write_text(json.dumps(manifest | {"config": without(manifest["config"], "model")}))
    assert "lacks what a discriminator needs" in refused(verb("inspect", run), run)
    (run / "manifest.json").write_text(json.dumps(manifest))
    shutil.rmtree(run / "checkpoints")
    assert "holds no readable checkpoint" in refused(verb("inspect", run), run)


def test_data_that_are_no_longer_there_are_named(verb: Verb, with_classes: Path, copy_of: Copy, tmp_path: Path) -> None:
    run = copy_of(with_classes, "run")
    source = {
        "_target_": "gan_experiments.datasets.npz.NpzSource",
        "path": str(tmp_path / "gone.npz"),
        "num_classes": 10,
    }
    dataset = json.loads((run / "manifest.json").read_text())["config"]["dataset"]
    change_manifest(run, config={"dataset": dataset | {"source": source}})

    assert "gone.npz" in refused(verb("inspect", run), run)


def test_weights_that_diverged_are_refused(verb: Verb, with_classes: Path, copy_of: Copy) -> None:
    run = copy_of(with_classes, "run")
    for path in (run / "checkpoints").glob("*.pt"):
        state = load_checkpoint(path)
        for name, value in state["networks"].items():
            if name.startswith("discriminator.") and value.is_floating_point():
                value.fill_(torch.nan)
        torch.save(state, path)
    assert "training has diverged" in refused(verb("inspect", run), run)


def test_the_discriminator_is_that_of_the_checkpoint(with_classes: Path) -> None:
    run = Run.open(with_classes, "RUN")
    path, state = run.checkpoint("last")
    trained = run.discriminator("last")

    assert trained.checkpoint == path
    assert trained.image_shape == (1, 8, 8)
    assert not trained.network.training
    own = trained.network.state_dict()
    assert own
    assert all(torch.equal(value, state["networks"][f"discriminator.{name}"]) for name, value in own.items())
