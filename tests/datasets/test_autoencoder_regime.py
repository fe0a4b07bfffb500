"""The regime that adds an autoencoder's reconstructions, and the runs that use it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from launching import TINY, command, launch, planned
from PIL import Image

from gan_experiments import build
from gan_experiments.datasets.data import Data
from gan_experiments.datasets.digits import DigitsSource
from gan_experiments.datasets.loader import fingerprint, read_all
from gan_experiments.datasets.regimes.base import Subset
from gan_experiments.engine import supervised
from gan_experiments.engine.supervised import fit_reconstructions
from gan_experiments.types import UserError

pytestmark = pytest.mark.filterwarnings("ignore:.*treespec, LeafSpec", "ignore:.*many workers")
QUICK = ["regime.autoencoder.epochs=2", "regime.autoencoder.batch_size=16"]
ALONE = ["regime=autoencoder", *QUICK]
FEW = [
    "regime=[first_n,autoencoder]",
    "regime.first_n.num_images=100",
    "regime.autoencoder.epochs=2",
    "regime.autoencoder.batch_size=16",
]
TWO_STEPS = [key for key in TINY if not key.startswith("budget")] + ["budget.epochs=null", "budget.generator_steps=2"]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GAN_EXPERIMENTS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Numbers of images on which autoencoders are trained, as it happens."""
    counts: list[int] = []

    def counting(images: Any, *others: Any, **recipe: Any) -> Any:
        counts.append(len(images))
        return fit_reconstructions(images, *others, **recipe)

    for module in (build, supervised):
        monkeypatch.setattr(module, "fit_reconstructions", counting)
    return counts


def prepared(*overrides: str) -> Data:
    data = Data(planned(Path("unused"), *TINY, *overrides).config, supervised.fit_reconstructions)
    assert len(data.training)  # opened, fitted and applied
    return data


def test_reconstructions_stand_behind_the_images_with_their_labels() -> None:
    images = prepared(*FEW)
    originals = DigitsSource().open("train").images[:100]

    assert len(images.training) == 200
    assert torch.equal(images.training.labels[:100], images.training.labels[100:])
    read = read_all(images.training)
    assert torch.equal(read[:100], originals)
    mixed = torch.tensor([150, 3, 199, 50])
    assert torch.equal(images.training.read(mixed), read[mixed])
    error = (read[100:].double() - originals.double()).div(255).square().mean()
    assert images.facts["autoencoder"]["mean_squared_error"] == pytest.approx(float(error), rel=1e-6)


@pytest.mark.slow
def test_the_autoencoder_learns_what_the_images_are(cache: Path) -> None:
    """Better than the mean image, on images that it has not seen too."""
    images = prepared("regime=autoencoder", "regime.autoencoder.num_layers=2", "regime.autoencoder.epochs=30")
    whole, held_out = (DigitsSource().open(split).images.double() / 255 for split in ("train", "test"))
    mean_image = float((held_out - whole.mean(0)).square().mean())
    found = images.facts["autoencoder"]

    assert found["mean_squared_error"] < mean_image / 3
    assert found["held_out_mean_squared_error"] < mean_image / 3
    assert len(list(cache.glob("reconstructions-*.safetensors"))) == 1


def test_it_is_trained_once_for_the_same_images_and_numbers(trained: list[int], cache: Path) -> None:
    first = prepared(*FEW)
    again = prepared(*FEW)
    assert trained == [100]
    assert again.facts == first.facts
    assert fingerprint(again.training) == fingerprint(first.training)

    for path in cache.glob("reconstructions-*.safetensors"):
        path.write_bytes(path.read_bytes()[:50])
    assert fingerprint(prepared(*FEW).training) == fingerprint(first.training)  # made anew, by the same seed
    assert trained == [100, 100]


@pytest.mark.parametrize(
    "change",
    ["first_n.num_images=99", "autoencoder.num_layers=1", "autoencoder.seed=1", "autoencoder.epochs=1"],
)
def test_other_images_or_numbers_are_another_autoencoder(change: str, trained: list[int]) -> None:
    first, other = prepared(*FEW), prepared(*FEW, f"regime.{change}")

    assert len(trained) == 2
    assert fingerprint(first.training) != fingerprint(other.training)


def test_training_it_leaves_the_random_stream_of_the_run_alone() -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    prepared(*ALONE)

    assert torch.equal(torch.get_rng_state(), before)


