import subprocess
import sys
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from gan_experiments.datasets.folder import ImageFolderSource
from gan_experiments.types import DatasetFacts, UserError

Pixels = list[list[int]]


def save(path: Path, colour: Any = (200, 100, 50), mode: str = "RGB", size: tuple[int, int] = (4, 4)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path)


def read(folder: Path, **arguments: Any) -> Any:
    """All images of a folder, in the order of their names."""
    images = ImageFolderSource(str(folder), holdout_fraction=0.0, **arguments).open("train")
    return images.read(torch.arange(len(images)))


def classes(folder: Path, per_class: int = 30) -> Path:
    for name in ("b", "a"):
        for i in range(per_class):
            save(folder / name / f"{i}.png", (i, 0, 0))
    return folder


def test_class_sub_folders(tmp_path: Path) -> None:
    source = ImageFolderSource(str(classes(tmp_path)))
    save(tmp_path / "a" / "deeper" / "x.JPEG")
    (tmp_path / "a" / "notes.txt").write_text("not an image")
    (tmp_path / "a" / "._0.png").write_text("left by macOS")
    (tmp_path / ".cache").mkdir()
    facts = source.describe()
    assert (facts.image_size, facts.channels, facts.num_classes, facts.class_names) == (4, 3, 2, ["a", "b"])
    assert facts.num_train + facts.num_test == 61
    train, test = source.open("train"), source.open("test")
    assert (len(train), len(test)) == (facts.num_train, facts.num_test)
    assert [path.parts[len(tmp_path.parts)] for path in train.paths] == ["ab"[label] for label in train.labels]
    assert not set(train.paths) & set(test.paths)
    indices = torch.tensor([5, 0])
    reds = [int(train.paths[i].stem) for i in indices if train.paths[i].suffix == ".png"]
    assert train.read(indices).shape == (2, 3, 4, 4)
    assert train.read(indices)[:, 0, 0, 0].tolist() == reds


def test_held_out_share_depends_on_names_alone(tmp_path: Path) -> None:
    def held_out(folder: Path, fraction: float) -> set[str]:
        source = ImageFolderSource(str(folder), holdout_fraction=fraction)
        return {unicodedata.normalize("NFC", path.name) for path in source.open("test").paths}

    names = [f"é{i}.png" for i in range(200)]
    for name in names:
        save(tmp_path / "one" / unicodedata.normalize("NFC", name))
    for name in reversed(names[:150]):  # another place, order, set of neighbours and spelling of the accent
        save(tmp_path / "two" / unicodedata.normalize("NFD", name), (1, 2, 3))
    tenth = held_out(tmp_path / "one", 0.1)
    assert held_out(tmp_path / "two", 0.1) == tenth & set(names[:150])
    assert tenth < held_out(tmp_path / "one", 0.3), "a larger share holds the smaller one"
    assert 5 <= len(tenth) <= 40  # binomial(200, 0.1): 20 ± 4.2, nearly five deviations
    assert ImageFolderSource(str(tmp_path / "one"), holdout_fraction=0.0).describe().num_test == 0


def test_images_without_classes(tmp_path: Path) -> None:
    for i in range(3):
        save(tmp_path / f"{i}.png", i, "L")
    (tmp_path / "empty").mkdir()
    source = ImageFolderSource(str(tmp_path), holdout_fraction=0.0)
    assert source.describe() == DatasetFacts(4, 1, 0, [], 3, 0)
    assert source.open("train").labels.tolist() == [0, 0, 0]
    with pytest.raises(UserError, match=r"holdout_fraction=0.0: there is no image"):
        source.open("test")


def palette(transparent: bool) -> Image.Image:
    image = Image.new("P", (2, 2))
    image.putpalette([200, 100, 50, 0, 0, 255])
    image.putdata([0, 1, 0, 1])
    if transparent:
        image.info["transparency"] = 1
    return image


