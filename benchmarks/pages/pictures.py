"""Drawn pictures that know what they were drawn from, so that a stale one is found."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def save(figure: Figure, target: Path, data: Any) -> None:
    """Write a picture as PNG, with a digest of its data in it."""
    figure.savefig(target, dpi=90, metadata={"Description": digest(data)})


def is_drawn_of(picture: Path, data: Any) -> bool:
    """Return whether a picture is there and was drawn from these data."""
    from PIL import Image

    if not picture.exists():
        return False
    with Image.open(picture) as opened:
        return opened.info.get("Description") == digest(data)


def digest(data: Any) -> str:
    """Return a hash of what JSON makes of data."""
    return hashlib.sha256(json.dumps(data).encode()).hexdigest()
