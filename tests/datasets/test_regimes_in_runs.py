"""Regimes in runs: what stops before anything is written, what a run of one class is judged by."""

import json
import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from launching import TINY, command, composed, launch, planned
from omegaconf import OmegaConf
from PIL import Image
from typer.testing import CliRunner

from gan_experiments.cli.app import app
from gan_experiments.config.checks import training_facts
from gan_experiments.config.compose import prepare
from gan_experiments.config.instantiate import instantiate
from gan_experiments.config.suggestions import CONFIG_DIR
from gan_experiments.metrics.class_balance import ClassBalance
from gan_experiments.metrics.class_fid import ClassFrechetDistance
from gan_experiments.metrics.features import Features
from gan_experiments.types import UserError

UNLABELLED = ["model=dcgan", "loss=non_saturating"]
CLASSIFIER = ["task=classifier", "model=dcgan_class_head", "evaluation=class_head"]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["regime=classes", "regime.classes.keep=10"], "no class 10.*: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9"),
        (["regime=classes"], r"regime.classes.keep has no value: .* such as regime.classes.keep=3, .*: 0, 1, .*, 9\.$"),
        (
            ["regime=classes", "regime.classes.keep=[]"],
            r"regime.classes.keep=\[\] has .* value: it should be a class .*\[3,dog\]$",
        ),
        (["regime=classes", "regime.classes.keep=3.5"], r"regime.classes.keep=3.5 has .* value: it should be a class"),
        (
            ["regime=noise", "regime.noise.kinds=[gausian]"],
            r"kinds=.*'gaussian', 'salt_and_pepper' or 'poisson'",
        ),
        (
            ["regime=noise", "regime.noise.kinds=[]"],
            r"kinds=\[\] .* a list of them, such as \[gaussian,poisson\]$",
        ),
        (
            ["regime=noise", "regime.noise.kinds=poison"],
            r"kinds='poison' has .*: it should be 'gaussian', ",
        ),
        (["regime=label_noise", *UNLABELLED], r"nothing here reads .* wrong labels would change nothing"),
        (["regime=[noise,label_noise]", *UNLABELLED], r"changes labels, but nothing here reads"),
        (
            [*CLASSIFIER, "regime=classes", "regime.classes.keep=[3]"],
            r"apart and needs 2, .* has 1\. Name more",
        ),
        ([*CLASSIFIER, "regime=[noise,classes]", "regime.classes.keep=3"], r"needs 2"),
        (["regime=label_noise", "regime.label_noise.share=1.5"], r"regime.label_noise.share=1.5"),
        (["regime=first_n_per_class", "regime.first_n_per_class.num_per_class=1501"], r"num_per_class=1501"),
        (["+regime.first_n.num_images=3"], r"regime.first_n names no _target_: choose regime=NAME"),
        (["regime=[classes,label_noise]", "regime.classes.keep=3"], "needs two classes, and there are 1: leave it out"),
    ],
    ids=lambda value: "",
)
def test_bad_values_stop_at_composition(overrides: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        planned(tmp_path / "run", *overrides)


@pytest.mark.parametrize(
    "overrides",
    [
        ["loss=acgan", "model=dcgan_class_head"],
        ["loss=hinge", "model=dcgan_projection"],
        ["loss=hinge", "model=dcgan", "model.discriminator._target_=mine.Network"],
        CLASSIFIER,
    ],
    ids=["loss", "model", "own network", "task"],
)
def test_labels_may_be_wrong_where_something_reads_them(overrides: list[str], tmp_path: Path) -> None:
    assert planned(tmp_path / "run", *overrides, "regime=label_noise").config.regime.label_noise.share == 0.2


def test_a_data_set_of_too_few_classes_is_not_blamed_on_the_regime(tmp_path: Path) -> None:
    np.savez(tmp_path / "mine.npz", train_images=np.zeros((4, 8, 8), np.uint8), train_labels=np.zeros(4, int))
    with pytest.raises(UserError, match=r"needs 2, but dataset 'npz' has 1\. Choose another dataset=NAME\.$"):
        planned(tmp_path / "run", *CLASSIFIER, "dataset=npz", f"dataset.path={tmp_path / 'mine.npz'}", "batch_size=2")


def test_a_run_that_began_with_labels_which_nothing_reads_goes_on(tmp_path: Path) -> None:
    """As did those that began before such a regime was refused."""
    began = planned(tmp_path, *UNLABELLED)
    began.config.regime = OmegaConf.load(CONFIG_DIR / "regime" / "label_noise.yaml")
    manifest = {"status": "interrupted", "config": OmegaConf.to_container(began.config), "choices": began.choices}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))

    assert planned(tmp_path / "again", f"resume={tmp_path}").config.regime.label_noise.share == 0.2