ORANGE, BLUE, GREEN = [200, 100, 50], [0, 0, 255], [10, 250, 20]  # green is the background

MODES: dict[str, tuple[Image.Image, str, list[int], list[int]]] = {
    "RGB": (Image.new("RGB", (2, 2), (200, 100, 50)), "png", ORANGE, ORANGE),
    "palette": (palette(False), "png", ORANGE, BLUE),
    "palette_transparent": (palette(True), "png", ORANGE, GREEN),
    "RGBA_transparent": (Image.new("RGBA", (2, 2), (200, 100, 50, 0)), "png", GREEN, GREEN),
    "RGBA_half": (Image.new("RGBA", (2, 2), (200, 100, 50, 128)), "png", [105, 175, 35], [105, 175, 35]),
    "RGB_colour_key": (Image.new("RGB", (2, 2), (200, 100, 50)), "key", GREEN, GREEN),
    "LA": (Image.new("LA", (2, 2), (70, 255)), "png", [70] * 3, [70] * 3),
    "LA_transparent": (Image.new("LA", (2, 2), (70, 0)), "png", GREEN, GREEN),
    "L": (Image.new("L", (2, 2), 70), "png", [70] * 3, [70] * 3),
    "1": (Image.new("1", (2, 2), 1), "png", [255] * 3, [255] * 3),
    "I;16": (Image.fromarray(np.full((2, 2), 257 * 90, np.uint16)), "png", [90] * 3, [90] * 3),
    "I;16_rounds": (Image.fromarray(np.full((2, 2), 200, np.uint16)), "png", [1] * 3, [1] * 3),
    "I;16_white": (Image.fromarray(np.full((2, 2), 65535, np.uint16)), "tif", [255] * 3, [255] * 3),
    "I": (Image.fromarray(np.full((2, 2), 257 * 90, np.int32)), "tif", [90] * 3, [90] * 3),
    "CMYK": (Image.new("CMYK", (2, 2), (0, 255, 255, 0)), "tif", [255, 0, 0], [255, 0, 0]),
}


@pytest.mark.parametrize("name", MODES)
def test_every_mode_becomes_8_bit_colour(tmp_path: Path, name: str) -> None:
    image, kind, first, second = MODES[name]
    if kind == "key":
        image.save(tmp_path / "x.png", transparency=(200, 100, 50))
    else:
        image.save(tmp_path / f"x.{kind}")
    pixels = read(tmp_path, channels=3, background=[10, 250, 20])
    assert pixels.dtype == torch.uint8
    for place, expected in ((0, first), (1, second)):
        # Half transparency and resampling round; nothing else may differ.
        assert (pixels[0, :, 0, place] - torch.tensor(expected)).abs().max() <= (1 if name == "RGBA_half" else 0)


def test_channels_follow_the_headers_or_the_user(tmp_path: Path) -> None:
    save(tmp_path / "a.png", 70, "L")
    save(tmp_path / "b.png", 1, "1")
    save(tmp_path / "c.png", (70, 255), "LA")
    assert ImageFolderSource(str(tmp_path)).describe().channels == 1
    assert read(tmp_path)[:, :, 0, 0].tolist() == [[70], [255], [70]]
    save(tmp_path / "d.png", 0, "P")
    assert ImageFolderSource(str(tmp_path)).describe().channels == 3
    assert read(tmp_path).shape == (4, 3, 4, 4)
    assert read(tmp_path, channels=1).shape == (4, 1, 4, 4)


def test_fit(tmp_path: Path) -> None:
    image = np.zeros((8, 16), np.uint8)
    image[:, 4:12] = 200
    Image.fromarray(image).save(tmp_path / "x.png")
    assert (read(tmp_path, image_size=8, fit="crop") == 200).all()
    assert (read(tmp_path, image_size=4, fit="crop") == 200).all()
    resized = read(tmp_path, image_size=8, fit="resize")[0, 0].float()
    assert resized.mean().item() == pytest.approx(100, abs=1)
    assert resized[0, 0] < 10
    checks = ((np.indices((64, 64)).sum(0) % 2) * 255).astype(np.uint8)
    Image.fromarray(checks).save(tmp_path / "x.png")
    assert (read(tmp_path, image_size=16)[0, 0, 2:-2, 2:-2].float() - 127.5).abs().max() < 3, "shrinking must average"


