"""How often images are recognised as what they were made for, and how sure that is."""

import math
from typing import Any

from torch import Tensor

NORMAL_95 = 1.959964  # standard deviations


def recognized(seen: Tensor, asked: Tensor, num_classes: int) -> dict[str, Any]:
    """Compare recognised classes with those asked for, both int64 N.

    Returns:
        `share`; `interval`, 95% for a share of N independent draws; `chance`, of a guess; `by_class`, the share of the
        images of each class that was asked for, in ascending order.
    """
    right = (seen == asked).cpu()
    by_class = [right[(asked == label).cpu()].float().mean().item() for label in sorted(set(asked.tolist()))]
    hits, total = int(right.sum()), len(right)
    low, high = wilson(hits, total)
    return {"share": hits / total, "interval": [low, high], "chance": 1 / num_classes, "by_class": by_class}


def fooled(before: Tensor, after: Tensor, towards: Tensor, labels: Tensor) -> dict[str, Any]:
    """Return how often the true class was recognised before and after, and how often the one that was aimed at.

    All are classes of the same N images, int64 N.
    """

    def share(found: Tensor) -> float:
        return found.float().mean().item()

    return {
        "num_images": len(labels),
        "accuracy_before": share(before == labels),
        "accuracy_after": share(after == labels),
        "share_led_to_the_other_class": share(after == towards),
    }


def wilson(hits: int, total: int) -> tuple[float, float]:
    """Return the 95% interval of a binomial share (Wilson 1927): good for few draws and for shares near 0 or 1."""
    share, squared = hits / total, NORMAL_95**2
    middle = (share + squared / (2 * total)) / (1 + squared / total)
    half = NORMAL_95 * math.sqrt(share * (1 - share) / total + squared / (4 * total**2)) / (1 + squared / total)
    return max(0.0, middle - half), min(1.0, middle + half)