def test_a_kind_of_noise_may_be_a_bare_word(tmp_path: Path) -> None:
    cfg = planned(tmp_path / "run", "regime=noise", "regime.noise.kinds=poisson").config
    assert training_facts(cfg, instantiate(cfg.regime, "regime")).num_images == 2 * cfg.dataset.num_train


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["regime=first_n_per_class", "regime.first_n_per_class.num_per_class=150"],
            r"number \d has 14\d training images",
        ),
        (
            ["regime=classes", "regime.classes.keep=3", "batch_size=500"],
            "batch_size=500 is larger than what",
        ),
    ],
    ids=lambda value: "",
)
def test_what_only_labels_tell_stops_before_anything_is_written(
    overrides: list[str], message: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=message):
        launch(tmp_path / "run", *TINY, *overrides)
    assert not (tmp_path / "run").exists()


def test_the_first_images_of_one_class_are_too_few_classes_for_a_classifier(tmp_path: Path) -> None:
    labels = np.array([0, 0, 0, 1])
    np.savez(tmp_path / "mine.npz", train_images=np.zeros((4, 8, 8), np.uint8), train_labels=labels)
    data = ["dataset=npz", f"dataset.path={tmp_path / 'mine.npz'}", "batch_size=2", "evaluation=none"]

    with pytest.raises(UserError, match=r"needs 2, but .* 'npz' shows 1 \(2 of 4 images\)\. Leave more images"):
        launch(tmp_path / "run", *CLASSIFIER, *data, "regime=first_n", "regime.first_n.num_images=2")
    assert not (tmp_path / "run").exists()


def test_the_command_ends_with_exit_code_2(tmp_path: Path) -> None:
    found = command("regime=classes", "regime.classes.keep=[three]", cwd=tmp_path)

    assert found.returncode == 2
    assert "no class 'three'" in found.stderr
    assert "Traceback" not in found.stderr
    assert list(tmp_path.iterdir()) == []


def test_regimes_are_applied_in_the_order_of_the_command_line() -> None:
    for order in (["noise", "classes", "first_n"], ["first_n", "noise", "classes"]):
        cfg, choices = composed(
            f"regime=[{','.join(order)}]", "regime.first_n.num_images=90", "regime.classes.keep=[3,'5']"
        )

        assert list(prepare(cfg)[0].regime) == order
        assert choices["regime"] == "+".join(order)