def test_photographs_are_turned_upright(tmp_path: Path) -> None:
    image = Image.new("L", (4, 4))
    image.paste(255, (0, 0, 4, 2))  # white above
    exif = Image.Exif()
    exif[0x0112] = 3  # orientation: turned by 180°
    image.save(tmp_path / "x.png", exif=exif)
    assert read(tmp_path)[0, 0, :, 0].tolist() == [0, 0, 255, 255]


def fails(tmp_path: Path, *words: str, **arguments: Any) -> None:
    with pytest.raises(UserError) as error:
        ImageFolderSource(str(tmp_path), **arguments).describe()
    assert all(word in str(error.value) for word in words), str(error.value)


def test_wrong_folders_say_what_to_write(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"dataset.path=FOLDER"):
        ImageFolderSource(None).describe()
    fails(tmp_path / "absent", "absent does not exist or is no folder", "dataset.path=FOLDER")
    (tmp_path / "notes.txt").write_text("not an image")
    fails(tmp_path / "notes.txt", "is no folder")
    fails(tmp_path, "no image in it")
    save(tmp_path / "a" / "x.png")
    (tmp_path / "b").mkdir()
    fails(tmp_path, str(tmp_path / "b"), "holds no image")
    save(tmp_path / "loose.png")
    fails(tmp_path, "loose.png", "beside the class sub-folders a, b")


def test_sizes_that_differ_name_two_files_and_the_key(tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    save(tmp_path / "b.png", size=(6, 5))
    fails(tmp_path, "a.png is 4×4", "b.png is 6×5", "dataset.image_size=")
    assert read(tmp_path, image_size=4).shape == (2, 3, 4, 4)
    (tmp_path / "a.png").unlink()
    fails(tmp_path, "6×5 pixels", "dataset.image_size=")


def test_unreadable_images_are_named(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    for name in ("good.png", "cut.png"):
        Image.fromarray(noise).save(tmp_path / name)
    content = (tmp_path / "cut.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(content[: len(content) // 2])
    source = ImageFolderSource(str(tmp_path), holdout_fraction=0.0)
    assert source.describe().num_train == 2, "its header is whole"
    with pytest.raises(UserError, match=r"cut.png: not a readable image"):
        source.open("train").read(torch.tensor([0, 1]))
    (tmp_path / "bad.jpg").write_bytes(b"")
    fails(tmp_path, "bad.jpg: not a readable image", "take it out")
    (tmp_path / "bad.jpg").unlink()
    Image.fromarray(np.zeros((32, 32), np.float32)).save(tmp_path / "float.tif")
    fails(tmp_path, "float.tif", "8 or 16 bits")


def test_a_class_that_is_held_out_whole_is_named(tmp_path: Path) -> None:
    classes(tmp_path, 20)
    names = {path.name for path in ImageFolderSource(str(tmp_path), holdout_fraction=0.5).open("test").paths}
    for path in (tmp_path / "a").iterdir():
        if path not in ImageFolderSource(str(tmp_path), holdout_fraction=0.5).open("test").paths:
            path.unlink()
    assert names
    with pytest.raises(UserError, match=r"no image of class 0 \(a\)"):
        ImageFolderSource(str(tmp_path), holdout_fraction=0.5).open("train")


def test_describing_imports_no_torch(tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    code = (
        "import sys; from gan_experiments.datasets import digits, npz, torchvision; "
        "from gan_experiments.datasets.folder import ImageFolderSource; "
        f"ImageFolderSource({str(tmp_path)!r}).describe(); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
