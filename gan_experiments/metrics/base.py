"""What every metric is given, and what it says of itself."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal, Protocol

from torch import Tensor

from gan_experiments.metrics.features import Seen
from gan_experiments.sampling.sampler import shuffle
from gan_experiments.types import MetricSpec

ImagesName = Literal["training", "held_out", "samples"]


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
    pixels: Callable[[], Tensor] | None = None  # all samples again, uint8
    reference_pixels: Callable[[], Iterator[Tensor]] | None = None  # of the reference, uint8, n×C×H×W a block
    fit: Callable[[Tensor, Tensor, int], float] | None = None  # (pixels, labels, seed) to accuracy on held-out images

    def matched(self, count: int) -> tuple[Tensor, Tensor]:
        """Return features of equally many samples and reference images: the first, and a fixed choice at random.

        At most `count` of each. Both are moved by the references' mean: far from the origin, distances by way of a
        matrix product lose their digits.
        """
        count = min(count, len(self.samples), len(self.reference))
        real = self.reference.features[shuffle(len(self.reference))[:count]]
        return self.samples.features[:count] - real.mean(0), real - real.mean(0)


@dataclass(frozen=True)
class Measure:
    """What is measured, with its parameters, which are part of the protocol."""

    specs: ClassVar[tuple[MetricSpec, ...]]  # of its values
    sets: ClassVar[tuple[str, ...]] = ("reference",)  # of real images that its values depend on
    measure: ClassVar[str | None] = None  # what stands in its keys in place of an extractor, where it needs none

    @property
    def fewest(self) -> int:
        """The smallest number of images that it can be computed of."""
        return 2

    def spec(self, name: str) -> MetricSpec:
        """Return the spec of a value that `compute` returned."""
        return next(spec for spec in self.specs if spec.name == name)

    def facts(self) -> dict[str, Any]:
        """Return the parameters."""
        return asdict(self)


@dataclass(frozen=True)
class Metric(Measure):
    """A metric of samples.

    `compute` gives values by name; `applies` says why there can be none, or "" where there can.
    """

    has_anchors: ClassVar[bool] = True  # real held-out images and noise can be measured in place of samples

    def applies(self, case: Case) -> str:
        """Return why there is no value for this case; an empty string where there is one."""
        return ""

    def compute(self, case: Case) -> dict[str, float]:
        """Return the values by name."""
        raise NotImplementedError


class Judge(Protocol):
    """A discriminator, in evaluation mode, and the images that it can be asked about."""

    @property
    def has_generator(self) -> bool:
        """Whether there are samples."""
        ...

    @property
    def has_held_out(self) -> bool:
        """Whether there are real images that it was not trained on."""
        ...

    @property
    def no_class_head(self) -> str:
        """Why its class head is not to be asked, such as that nothing trains it; an empty string where it may be."""
        ...

    def scores(self, name: ImagesName, count: int) -> Tensor:
        """Return the scores (float32) of the first `count` images of a set."""
        ...

    def class_logits(self, name: ImagesName, count: int, augmented: bool = False) -> tuple[Tensor, Tensor] | None:
        """Return class logits (float32, n×K) and labels (n) of them; None without a class head.

        `augmented`: the images as training augments them.
        """
        ...


@dataclass(frozen=True)
class DiscriminatorMetric(Measure):
    """A metric of the discriminator, which needs no extractor; the task may have no generator."""

    measure: ClassVar[str | None] = "discriminator"
    augmented: ClassVar[bool] = False  # whether its values depend on how training augments images
    of_samples: ClassVar[bool] = True  # whether it looks at samples too
    of_held_out: ClassVar[tuple[str, ...]] = ()  # values that depend on held-out images alone, as they are

    def applies(self, judge: Judge) -> str:
        """Return why there is no value; an empty string where there is one."""
        return ""

    def compute(self, judge: Judge) -> dict[str, float]:
        """Return the values by name."""
        raise NotImplementedError


NO_CLASSES = "the extractor does not know the classes of the data"
NO_LABELS = "the generator takes no label"
NO_GENERATOR = "the run trains no generator"
NO_HELD_OUT = "the data set has no held-out images"