def test_regimes_before_it_decide_what_it_is_trained_on(trained: list[int]) -> None:
    steps = ["regime=[classes,autoencoder,first_n]", "regime.classes.keep=3"]
    images = prepared(*steps, "regime.autoencoder.epochs=1", "regime.first_n.num_images=160")

    assert trained == [int((DigitsSource().open("train").labels == 3).sum())]
    assert len(images.training) == 160
    assert set(images.training.labels.tolist()) == {3}
    originals = Subset(images.whole, (images.whole.labels == 3).nonzero().flatten())
    assert torch.equal(read_all(images.training)[: len(originals)], read_all(originals)[:160])


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["regime=autoencoder", "regime.autoencoder.num_layers=4"],
            r"num_layers=4.*less than or equal to 3",
        ),
        (
            ["regime=autoencoder", "regime.autoencoder.num_layers=0"],
            r"num_layers=0.*greater than or equal to 1",
        ),
        ([*FEW, "regime.autoencoder.num_layers=4"], r"regime.autoencoder.num_layers=4"),
        ([*FEW, "regime.autoencoder.epochs=0"], r"regime.autoencoder.epochs=0"),
        ([*FEW, "dataset.image_size=4"], r"regime.autoencoder.num_layers=3, .* 4×4 pixels: write at most 2"),
        (
            ["regime=autoencoder", "dataset.image_size=1"],
            r"num_layers=3, .* leave the autoencoder out",
        ),
    ],
    ids=lambda value: "",
)
def test_bad_values_stop_at_composition(overrides: list[str], message: str, tmp_path: Path, cache: Path) -> None:
    with pytest.raises(UserError, match=message):
        planned(tmp_path / "run", *overrides)
    assert not cache.exists()


def test_the_command_ends_with_exit_code_2(tmp_path: Path) -> None:
    found = command("regime=autoencoder", "regime.autoencoder.num_layers=4", cwd=tmp_path)

    assert found.returncode == 2
    assert "regime.autoencoder.num_layers=4" in found.stderr
    assert "Traceback" not in found.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_run_keeps_the_error_and_a_picture(tmp_path: Path, trained: list[int]) -> None:
    launch(tmp_path / "run", *TWO_STEPS, *FEW)
    data = json.loads((tmp_path / "run" / "manifest.json").read_text())["data"]

    assert data["num_train"] == 200
    assert 0 < data["autoencoder"]["mean_squared_error"] < 1
    assert 0 < data["autoencoder"]["held_out_mean_squared_error"] < 1
    assert data["fingerprint"] != data["source_fingerprint"]
    with Image.open(tmp_path / "run" / "autoencoder.png") as picture:
        assert picture.size == (10 * 42 + 2, 6 * 42 + 2)  # three rows of images, and one of reconstructions below each
        grey = torch.from_numpy(np.array(picture))[..., 0]
    first = DigitsSource().open("train").images[0, 0].repeat_interleave(5, 0).repeat_interleave(5, 1)
    assert torch.equal(grey[2:42, 2:42], first)
    made = prepared(*FEW).training.read(torch.tensor([100]))[0, 0].repeat_interleave(5, 0).repeat_interleave(5, 1)
    assert torch.equal(grey[44:84, 2:42], made)
    assert trained == [100]


@pytest.mark.slow
def test_a_run_goes_on_and_another_depth_is_refused(tmp_path: Path, trained: list[int]) -> None:
    run = tmp_path / "run"
    launch(run, *TWO_STEPS, *FEW)
    before = json.loads((run / "manifest.json").read_text())["data"]
    results = launch(run, f"resume={run}", "budget.generator_steps=4")

    assert results["generator_steps"] == 4
    assert json.loads((run / "manifest.json").read_text())["data"] == before
    assert trained == [100]
    with pytest.raises(UserError, match="num_layers"):
        launch(run, f"resume={run}", *FEW, "budget.generator_steps=6", "regime.autoencoder.num_layers=1")


def test_samples_are_judged_by_the_real_images_alone(tmp_path: Path) -> None:
    measured = [key for key in TWO_STEPS if key != "evaluation=none"]
    metric = ["evaluation/metric=[fid,memorization]", "evaluation.num_samples=50", "evaluation.num_seeds=1"]
    values = launch(tmp_path / "run", *measured, *metric, *FEW)["evaluation"]["values"]
    split = DigitsSource()

    reference = values["fid/digits_classifier"]["protocol"]["reference"]
    assert reference == {"count": 1500, "fingerprint": fingerprint(split.open("train"))}
    protocol = values["memorization_ratio/digits_classifier"]["protocol"]
    assert protocol["training"]["count"] == 200
    assert protocol["held_out"]["fingerprint"] == fingerprint(split.open("test"))


@pytest.mark.parametrize("num_test", [0, 6])
def test_colour_images_of_odd_sides_from_a_file(num_test: int, tmp_path: Path) -> None:
    stream = np.random.default_rng(0)
    arrays: dict[str, Any] = {"train_images": stream.integers(0, 256, (25, 9, 9, 3), dtype=np.uint8)}
    arrays |= {"train_labels": np.arange(25) % 2}
    if num_test:
        arrays |= {"test_images": arrays["train_images"][:num_test], "test_labels": np.arange(num_test) % 2}
    np.savez(tmp_path / "mine.npz", **arrays)
    images = prepared("dataset=npz", f"dataset.path={tmp_path / 'mine.npz'}", *ALONE)

    assert len(images.training) == 50
    assert images.training.read(torch.tensor([49])).shape == (1, 3, 9, 9)
    assert (images.facts["autoencoder"]["held_out_mean_squared_error"] is None) == (num_test == 0)
    assert images.pictures["autoencoder.png"].shape == (50, 3, 9, 9)
