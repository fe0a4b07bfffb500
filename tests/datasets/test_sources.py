import os
from pathlib import Path
from typing import Any, get_type_hints

import pytest
import torch
from hydra.utils import get_object, instantiate
from launching import option
from omegaconf import OmegaConf

from gan_experiments.datasets.base import TensorImageSet
from gan_experiments.datasets.digits import DigitsSource
from gan_experiments.datasets.loader import read_all
from gan_experiments.types import DatasetFacts

CONF = Path(__file__).parents[2] / "conf"
FACTS = {"image_size", "channels", "num_classes", "class_names", "num_train", "num_test"}


def build(name: str, data_dir: str | None, **changes: Any) -> Any:
    """The source of a yaml of conf/dataset."""
    config = OmegaConf.merge({"data_dir": data_dir}, option("dataset", name), {"dataset": changes})
    return instantiate(config.dataset.source, _convert_="all")


@pytest.mark.parametrize("path", sorted(CONF.glob("dataset/*.yaml")), ids=lambda path: path.stem)
def test_yaml_of_a_data_set(path: Path) -> None:
    text = path.read_text().splitlines()
    assert text[0].startswith("# ")
    config = option("dataset", path.stem).dataset
    assert path.stem in (config.name, f"{config.name}_{config.num_train}")  # another split of the same data
    keys = {"name", "source", *FACTS} | ({"path"} if path.stem in ("image_folder", "npz") else set())
    assert set(config) == keys
    get_type_hints(get_object(config.source["_target_"]).__init__)
    source = build(path.stem, None)
    if "path" in keys:
        assert all(config[key] is None for key in FACTS)
    else:
        facts: DatasetFacts = source.describe()
        assert {key: config[key] for key in FACTS} == {key: getattr(facts, key) for key in FACTS}
        assert len(set(facts.class_names)) == facts.num_classes


@pytest.mark.parametrize("path", sorted(CONF.glob("augment/*.yaml")), ids=lambda path: path.stem)
def test_yaml_of_an_augmentation(path: Path) -> None:
    entries = OmegaConf.load(path)
    assert path.read_text().startswith("# ")
    assert list(entries) == ([] if path.stem == "none" else [path.stem])
    for node in entries.values():
        get_type_hints(get_object(node._target_))
        images = instantiate(node, _convert_="all")(torch.rand(2, 3, 8, 8), torch.Generator())
        assert images.shape == (2, 3, 8, 8)


def test_digits() -> None:
    train, test = DigitsSource().open("train"), DigitsSource().open("test")
    assert train.images.shape == (1500, 1, 8, 8)
    assert test.images.shape == (297, 1, 8, 8)
    assert [int(train.images.min()), int(train.images.max())] == [0, 255]
    assert train.labels[:10].tolist() == list(range(10))
    assert train.labels.bincount().min() > 100
    # The first row of the first image is 0 0 5 13 9 1 0 0 of 16.
    assert train.images[0, 0, 0].tolist() == [0, 0, 80, 207, 143, 16, 0, 0]


def test_tensor_image_set_copies_what_is_read() -> None:
    images = TensorImageSet(torch.zeros(3, 1, 2, 2, dtype=torch.uint8), torch.arange(3))
    images.read(torch.tensor([1])).fill_(9)
    assert images.images.sum() == 0
    assert len(images) == 3


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("name", "path", "shape", "mean"),
    [  # Means of MNIST and Fashion-MNIST: the widely used 0.1307 and 0.2860; CIFAR-10: 0.4914, 0.4822, 0.4465.
        ("mnist", None, (60000, 1, 28, 28), 0.1307),
        ("mnist_55000", None, (55000, 1, 28, 28), 0.1307),
        ("fmnist", None, (60000, 1, 28, 28), 0.2860),
        ("cifar10", None, (50000, 3, 32, 32), (0.4914 + 0.4822 + 0.4465) / 3),
        ("image_folder", "tiles", None, None),
    ],
)
def test_real_data(name: str, path: str | None, shape: tuple[int, ...] | None, mean: float | None) -> None:
    directory = os.environ["GAN_EXPERIMENTS_DATA"]
    real = build(name, directory, **({"path": f"{directory}/{path}"} if path else {}))
    facts = real.describe()
    train, test = real.open("train"), real.open("test")
    assert (len(train), len(test)) == (facts.num_train, facts.num_test)
    images = read_all(train)
    assert images.shape == (shape or (facts.num_train, facts.channels, facts.image_size, facts.image_size))
    assert mean is None or images.float().mean().item() / 255 == pytest.approx(mean, abs=2e-4)
    assert sorted(set(train.labels.tolist())) == list(range(facts.num_classes))
    assert read_all(test).shape[1:] == images.shape[1:]
