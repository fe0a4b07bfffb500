"""The networks of a run, as its files tell them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gan_experiments.formatting import encodable
from gan_experiments.runs.reading import read_json


@dataclass(frozen=True)
class Layer:
    """One leaf module, in the order in which it ran."""

    name: str
    kind: str
    shape: str  # of its output, without the batch
    parameters: int  # trainable


@dataclass(frozen=True)
class Network:
    """One network."""

    name: str
    layers: list[Layer]
    parameters: int  # trainable


def read_networks(directory: Path) -> list[Network]:
    """Read networks.json; empty where a run, such as an older one, holds none that can be read."""
    try:
        return [_network(name, facts) for name, facts in read_json(directory / "networks.json").items()]
    except (TypeError, KeyError, ValueError):
        return []


def read_text(directory: Path) -> str:
    """Read networks.txt, which older runs hold alone; empty where it cannot be read."""
    try:
        return encodable((directory / "networks.txt").read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return ""


def _network(name: str, facts: Any) -> Network:
    layers = [
        Layer(
            encodable(str(row["name"])),
            encodable(str(row["layer"])),
            "×".join(str(int(size)) for size in row["output_shape"]),
            int(row["parameters"]),
        )
        for row in facts["layers"]
    ]
    return Network(encodable(name), layers, int(facts["parameters"]))
