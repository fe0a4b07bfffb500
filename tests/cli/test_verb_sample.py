"""`sample`: which images, of which class, and where they go."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from cli.conftest import Verb
from gan_experiments.runs.run import Run, load_checkpoint
from gan_experiments.sampling.sampler import generate

Copy = Callable[..., Path]


def arrays(verb: Verb, run: Path, *words: object) -> dict[str, Any]:
    said = verb("sample", run, "--to", "npz", "-o", "drawn.npz", "--force", *words)
    assert said.code == 0, said.err
    with np.load("drawn.npz") as file:
        return dict(file)


def test_an_image_follows_from_seed_class_and_number_alone(verb: Verb, finished: Path) -> None:
    all_classes = arrays(verb, finished, "-n", 3)
    one_class = arrays(verb, finished, "-n", 5, "--class", 4)
    other_seed = arrays(verb, finished, "-n", 3, "--seed", 1)

    assert all_classes["images"].shape == (30, 8, 8)
    assert all_classes["images"].dtype == np.uint8
    assert all_classes["labels"].tolist() == [label for label in range(10) for _ in range(3)]
    fours = all_classes["labels"] == 4
    assert np.array_equal(all_classes["latents"][fours], one_class["latents"][:3])
    assert np.abs(all_classes["images"][fours].astype(int) - one_class["images"][:3]).max() <= 1
    assert not np.array_equal(all_classes["latents"], other_seed["latents"])


def test_the_averaged_generator_of_the_chosen_checkpoint_is_used(verb: Verb, finished: Path) -> None:
    run = Run.open(finished, "RUN")
    for checkpoint, weights, prefix in (("best", "averaged", "ema.network."), ("last", "raw", "generator.")):
        path, state = run.checkpoint(checkpoint)
        generator = run.generator(checkpoint, weights)  # type: ignore[arg-type]
        own = {k.removeprefix(prefix): v for k, v in state["networks"].items() if k.startswith(prefix)}
        assert generator.checkpoint == path
        assert all(torch.equal(value, own[name]) for name, value in generator.generator.state_dict().items())

    averaged = arrays(verb, finished, "-n", 2)
    latents, labels = torch.from_numpy(averaged["latents"]), torch.from_numpy(averaged["labels"])
    images = generate(run.generator("last").generator, latents, labels)
    expected = ((images.squeeze(1) + 1) / 2 * 255).round().clamp(0, 255).numpy()
    assert np.abs(expected - averaged["images"]).max() <= 1
    assert not np.array_equal(averaged["images"], arrays(verb, finished, "-n", 2, "--raw")["images"])
    assert not np.array_equal(averaged["images"], arrays(verb, finished, "-n", 2, "--checkpoint", 16)["images"])


def test_classes_are_named_or_numbered(verb: Verb, finished: Path, copy_of: Copy) -> None:
    config = Run.read(finished).config
    dataset = {**config["dataset"], "class_names": ["coat", "7", "a/b", *"3456789"]}
    run = copy_of(finished, "named", config={"dataset": dataset})

    assert arrays(verb, run, "-n", 1, "--class", "7", "--class", "coat", "--class", "2")["labels"].tolist() == [1, 0, 2]
    said = verb("sample", run, "--class", "caot")
    assert said.code == 2
    assert "class caot: classes are named, or 0 to 9, and none is this; did you mean 'coat'?" in said.err


def test_a_class_cannot_be_asked_of_a_generator_that_takes_none(verb: Verb, unconditional: Path) -> None:
    said = verb("sample", unconditional, "--class", "3")

    assert said.code == 2
    assert "class 3: this generator takes no label" in said.err
    assert arrays(verb, unconditional, "-n", 7)["images"].shape == (7, 8, 8)


def test_layouts_hold_the_same_images(verb: Verb, finished: Path, tmp_path: Path) -> None:
    expected = arrays(verb, finished, "-n", 2)["images"]

    assert verb("sample", finished, "-n", 2, "--to", "files", "-o", "one by one").code == 0
    files = sorted((tmp_path / "one by one").rglob("*.png"))
    assert [str(path.relative_to(tmp_path / "one by one")) for path in files[:3]] == [
        "000-0/000000.png",
        "000-0/000001.png",
        "001-1/000000.png",
    ]
    assert np.array_equal(np.stack([np.asarray(Image.open(path)) for path in files]), expected)

    assert verb("sample", finished, "-n", 2, "-o", "grid.png").code == 0
    grid = np.asarray(Image.open(tmp_path / "grid.png").convert("L"))
    assert grid.shape == (10 * 42 + 2, 2 * 42 + 2)  # a row for each class; 8×8 pixels are enlarged to 40×40
    assert np.array_equal(grid[2 : 2 + 40 : 5, 2 : 2 + 40 : 5], expected[0])
    assert np.array_equal(grid[44 : 44 + 40 : 5, 44 : 44 + 40 : 5], expected[3])


def test_nothing_is_overwritten_unless_asked(verb: Verb, finished: Path, tmp_path: Path) -> None:
    (tmp_path / "grid.png").write_text("mine")
    (tmp_path / "some").mkdir()
    (tmp_path / "some" / "mine").write_text("mine")

    for words in (
        ("-o", "grid.png"),
        ("-o", "some", "--to", "files"),
        ("-o", "some"),
        ("-o", "grid.png", "--to", "files"),
    ):
        said = verb("sample", finished, "-n", 1, *words)
        assert said.code == 2, words
        assert "-o" in said.err
    assert verb("sample", finished, "-n", 1, "-o", "some", "--to", "files", "--force").code == 0
    assert (tmp_path / "some" / "mine").read_text() == "mine"
    assert (tmp_path / "grid.png").read_text() == "mine"
    assert verb("sample", finished, "-n", 1, "-o", "grid.png", "--force").code == 0
    with Image.open(tmp_path / "grid.png") as grid:
        assert grid.size == (44, 422)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["grid.png", "some"]


def test_without_a_place_it_is_named_after_all_that_it_depends_on(verb: Verb, copy_of: Copy, finished: Path) -> None:
    run = copy_of(finished, "run")

    assert verb("sample", run, "-n", 1, "--class", 3, "--truncation", 0.5, "--seed", 4).code == 0
    assert verb("sample", run, "-n", 1, "--class", 3, "--raw", "--to", "npz").code == 0
    assert sorted(path.name for path in (run / "drawn").iterdir()) == [
        "iteration_000000020-n1-seed0-class3-raw.npz",
        "iteration_000000020-n1-seed4-class3-truncation0.5.png",
    ]


@pytest.mark.parametrize("threshold", ["0", "-1", "1.01", "nan"])
def test_a_threshold_out_of_range_is_refused(verb: Verb, finished: Path, threshold: str) -> None:
    said = verb("sample", finished, "--truncation", threshold)

    assert said.code == 2
    assert "at most 1" in said.err


def test_truncation_reaches_the_latents(verb: Verb, unconditional: Path) -> None:
    drawn = arrays(verb, unconditional, "-n", 20, "--truncation", 0.3)

    assert np.abs(drawn["latents"]).max() <= 0.3


def test_what_cannot_be_drawn_from_is_said(verb: Verb, copy_of: Copy, finished: Path, unconditional: Path) -> None:
    lost = copy_of(unconditional, "lost")
    for path in (lost / "checkpoints").iterdir():
        path.unlink()
    damaged = copy_of(finished, "damaged")
    (damaged / "checkpoints" / "best.pt").write_bytes(b"PK\x03\x04 no more")
    diverged = copy_of(unconditional, "diverged")
    path = diverged / "checkpoints" / "iteration_000000020.pt"
    state = load_checkpoint(path)
    state["networks"] = {k: v * math.nan if v.is_floating_point() else v for k, v in state["networks"].items()}
    torch.save(state, path)
    model = Run.read(finished).config["model"]
    wider = {**model, "generator": {**model["generator"], "base_width": 8}}
    other = copy_of(finished, "other", config={"model": wider})
    bare = copy_of(finished, "bare", config={"model": {}})

    for words, parts in {
        ("nowhere",): ["nowhere is not a run directory: it does not exist"],
        (lost,): ["holds no readable checkpoint"],
        (lost, "--checkpoint", "best"): ["there is no checkpoint best.pt", "there are: none"],
        (unconditional, "--checkpoint", "7"): ["no checkpoint iteration_000000007.pt", "iteration_000000016.pt"],
        (damaged, "--checkpoint", "best"): ["the checkpoint best cannot be read", "Choose another"],
        (diverged,): ["not finite", "an earlier checkpoint"],
        (other,): ["the weights do not fit the run's model.generator"],
        (bare,): ["lacks what a generator needs"],
    }.items():
        said = verb("sample", *words, "-o", "drawn.png")
        assert said.code == 2, words
        assert all(part in said.err for part in parts), said.err
    assert not Path("drawn.png").exists()


def test_a_run_in_a_directory_with_an_odd_name(verb: Verb, copy_of: Copy, finished: Path) -> None:
    run = copy_of(finished, "a b=c <script> [red]")

    said = verb("sample", run, "-n", 1)

    assert said.code == 0, said.err
    assert "a b=c <script> [red]/drawn/iteration_000000020-n1-seed0.png" in said.out
    assert json.loads((run / "manifest.json").read_text())["status"] == "finished"
