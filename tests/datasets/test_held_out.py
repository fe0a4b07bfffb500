"""A part held out of the training images of another source."""

from pathlib import Path

import numpy as np
import pytest
import torch
from launching import TINY, command, composed, launch, planned

from gan_experiments.config.compose import prepare
from gan_experiments.datasets.digits import DigitsSource
from gan_experiments.datasets.held_out import FirstHeldOut
from gan_experiments.datasets.loader import fingerprint, read_all
from gan_experiments.datasets.npz import NpzSource
from gan_experiments.types import UserError

HELD_OUT = [
    "dataset.source._target_=gan_experiments.datasets.held_out.FirstHeldOut",
    "+dataset.source.num_images=200",
    "+dataset.source.source={_target_:gan_experiments.datasets.digits.DigitsSource}",
]
COUNTS = ["dataset.num_train=1300", "dataset.num_test=200"]


def test_the_first_images_are_held_out_and_the_others_keep_their_order() -> None:
    whole = DigitsSource().open("train")
    source = FirstHeldOut(DigitsSource(), 200)
    train, held_out = source.open("train"), source.open("test")

    assert (source.describe().num_train, source.describe().num_test) == (len(train), len(held_out)) == (1300, 200)
    assert torch.equal(read_all(held_out), whole.images[:200])
    assert torch.equal(read_all(train), whole.images[200:])
    assert torch.equal(torch.cat([held_out.labels, train.labels]), whole.labels)


def test_more_than_there_are_cannot_be_held_out() -> None:
    assert FirstHeldOut(DigitsSource(), 1499).describe().num_train == 1
    with pytest.raises(UserError, match=r"num_images=1500 .* there are 1500 .* at most 1499"):
        FirstHeldOut(DigitsSource(), 1500).describe()


def test_a_class_of_which_no_image_is_left_is_named(tmp_path: Path) -> None:
    """As in a folder that is read class by class."""
    images, labels = np.zeros((10, 8, 8), np.uint8), np.arange(10) // 5
    np.savez(tmp_path / "a.npz", train_images=images, train_labels=labels, test_images=images, test_labels=labels)
    source = FirstHeldOut(NpzSource(str(tmp_path / "a.npz"), None, ["cat", "dog"]), 5)

    assert source.open("test").labels.tolist() == [0] * 5
    with pytest.raises(UserError, match=r"first 5 images .* no image of class 0 \(cat\)"):
        source.open("train")


def test_counts_that_are_not_stated_are_filled_in() -> None:
    cfg, _ = composed(*HELD_OUT, "dataset.num_train=null")
    facts = prepare(cfg)[0].dataset

    assert (facts.num_train, facts.num_test) == (1300, 200)


def test_a_stated_count_that_is_wrong_stops_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"dataset.num_train=1500, but .* 1300"):
        launch(tmp_path / "run", *TINY, *HELD_OUT)
    assert not (tmp_path / "run").exists()


def test_a_run_is_judged_by_what_is_held_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAN_EXPERIMENTS_CACHE", str(tmp_path / "cache"))
    measured = [key for key in TINY if key != "evaluation=none"]
    metric = ["evaluation/metric=[fid,memorization]", "evaluation.num_samples=50", "evaluation.num_seeds=1"]
    results = launch(tmp_path / "run", *measured, *metric, *HELD_OUT, *COUNTS)

    protocol = results["evaluation"]["values"]["memorization_ratio/digits_classifier"]["protocol"]
    assert (protocol["training"]["count"], protocol["held_out"]["count"]) == (1300, 200)
    held_out = FirstHeldOut(DigitsSource(), 200).open("test")
    assert protocol["held_out"]["fingerprint"] == fingerprint(held_out)
    assert protocol["held_out"]["fingerprint"] != fingerprint(DigitsSource().open("test"))


def test_bad_values_end_with_exit_code_2(tmp_path: Path) -> None:
    found = command(*HELD_OUT, "dataset.num_train=null", "dataset.source.num_images=1500", cwd=tmp_path)

    assert found.returncode == 2
    assert "at most 1499" in found.stderr
    assert "Traceback" not in found.stderr
    assert list(tmp_path.iterdir()) == []


def test_report_d_holds_the_first_5000_images_of_mnist_out() -> None:
    config = planned(Path("unused"), "+experiment=mnist_5000_noise").config

    assert (config.dataset.num_train, config.dataset.num_test, config.dataset.source.num_images) == (55000, 5000, 5000)
    assert config.dataset.source.source.num_train == 60000
    assert list(config.regime) == ["first_n", "noise"]
    assert config.evaluation.extractors.classifier.dataset == "mnist"  # which comes with the package
