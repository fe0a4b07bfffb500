"""Tensors that every room handles: pixels as a network takes them, files of tensors, and the device to compute on."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from gan_experiments.io import cached, write_atomically

Stored = tuple[dict[str, Tensor], dict[str, Any]]
"""Tensors by name, and facts that JSON can hold."""


def default_device() -> torch.device:
    """Return the GPU where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def from_uint8(pixels: Tensor, value_range: Sequence[float] = (-1.0, 1.0)) -> Tensor:
    """Map pixels (uint8, any shape) to float32 values, black and white to the ends of `value_range`."""
    low, high = value_range
    return pixels.float() / 255 * (high - low) + low


def to_uint8(images: Tensor, value_range: Sequence[float]) -> tuple[Tensor, float]:
    """Map images (float, any shape) from `value_range` to 0..255, rounded half to even.

    Returns:
        The pixels (uint8, same shape), and the share of values that lay outside the range and were clipped.
    """
    low, high = value_range
    scaled = (images.float() - low) / (high - low)
    clipped = ((scaled < 0) | (scaled > 1)).float().mean().item()
    return (scaled.clamp(0, 1) * 255).round().to(torch.uint8), clipped


def save_tensors(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Write tensors and facts as safetensors, whole or not at all."""
    data = save({name: value.contiguous() for name, value in tensors.items()}, {"facts": json.dumps(facts)})
    write_atomically(path, lambda file: file.write(data))


def load_tensors(path: Path) -> Stored:
    """Read what `save_tensors` wrote.

    Raises:
        OSError, SafetensorError, KeyError: there is no such file, or it is damaged or another's.
    """
    with safe_open(path, "pt") as file:
        facts: dict[str, Any] = json.loads((file.metadata() or {})["facts"])
        return {name: file.get_tensor(name) for name in file.keys()}, facts  # noqa: SIM118 # not a mapping


def cached_tensors(path: Path, make: Callable[[], Stored]) -> Stored:
    """Return the tensors and facts kept at `path`, or make and keep them; see `io.cached`."""
    return cached(path, load_tensors, make, lambda path, made: save_tensors(path, *made))
