"""What every metric is given, and what it says of itself."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal

from torch import Tensor

from gan_experiments.evaluation.features import Seen
from gan_experiments.evaluation.sampling import shuffle

Score = Callable[[Literal["training", "held_out", "samples"], int], Tensor]
"""The discriminator's scores of the first n images of a set."""


@dataclass(eq=False)
class Case:
    """Samples to be judged, and the real images they are judged by, all as one extractor sees them."""

    samples: Seen  # labels: the classes asked for
    reference: Seen  # all real training images of the classes that the regime keeps
    training: Seen  # those that the generator was trained on
    held_out: Seen | None  # real images that it was not, in a shuffled order
    conditional: bool  # whether the generator makes the class it is asked for
    knows_classes: bool  # whether the extractor's logits are over the data's own classes
    class_names: Sequence[str]
    seed: int  # of what a metric draws at random
    score: Score | None = None  # of the discriminator
    pixels: Callable[[], Tensor] | None = None  # all samples again, uint8
    fit: Callable[[Tensor, Tensor, int], float] | None = None  # (pixels, labels, seed) to accuracy on held-out images

    def matched(self, count: int) -> tuple[Tensor, Tensor]:
        """Give features of equally many samples and reference images: the first, and a fixed choice at random.

        At most `count` of each. Both are moved by the references' mean: far from the origin, distances by way of a
        matrix product lose their digits.
        """
        count = min(count, len(self.samples), len(self.reference))
        real = self.reference.features[shuffle(len(self.reference))[:count]]
        return self.samples.features[:count] - real.mean(0), real - real.mean(0)


@dataclass(frozen=True)
class Metric:
    """A metric with its parameters, which are part of the protocol.

    `compute` gives values by name; `applies` says why there can be none, or "" where there can.
    """

    names: ClassVar[tuple[str, ...]]  # of its values
    higher: ClassVar[tuple[str, ...]] = ()  # names of those that are better when higher
    has_anchors: ClassVar[bool] = True  # real held-out images and noise can be measured in place of samples
    sets: ClassVar[tuple[str, ...]] = ("reference",)  # of real images that its values depend on
    measure: ClassVar[str | None] = None  # what stands in its keys in place of an extractor, where it needs none

    @property
    def fewest(self) -> int:
        """The smallest number of images that it can be computed of."""
        return 2

    def applies(self, case: Case) -> str:
        """Say why there is no value for this case; an empty string where there is one."""
        return ""

    def compute(self, case: Case) -> dict[str, float]:
        """Give the values by name."""
        raise NotImplementedError

    def facts(self) -> dict[str, Any]:
        """Give the parameters."""
        return asdict(self)


NO_CLASSES = "the extractor does not know the classes of the data"
NO_LABELS = "the generator takes no label"
NO_HELD_OUT = "the data set has no held-out images"
