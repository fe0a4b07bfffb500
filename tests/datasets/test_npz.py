from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gan_experiments.datasets.npz import NpzSource
from gan_experiments.types import DatasetFacts, UserError


def arrays(**changes: Any) -> dict[str, Any]:
    """A small colour set in MedMNIST's layout; None takes an array away."""
    rng = np.random.default_rng(0)
    content = {
        "train_images": rng.integers(0, 256, (12, 6, 6, 3), dtype=np.uint8),
        "train_labels": (np.arange(12) % 3)[:, None].astype(np.uint8),
        "val_images": rng.integers(0, 256, (2, 6, 6, 3), dtype=np.uint8),
        "val_labels": np.zeros((2, 1), np.uint8),
        "test_images": rng.integers(0, 256, (4, 6, 6, 3), dtype=np.uint8),
        "test_labels": np.array([0, 1, 1, 0]),
    }
    return {key: value for key, value in (content | changes).items() if value is not None}


def save(tmp_path: Path, **changes: Any) -> str:
    path = tmp_path / "set.npz"
    np.savez_compressed(path, **arrays(**changes))
    return str(path)


def test_colour_set(tmp_path: Path) -> None:
    source = NpzSource(save(tmp_path))
    assert source.describe() == DatasetFacts(6, 3, 3, ["0", "1", "2"], 12, 4)
    train = source.open("train")
    assert train.images.shape == (12, 3, 6, 6)
    assert train.images.is_contiguous()
    assert (train.images.permute(0, 2, 3, 1).numpy() == arrays()["train_images"]).all()
    assert train.labels.tolist() == [0, 1, 2] * 4
    assert source.open("test").labels.tolist() == [0, 1, 1, 0]


def test_grey_set_without_test_arrays(tmp_path: Path) -> None:
    path = save(tmp_path, train_images=arrays()["train_images"][..., 0], test_images=None, test_labels=None)
    source = NpzSource(path, class_names=["a", "b", "c"])
    assert source.describe() == DatasetFacts(6, 1, 3, ["a", "b", "c"], 12, 0)
    assert source.open("train").images.shape == (12, 1, 6, 6)
    with pytest.raises(UserError, match=r"no held-out split.*test_images and test_labels"):
        source.open("test")


def test_unlabelled_where_the_user_says_so(tmp_path: Path) -> None:
    source = NpzSource(save(tmp_path, train_labels=None, test_labels=None), num_classes=0)
    assert source.describe() == DatasetFacts(6, 3, 0, [], 12, 4)
    assert source.open("train").labels.tolist() == [0] * 12


GREY = np.zeros((12, 6, 6), np.uint8)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"train_labels": None}, ["'train_labels'", "train_images", "val_images", "MedMNIST"]),
        ({"train_images": GREY.astype(np.float32)}, ["train_images is float32", "uint8"]),
        ({"train_images": GREY[..., None, None]}, ["shape (12, 6, 6, 1, 1)", "N×H×W"]),
        ({"train_images": np.zeros((12, 3, 6, 6), np.uint8)}, ["shape (12, 3, 6, 6)", "N×H×W×3"]),
        ({"train_images": GREY[:, :5]}, ["(12, 5, 6)", "square"]),
        ({"train_images": GREY[:0]}, ["(0, 6, 6)", "at least one"]),
        ({"train_labels": np.arange(11) % 3}, ["train_labels", "(11,)", "12 images"]),
        (
            {"train_labels": np.zeros((12, 14), np.uint8)},
            ["(12, 14)", "one whole number for each", "dataset.num_classes=0"],
        ),
        ({"train_labels": np.arange(12) % 3 - 1}, ["labels start at -1", "Number the classes 0"]),
        ({"train_labels": np.arange(12) % 3 + 1}, ["no image of class 0"]),
        ({"train_labels": np.zeros(12, np.float32)}, ["train_labels is float32", "whole number"]),
        ({"test_labels": np.array([0, 1, 2, 3])}, ["test_labels", "go up to 3", "dataset.num_classes=4"]),
        ({"test_images": GREY[:4]}, ["(6, 3)", "(6, 1)", "both the same"]),
    ],
)
def test_what_is_wrong_in_a_file_is_said(tmp_path: Path, changes: dict[str, Any], words: list[str]) -> None:
    path = save(tmp_path, **changes)
    for action in (NpzSource(path).describe, lambda: NpzSource(path).open("train")):
        with pytest.raises(UserError) as error:
            action()
        assert all(word in str(error.value) for word in [path, *words]), str(error.value)


def test_facts_that_the_user_gives_are_checked(tmp_path: Path) -> None:
    path = save(tmp_path)
    with pytest.raises(UserError, match=r"go up to 2, but dataset.num_classes=2 allows 0..1.*dataset.num_classes=3"):
        NpzSource(path, num_classes=2).describe()
    with pytest.raises(UserError, match=r"no image of class 3 \(d\)"):
        NpzSource(path, num_classes=4, class_names=["a", "b", "c", "d"]).describe()
    with pytest.raises(UserError, match="class_names has 2 names for 3 classes"):
        NpzSource(path, class_names=["a", "b"]).describe()


def test_file_that_is_not_there_or_not_npz(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"dataset.path=FILE.npz"):
        NpzSource(None).describe()
    with pytest.raises(UserError, match=r"absent.npz: there is no such file"):
        NpzSource(str(tmp_path / "absent.npz")).describe()
    (tmp_path / "text.npz").write_text("no zip")
    with pytest.raises(UserError, match=r"text.npz: not an npz file"):
        NpzSource(str(tmp_path / "text.npz")).describe()


def test_damaged_content_is_named(tmp_path: Path) -> None:
    path = Path(save(tmp_path))
    content = bytearray(path.read_bytes())
    content[66:400] = b"\xff" * 334  # the first array's compressed bytes, after the header of the zip member
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"set.npz: array 'train_images' cannot be read.*copy the file again"):
        NpzSource(str(path)).open("train")
