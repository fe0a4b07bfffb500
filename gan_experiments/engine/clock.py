"""Where a run stands, in the project's own counts."""

from dataclasses import asdict, dataclass

from gan_experiments.engine.schedules.base import Updates
from gan_experiments.types import Progress


@dataclass
class Clock:
    """Counts of a run. Never Lightning's `global_step`, which counts the steps of every optimiser."""

    iterations: int = 0  # batches drawn
    images_seen: int = 0  # real images drawn, over all processes
    discriminator_steps: int = 0
    generator_steps: int = 0
    rollbacks: int = 0  # each begins another random stream

    @property
    def kimg(self) -> float:
        """Thousands of real images drawn."""
        return self.images_seen / 1000

    def progress(self, batches_per_epoch: int) -> Progress:
        """Return where the coming iteration stands, for a schedule."""
        epoch = self.iterations // batches_per_epoch
        return Progress(self.iterations, epoch, self.discriminator_steps, self.generator_steps, self.kimg)

    def row(self, batches_per_epoch: int) -> dict[str, float]:
        """Return the counts as the columns of metrics.csv."""
        return {
            "iteration": self.iterations,
            "kimg": self.kimg,
            "epoch": self.iterations / batches_per_epoch,
            "discriminator_steps": self.discriminator_steps,
            "generator_steps": self.generator_steps,
        }

    def advance(self, updates: Updates, batch_size: int) -> None:
        """Count an iteration over `batch_size` images of all processes that made these updates."""
        self.iterations += 1
        self.images_seen += batch_size
        self.discriminator_steps += updates.discriminator
        self.generator_steps += updates.generator

    def passed(self, interval_kimg: float, batch_size: int) -> bool:
        """Return whether the last iteration went past a multiple of the interval (a pure function of the counts)."""
        images = interval_kimg * 1000
        return self.images_seen // images > (self.images_seen - batch_size) // images

    def state_dict(self) -> dict[str, int]:
        """Return the counts by name."""
        return asdict(self)

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Take the counts back."""
        for name, value in state.items():
            setattr(self, name, value)
