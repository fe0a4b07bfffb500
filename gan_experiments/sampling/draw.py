"""Drawing images from a trained generator, and writing them as pictures, one grid, or arrays."""

import logging
import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from gan_experiments.config.suggestions import suggest
from gan_experiments.datasets.regimes.classes import find_class
from gan_experiments.io import write_atomically
from gan_experiments.models.latents import Latents
from gan_experiments.rng import stream_seed
from gan_experiments.sampling.generate import BLOCK_SIZE, generate
from gan_experiments.sampling.images import save_grid, to_uint8
from gan_experiments.sampling.sampler import TrainedGenerator
from gan_experiments.types import UserError

log = logging.getLogger(__name__)
SECONDS = 5  # between two words on how far it is
UNLABELLED = 0  # what a generator is told that takes no label


@dataclass(frozen=True)
class Drawn:
    """N images, class by class."""

    pixels: Tensor  # uint8, N×C×H×W
    labels: Tensor  # int64, N; zeros where the generator takes none
    latents: Tensor  # float32, N×latents.dim
    share_clipped: float  # of the generator's values, which lay outside its range
    scores: Tensor | None = None  # float64, N, where these were picked by them
    recognized: Tensor | None = None  # bool, N, where a classifier judged them


def find_labels(generator: TrainedGenerator, asked: Sequence[str], trained: Sequence[int]) -> list[int]:
    """Turn names or numbers of classes into labels; all that it was trained on where none is asked for.

    A word that is both a class's name and another's number is taken as the name.

    Args:
        generator: of a run.
        asked: the words.
        trained: labels of the classes that the generator was trained on.

    Raises:
        UserError: there is no such class, it was not trained on, or the generator takes no label.
    """
    names = list(generator.class_names)
    if not generator.conditional:
        if asked:
            raise UserError(
                f"--class {asked[0]}: this generator takes no label (model.conditional is false), so a class cannot be "
                "asked for. Leave --class out, or train one that does, such as model=dcgan_projection."
            )
        return [UNLABELLED]
    labels = []
    for word in asked:
        named = find_class(word, names)
        if named is not None:
            labels.append(named)
        elif word.isdecimal() and int(word) < len(names):
            labels.append(int(word))
        else:
            raise UserError(
                f"--class {word}: classes are named, or 0 to {len(names) - 1}, and none is this{suggest(word, names)}"
            )
        if labels[-1] not in trained:
            raise UserError(
                f"--class {word}: the run's regime leaves this class out, so the generator never learnt it. It knows: "
                f"{', '.join(names[label] for label in trained)}."
            )
    return list(dict.fromkeys(labels)) or list(trained)


def draw_latents(
    latents: Latents, count: int, seed: int, label: int, truncation: float | None = None
) -> Iterator[Tensor]:
    """Return latents (float32, n×latent_dim) in blocks; latent i of a class follows from (seed, label, i) alone.

    Args:
        latents: their distribution.
        count: how many.
        seed: of the images.
        label: the class; each has its own stream.
        truncation: see `Latents.sample`.
    """
    for block in range(-(-count // BLOCK_SIZE)):
        stream = torch.Generator().manual_seed(stream_seed("drawn latents", seed, label, block))
        drawn = latents.sample(BLOCK_SIZE, stream, truncation=truncation)
        yield drawn[: count - block * BLOCK_SIZE]


def draw(
    generator: TrainedGenerator, labels: Sequence[int], count: int, seed: int, truncation: float | None = None
) -> Drawn:
    """Draw `count` images of each class, on a GPU where there is one.

    Raises:
        UserError: the generator gives values that are not finite.
    """
    return join(list(draw_blocks(generator, labels, count, seed, truncation)))


def draw_blocks(
    generator: TrainedGenerator, labels: Sequence[int], count: int, seed: int, truncation: float | None = None
) -> Iterator[Drawn]:
    """Draw as `draw` does and give the images block by block, each of one class; says every few seconds how many.

    Raises:
        UserError: the generator gives values that are not finite.
    """
    network = generator.network.to("cuda" if torch.cuda.is_available() else "cpu")
    done, total, said = 0, count * len(labels), time.monotonic()
    for label in labels:
        for block in draw_latents(generator.latents, count, seed, label, truncation):
            asked = torch.full((len(block),), label)
            images = generate(network, block, asked)
            if not images.isfinite().all():
                raise UserError(
                    f"{generator.checkpoint}: the generator gives values that are not finite: training has diverged. "
                    "Choose an earlier one (--checkpoint)."
                )
            made, share = to_uint8(images.cpu(), generator.value_range)
            yield Drawn(made, asked, block, share)
            done += len(block)
            if time.monotonic() - said >= SECONDS:
                log.info("%s of %s images drawn.", f"{done:,}", f"{total:,}")
                said = time.monotonic()


def join(parts: Sequence[Drawn]) -> Drawn:
    """Put images that were drawn one after the other into one."""
    total = sum(len(part.labels) for part in parts)
    return Drawn(
        torch.cat([part.pixels for part in parts]),
        torch.cat([part.labels for part in parts]),
        torch.cat([part.latents for part in parts]),
        sum(part.share_clipped * len(part.labels) for part in parts) / total,
        _joined([part.scores for part in parts]),
        _joined([part.recognized for part in parts]),
    )


def _joined(parts: Sequence[Tensor | None]) -> Tensor | None:
    given = [part for part in parts if part is not None]
    return torch.cat(given) if given else None


def write_files(drawn: Drawn, class_names: Sequence[str], directory: Path) -> None:
    """Write a PNG for each image, in a folder for each class where there are names: the layout of image_folder."""
    places: Counter[int] = Counter()
    for pixels, label in zip(drawn.pixels, drawn.labels.tolist(), strict=True):
        folder = directory
        if class_names:
            name = re.sub(r"[^\w.-]+", "_", class_names[label])
            folder = directory / f"{label:03d}-{name}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(_channels_last(pixels)).save(folder / f"{places[label]:06d}.png")
        places[label] += 1


def remove_files(directory: Path) -> None:
    """Remove what `write_files` has written before, so that no image of another draw stays among the new ones."""
    number = "[0-9]" * 6 + ".png"
    for path in [*directory.glob(number), *directory.glob(f"[0-9][0-9][0-9]-*/{number}")]:
        path.unlink()


def write_grid(drawn: Drawn, columns: int, path: Path) -> None:
    """Write one PNG of all images, row by row."""
    write_atomically(path, lambda file: save_grid(drawn.pixels, columns, file))


def write_npz(drawn: Drawn, class_names: Sequence[str], path: Path) -> None:
    """Write `images` (uint8, N×H×W or N×H×W×C), `labels` (int64, N), `latents` (float32) and `class_names`.

    And `scores` (float64, N), where images were picked by them.
    """
    arrays: dict[str, Any] = {
        "images": _channels_last(drawn.pixels),
        "labels": drawn.labels.numpy(),
        "latents": drawn.latents.numpy(),
        "class_names": np.array(list(class_names), dtype=np.str_),
    }
    if drawn.scores is not None:
        arrays["scores"] = drawn.scores.numpy()
    write_atomically(path, lambda file: np.savez_compressed(file, **arrays))


def _channels_last(pixels: Tensor) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return grey pixels without a channel, and others with channels last, as pictures have it."""
    moved = pixels.movedim(-3, -1)
    return np.ascontiguousarray(moved.squeeze(-1) if moved.shape[-1] == 1 else moved)
