"""Means of logged scalars, kept on the device so that no iteration waits for it."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor


class RunningMeans:
    """Sums and counts by name since the last reading; saved with the run, so that a resumed row is the same row."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}

    def add(self, values: Mapping[str, Tensor]) -> None:
        """Add one detached scalar for each name."""
        for name, value in values.items():
            held = self._sums.get(name)
            self._sums[name] = value.detach().clone() if held is None else held + value.detach()
            self._counts[name] = self._counts.get(name, 0) + 1

    def read(self, reduce: Callable[[Tensor], Any]) -> dict[str, float]:
        """Return the means so far, after `reduce`; the only place where the device is waited for, once."""
        if not self._sums:
            return {}
        means = torch.stack([self._sums[name].float() / self._counts[name] for name in self._sums])
        return dict(zip(self._sums, reduce(means).tolist(), strict=True))

    def clear(self) -> None:
        """Begin anew."""
        self._sums.clear()
        self._counts.clear()

    def state_dict(self) -> dict[str, dict[str, Any]]:
        """Return sums and counts."""
        return {"sums": dict(self._sums), "counts": dict(self._counts)}

    def load_state_dict(self, state: Mapping[str, Mapping[str, Any]]) -> None:
        """Take sums and counts back."""
        self._sums = dict(state["sums"])
        self._counts = dict(state["counts"])

    def to(self, device: torch.device) -> None:
        """Move the sums."""
        self._sums = {name: value.to(device) for name, value in self._sums.items()}
