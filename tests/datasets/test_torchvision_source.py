import gzip
import pickle
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest
from hydra.utils import instantiate
from launching import option
from omegaconf import OmegaConf
from PIL import Image

from gan_experiments.datasets.torchvision import TorchvisionSource
from gan_experiments.types import UserError

CONF = Path(__file__).parents[2] / "conf"


def build(name: str, data_dir: str | None, **changes: Any) -> Any:
    """The source of a yaml of conf/dataset."""
    config = OmegaConf.merge({"data_dir": data_dir}, option("dataset", name), {"dataset": changes})
    return instantiate(config.dataset.source, _convert_="all")


def idx(array: np.ndarray[Any, Any]) -> bytes:
    """The MNIST family's file format."""
    return bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape) + array.tobytes()


def small(name: str, directory: Path | None, **changes: Any) -> Any:
    return build(name, str(directory) if directory else None, **{"num_train": 20, "num_test": 10, **changes})


def mnist_files(directory: Path, family: str = "MNIST", size: int = 28, packed: bool = False) -> None:
    raw = directory / family / "raw"
    raw.mkdir(parents=True)
    for split, count in (("train", 20), ("t10k", 10)):
        images = np.arange(count * size * size).reshape(count, size, size).astype(np.uint8)
        labels = (np.arange(count) % 10).astype(np.uint8)
        for kind, content in (("images-idx3", images), ("labels-idx1", labels)):
            name, data = f"{split}-{kind}-ubyte", idx(content)
            (raw / f"{name}{'.gz' if packed else ''}").write_bytes(gzip.compress(data) if packed else data)


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every download leaves half a file and fails."""

    def fail(url: str, filename: Any, *arguments: Any) -> None:
        Path(filename).write_bytes(b"half")
        raise URLError("no network in tests")

    monkeypatch.setattr("torchvision.datasets.utils._get_redirect_url", lambda url, max_hops: url)
    monkeypatch.setattr("torchvision.datasets.utils._urlretrieve", fail)


def test_mnist_layout(tmp_path: Path) -> None:
    mnist_files(tmp_path, "FashionMNIST")
    train, test = small("fmnist", tmp_path).open("train"), small("fmnist", tmp_path).open("test")
    assert train.images.shape == (20, 1, 28, 28)
    assert train.images.flatten()[:300].tolist() == [i % 256 for i in range(300)]
    assert test.labels.tolist() == list(range(10))


def test_packed_files_that_the_user_put_there_are_unpacked(
    tmp_path: Path, no_network: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    mnist_files(tmp_path, packed=True)
    monkeypatch.setattr("torchvision.datasets.utils.check_md5", lambda path, md5, **options: True)
    assert len(small("mnist", tmp_path).open("train")) == 20
    assert (tmp_path / "MNIST/raw/train-images-idx3-ubyte").is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["MNIST"]


def test_cifar_layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda path, md5=None: Path(path).is_file())
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    pixels = np.arange(10 * 3072).reshape(10, 3072).astype(np.uint8)
    for name in [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]:
        (folder / name).write_bytes(pickle.dumps({"data": pixels, "labels": list(range(10))}))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": []}))
    images = small("cifar10", tmp_path, num_train=50).open("train")
    assert images.images.shape == (50, 3, 32, 32)
    assert images.images[7].flatten().tolist() == pixels[7].tolist()


def test_svhn_layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scipy_io = import_module("scipy.io")

    monkeypatch.setattr("torchvision.datasets.svhn.check_integrity", lambda path, md5=None: Path(path).is_file())
    pixels = np.arange(32 * 32 * 3 * 10).reshape(32, 32, 3, 10).astype(np.uint8)
    scipy_io.savemat(tmp_path / "test_32x32.mat", {"X": pixels, "y": np.arange(1, 11)[:, None]})
    images = small("svhn", tmp_path).open("test")
    assert images.labels.tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0]
    assert images.images[4].permute(1, 2, 0).numpy().tolist() == pixels[..., 4].tolist()


def save_npz(directory: Path, name: str, size: int = 32) -> None:
    images = np.zeros((20, size, size, 3), np.uint8)
    labels = np.arange(20) % 10
    np.savez(
        directory / name, train_images=images, train_labels=labels, test_images=images[:10], test_labels=labels[:10]
    )


def test_single_file_in_medmnist_layout(tmp_path: Path) -> None:
    save_npz(tmp_path, "cifar10.npz")
    assert small("cifar10", tmp_path).open("train").images.shape == (20, 3, 32, 32)
    with pytest.raises(UserError) as error:
        build("cifar10", str(tmp_path)).open("train")
    for word in (str(tmp_path / "cifar10.npz"), "train split", "dataset.num_train=50000", "dataset.num_train=20"):
        assert word in str(error.value)
    save_npz(tmp_path, "cifar10.npz", 16)
    with pytest.raises(UserError, match=r"dataset.image_size=32, but the data have 16"):
        small("cifar10", tmp_path).open("test")


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("mnist", ["MNIST/raw/train-images-idx3-ubyte.gz", "MNIST/raw/t10k-labels-idx1-ubyte.gz"]),
        ("kmnist", ["KMNIST/raw/train-labels-idx1-ubyte.gz"]),
        ("cifar10", ["cifar-10-python.tar.gz"]),
        ("cifar100", ["cifar-100-python.tar.gz"]),
        ("svhn", ["train_32x32.mat", "test_32x32.mat"]),
    ],
)
def test_without_network_the_files_to_put_there_are_named(
    tmp_path: Path, no_network: None, name: str, files: list[str]
) -> None:
    directory = tmp_path / "data"
    with pytest.raises(UserError) as error:
        build(name, str(directory)).open("train")
    common = [
        f"{name}.npz",
        str(directory),
        "data_dir=",
        "GAN_EXPERIMENTS_DATA",
        "dataset=digits",
        "no network in tests",
    ]
    for word in [*files, *common]:
        assert word in str(error.value)
    assert list(directory.iterdir()) == [], "something half-written was left"


def test_damaged_files_are_not_taken_and_not_lost(tmp_path: Path, no_network: None) -> None:
    mnist_files(tmp_path)
    damaged = tmp_path / "MNIST/raw/train-images-idx3-ubyte"
    damaged.write_bytes(damaged.read_bytes()[:1000])
    with pytest.raises(UserError, match="not ready"):
        small("mnist", tmp_path).open("train")
    assert damaged.stat().st_size == 1000


def test_directory_that_is_not_given_or_cannot_be_written(tmp_path: Path, no_network: None) -> None:
    with pytest.raises(UserError, match=r"data_dir=DIRECTORY.*GAN_EXPERIMENTS_DATA.*dataset=digits"):
        build("mnist", None).open("train")
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"(?s)file.*(NotADirectory|FileExists)Error.*data_dir=DIRECTORY"):
        build("mnist", str(tmp_path / "file")).open("train")


def test_a_download_appears_only_when_it_is_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def download(url: str, download_root: str, filename: str, md5: str) -> None:
        assert Path(download_root).is_relative_to(tmp_path)
        assert not (tmp_path / "MNIST").exists()
        name = filename.removesuffix(".gz")
        Path(download_root, name).write_bytes((tmp_path / "server/MNIST/raw" / name).read_bytes())

    mnist_files(tmp_path / "server")
    monkeypatch.setattr("torchvision.datasets.mnist.download_and_extract_archive", download)
    assert len(small("mnist", tmp_path).open("test")) == 10
    assert sorted(path.name for path in tmp_path.iterdir()) == ["MNIST", "server"]
    assert len(list((tmp_path / "MNIST/raw").iterdir())) == 4


def source(dataset: str, directory: Path, **changes: Any) -> TorchvisionSource:
    arguments: dict[str, Any] = {"image_size": 16, "channels": 3, "num_classes": 2, "num_train": 4, "num_test": 2}
    return TorchvisionSource("other", dataset, str(directory), **(arguments | changes))


def test_a_set_that_keeps_image_files_works_from_arguments_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Pictures:
        def __init__(self, root: str, split: str = "train", download: bool = False) -> None:
            self.length = 4 if split == "train" else 2

        def __len__(self) -> int:
            return self.length

        def __getitem__(self, index: int) -> tuple[Image.Image, int]:
            return Image.new("RGB", (16, 16), (index, 0, 255)), index % 2

    monkeypatch.setattr(import_module("torchvision.datasets"), "Pictures", Pictures, raising=False)
    images = source("Pictures", tmp_path).open("train")
    assert images.images[:, :, 3, 3].tolist() == [[i, 0, 255] for i in range(4)]
    assert images.labels.tolist() == [0, 1, 0, 1]
    with pytest.raises(UserError, match=r"image 0 is 16×16 pixels.*dataset.image_size=8.*dataset=image_folder"):
        source("Pictures", tmp_path, image_size=8).open("train")
    with pytest.raises(UserError, match="no image of class 2"):
        source("Pictures", tmp_path, num_classes=3).open("train")
    with pytest.raises(UserError, match=r"go up to 1, but dataset.num_classes=1"):
        source("Pictures", tmp_path, num_classes=1).open("test")


def test_names_must_be_as_many_as_classes(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="class_names has 1 names for 2 classes"):
        source("MNIST", tmp_path, class_names=["a"]).describe()
