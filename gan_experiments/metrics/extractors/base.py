"""The base of all extractors, and how images are converted to what one takes."""

import hashlib
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gan_experiments.types import ImageSet, UserError


class Extractor(nn.Module):
    """Pixels (uint8, N×channels×image_size×image_size) to features (float32, N×D) and class logits (N×K) or None.

    A subclass states these facts, which become part of the protocol, and implements `forward`.
    """

    name: str  # of the measure: keys are `<metric>/<name>`
    channels: int  # that it takes; grey images are repeated to 3
    image_size: int | None = None  # that it takes; None: any, as it resizes by itself
    num_classes: int = 0  # of its logits, 0: none
    accuracy: float | None = None  # on held-out images of what it was trained on
    knows_classes: bool = False  # its logits are over the classes of this data set
    takes_floats: bool = True  # pixels that are not rounded
    needs_fit: bool = False  # it must be trained before use, by `fit`

    def fit(self, train_set: ImageSet, test_set: ImageSet | None, cache_dir: Path) -> None:
        """Train on the data, or take the weights that were trained on the same data before.

        Args:
            train_set: all labelled training images, without a regime.
            test_set: labelled held-out images; None: the accuracy stays unknown.
            cache_dir: of the weights, by the content of the data.
        """

    def facts(self) -> dict[str, Any]:
        """Return which measure this is: the name, a hash of all weights, the accuracy and the input."""
        side = "any size" if self.image_size is None else f"{self.image_size}×{self.image_size}"
        return {
            "name": self.name,
            "weights": weights_hash(self),
            "accuracy": self.accuracy,
            "knows_classes": self.knows_classes,
            "input": f"{side}, {self.channels} channels",
        }


def weights_hash(module: nn.Module) -> str:
    """Hash names, shapes and values of all weights and buffers to 16 hexadecimal digits."""
    digest = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        digest.update(f"{name}{value.dtype}{tuple(value.shape)}".encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def fit_pixels(pixels: Tensor, extractor: Extractor) -> Tensor:
    """Convert N×C×H×W pixels to what an extractor takes, by the steps that `fitting` names; floats are not rounded.

    Raises:
        UserError: colour images and an extractor for grey ones.
    """
    channels, side = pixels.shape[1], pixels.shape[-1]
    if channels == 1 and extractor.channels == 3:
        pixels = pixels.expand(-1, 3, -1, -1)
    elif channels != extractor.channels:
        raise UserError(
            f"extractor {extractor.name!r} takes {extractor.channels} channels, but the images have {channels}: choose "
            f"evaluation/extractor=classifier or evaluation/extractor=inception."
        )
    if extractor.image_size not in (None, side):
        resized = F.interpolate(pixels.float(), size=extractor.image_size, mode="bilinear", antialias=True)
        pixels = resized if pixels.is_floating_point() else resized.round().clamp(0, 255).to(torch.uint8)
    return pixels


def logits_of(extractor: Extractor, pixels: Tensor) -> Tensor:
    """Return the class logits (N×K, on the CPU) of an extractor that has such, of N×C×H×W pixels (uint8)."""
    device = next(extractor.parameters(), pixels).device
    with torch.no_grad():
        _, logits = extractor(fit_pixels(pixels, extractor).to(device))
    return logits.cpu()  # type: ignore[no-any-return]  # of a module


def fitting(channels: int, side: int, extractor: Extractor) -> dict[str, str]:
    """Return what `fit_pixels` does to images, in words, for the protocol."""
    repeated = channels == 1 and extractor.channels == 3
    same = extractor.image_size in (None, side)
    target = f"bilinear with antialiasing to {extractor.image_size}, rounded"
    return {
        "pixels": "clipped to the value range, rounded half to even, 8 bits",
        "channels": "grey repeated to 3" if repeated else "as they are",
        "resize": ("none" if extractor.image_size else "the extractor's own") if same else target,
    }
