"""A static ratio between the updates of the two networks."""

from __future__ import annotations

from typing import Any

from gan_experiments.schedules._counts import check_counts
from gan_experiments.schedules.base import Progress, Updates


class Ratio:
    """`discriminator` updates of D for `generator` updates of G, over cycles of as many iterations as the larger count.

    The network with more updates is updated at each iteration, the other at evenly spread ones: D as early as
    possible, G as late, since G learns from a D that has caught up. So 5:1 updates G at the fifth iteration of five
    (the n_critic of Arjovsky et al. 2017, "Wasserstein GAN", algorithm 1), and 1:10 updates D at the first of ten.

    Args:
        discriminator: updates of D in a cycle, 0 for never.
        generator: updates of G in a cycle, 0 for never.

    Raises:
        UserError: a count is negative, or both are 0.

    """

    measure_every: int | None = None

    def __init__(self, discriminator: int = 1, generator: int = 1) -> None:
        check_counts(discriminator, generator, "updates in a cycle")
        self.discriminator = discriminator
        self.generator = generator

    def plan(self, progress: Progress) -> Updates:
        """Say which networks this iteration updates."""
        cycle = max(self.discriminator, self.generator)
        before = progress.iteration % cycle
        after = before + 1
        # After n of the cycle's iterations D has had its share rounded up, G its share rounded down.
        return Updates(
            discriminator=-(-after * self.discriminator // cycle) > -(-before * self.discriminator // cycle),
            generator=after * self.generator // cycle > before * self.generator // cycle,
        )

    def observe(self, discriminator_loss: float, generator_loss: float) -> None:
        """Losses do not matter here."""

    def state_dict(self) -> dict[str, Any]:
        """There is no state: the plan depends on the iteration alone."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """There is no state to take back."""
