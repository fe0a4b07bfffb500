"""Generated images, and pixels as pictures and files."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.utils import make_grid

from gan_experiments.io import write_atomically


@dataclass(frozen=True)
class Samples:
    """N generated images."""

    pixels: Tensor  # uint8, N×C×H×W
    share_clipped: float  # of the generator's values, which lay outside its range
    labels: Tensor  # int64, N; zeros where the generator takes none
    latents: Tensor  # float32, N×dim

    def __len__(self) -> int:
        return len(self.pixels)

    def take(self, order: Tensor) -> Self:
        """Return these images (int64, M) in this order."""
        parts = (part[order.to(part.device)] for part in (self.labels, self.latents))
        return type(self)(self.pixels[order.to(self.pixels.device)], self.share_clipped, *parts)

    def cpu(self) -> Self:
        """Return the images on the CPU."""
        return type(self)(self.pixels.cpu(), self.share_clipped, self.labels.cpu(), self.latents.cpu())

    def save_grid(self, path: Path, columns: int) -> None:
        """Write one PNG of all images, row by row."""
        write_atomically(path, lambda file: save_grid(self.pixels, columns, file))

    def save_files(self, directory: Path, class_names: Sequence[str] = ()) -> None:
        """Write a PNG for each image, in a folder for each class where there are names: the layout of image_folder."""
        numbers: Counter[int] = Counter()
        for pixels, label in zip(self.pixels, self.labels.tolist(), strict=True):
            name = re.sub(r"[^\w.-]+", "_", class_names[label]) if class_names else ""
            folder = directory / f"{label:03d}-{name}" if class_names else directory
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(_channels_last(pixels)).save(folder / f"{numbers[label]:06d}.png")
            numbers[label] += 1

    def save_npz(self, path: Path, class_names: Sequence[str] = (), scores: Tensor | None = None) -> None:
        """Write `images` (uint8, N×H×W or N×H×W×C), `labels`, `latents`, `class_names` and, where given, `scores`."""
        arrays: dict[str, Any] = {
            "images": _channels_last(self.pixels),
            "labels": self.labels.numpy(),
            "latents": self.latents.numpy(),
            "class_names": np.array(list(class_names), dtype=np.str_),
        }
        if scores is not None:
            arrays["scores"] = scores.numpy()
        write_atomically(path, lambda file: np.savez_compressed(file, **arrays))


def join(parts: Sequence[Samples]) -> Samples:
    """Join images that were drawn one after the other."""
    total = sum(map(len, parts))
    return Samples(
        torch.cat([part.pixels for part in parts]),
        sum(part.share_clipped * len(part) for part in parts) / total,
        torch.cat([part.labels for part in parts]),
        torch.cat([part.latents for part in parts]),
    )


def remove_files(directory: Path) -> None:
    """Remove what `Samples.save_files` wrote before, so that no image of another draw stays among the new ones."""
    number = "[0-9]" * 6 + ".png"
    for path in [*directory.glob(number), *directory.glob(f"[0-9][0-9][0-9]-*/{number}")]:
        path.unlink()


def save_grid(pixels: Tensor, columns: int, path: Path | IO[bytes], smallest_side: int = 40) -> None:
    """Save N×C×H×W pixels (uint8) as a PNG grid; images smaller than `smallest_side` are enlarged by whole factors."""
    factor = max(1, -(-smallest_side // pixels.shape[-1]))
    enlarged = pixels.repeat_interleave(factor, -1).repeat_interleave(factor, -2)
    grid = make_grid(enlarged.cpu(), nrow=columns, padding=2, pad_value=128)
    Image.fromarray(np.asarray(grid.permute(1, 2, 0))).save(path, format="PNG")


def _channels_last(pixels: Tensor) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return grey pixels without a channel, and others with channels last, as pictures have it."""
    moved = pixels.movedim(-3, -1)
    return np.ascontiguousarray(moved.squeeze(-1) if moved.shape[-1] == 1 else moved)