def test_classes_that_the_reference_lacks_are_not_missed() -> None:
    """Of four classes the reference has 1 and 2; samples are of 1, and one of 3."""
    logits, labels = torch.eye(4)[[1, 1, 1, 3]], torch.tensor([1, 1, 2, 1])
    samples = Features(torch.tensor([[0.0, 0], [2, 0], [5, 0], [1, 0]]), logits, labels)
    of = torch.tensor([1, 1, 2, 2])
    reference = Features(torch.tensor([[1.0, 0], [3, 0], [4, 0], [6, 0]]), torch.eye(4)[of], of)

    def inputs(samples: Features) -> Any:
        return SimpleNamespace(
            samples=samples, reference=reference, conditional=True, knows_classes=True, class_names=list("abcd")
        )

    balance = ClassBalance().compute(inputs(samples))
    assert (balance["class_coverage"], balance["missing_classes"]) == (0.5, 1.0)
    assert balance["class_kl"] == pytest.approx(math.log(2))  # all that are seen as 1 or 2 are 1
    elsewhere = replace(samples, logits=torch.eye(4)[[0, 0, 3, 3]])
    assert math.isnan(ClassBalance().compute(inputs(elsewhere))["class_kl"])
    distances = ClassFrechetDistance().compute(inputs(samples))
    assert distances.keys() == {"class_fid", "class_fid_b", "class_fid_c"}
    # Class b: means 1 and 2, variances 1 and 2. Class c has one sample, so neither it nor the mean has a value.
    assert distances["class_fid_b"] == pytest.approx(1 + (2**0.5 - 1) ** 2, abs=1e-4)
    assert math.isnan(distances["class_fid_c"])


def test_a_run_of_one_class_is_judged_by_that_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sklearn.datasets import load_digits

    monkeypatch.setenv("GAN_EXPERIMENTS_CACHE", str(tmp_path / "cache"))
    threes = load_digits().target == 3
    there, held_out = int(threes[:1500].sum()), int(threes[1500:].sum())
    measured = [
        *[key for key in TINY if key != "evaluation=none"],
        "evaluation/metric=[fid,class_fid,class_balance,memorization]",
        "evaluation.num_samples=50",
        "evaluation.num_seeds=1",
    ]
    one = ["regime=[classes,first_n]", "regime.classes.keep=3"]
    results = launch(tmp_path / "run", *measured, *one, "regime.first_n.num_images=64")

    values = results["evaluation"]["values"]
    fid = values["fid/digits_classifier"]["protocol"]
    assert (fid["reference"]["count"], fid["classes"]) == (there, ["3"])
    memorization = values["memorization_ratio/digits_classifier"]["protocol"]
    assert (memorization["training"]["count"], memorization["held_out"]["count"]) == (64, held_out)
    assert "class_fid_3/digits_classifier" in values
    assert "class_fid_4/digits_classifier" not in values
    assert values["class_coverage/digits_classifier"]["value"] in (0.0, 1.0)
    assert results["epochs"] == results["iterations"] / (64 // 16)
    with Image.open(tmp_path / "run" / "samples" / "real.png") as picture:
        assert picture.size == (10 * 42 + 2, 42 + 2)  # one row, for no other class was trained on
    found = CliRunner().invoke(app, ["evaluate", str(tmp_path / "run"), "--json", "evaluation/metric=[fid]"])
    assert found.exit_code == 0, found.exception
    again = json.loads(found.stdout)["values"]["fid/digits_classifier"]
    assert (again["protocol"], again["floor_count"]) == (fid, held_out)
    data = json.loads((tmp_path / "run" / "manifest.json").read_text())["data"]
    assert data["num_train"] == 64
    assert data["fingerprint"] != data["source_fingerprint"]


def test_epochs_are_those_of_the_images_that_are_left(tmp_path: Path) -> None:
    """And they are so after a resumption, when the run may be finished before any image is read."""
    few = [key for key in TINY if not key.startswith(("budget", "regime"))]
    results = launch(tmp_path / "run", *few, "budget.epochs=2", "regime=classes", "regime.classes.keep=[3]")
    per_epoch = results["iterations"] // 2

    assert results["epochs"] == 2
    num_train = json.loads((tmp_path / "run" / "manifest.json").read_text())["data"]["num_train"]
    assert per_epoch == num_train // 16
    assert launch(tmp_path / "run", f"resume={tmp_path / 'run'}")["iterations"] == results["iterations"]
    longer = launch(tmp_path / "run", f"resume={tmp_path / 'run'}", "budget.epochs=3")
    assert longer["iterations"] == 3 * per_epoch
