"""A static ratio between the updates of the two networks."""

from gan_experiments.engine.schedules.base import StaticSchedule, Updates
from gan_experiments.types import Progress


class Ratio(StaticSchedule):
    """`discriminator` updates of D for `generator` updates of G, over cycles of as many iterations as the larger count.

    The network with more updates is updated at each iteration, the other at evenly spread ones: D as early as
    possible, G as late, since G learns from a D that has caught up. So 5:1 updates G at the fifth iteration of five
    (the n_critic of Arjovsky et al. 2017, "Wasserstein GAN", algorithm 1), and 1:10 updates D at the first of ten.
    0 updates a network never.
    """

    def plan(self, progress: Progress) -> Updates:
        cycle = max(self.discriminator, self.generator)
        before = progress.iteration % cycle
        after = before + 1
        # After n of the cycle's iterations D has had its share rounded up, G its share rounded down.
        return Updates(
            discriminator=-(-after * self.discriminator // cycle) > -(-before * self.discriminator // cycle),
            generator=after * self.generator // cycle > before * self.generator // cycle,
        )
