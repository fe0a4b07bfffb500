"""The checkpoint files of a run directory."""

from pathlib import Path
from typing import Any

import torch

BEST = "best.pt"


def checkpoint_name(iterations: int) -> str:
    """Name the checkpoint after an iteration; names sort as iterations do."""
    return f"iteration_{iterations:09d}.pt"


def list_checkpoints(directory: Path) -> list[Path]:
    """List the checkpoints of a directory, oldest first."""
    return sorted(directory.glob("iteration_*.pt"))


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Load a checkpoint's containers and tensors; never code."""
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return state
