"""What a metric may read, and what it declares of itself."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from torch import Tensor

from gan_experiments.datasets.loader import pixel_blocks
from gan_experiments.metrics.extractors.base import Extractor
from gan_experiments.sampling.sampler import Sampler, shuffle
from gan_experiments.types import ImageSet, MetricSpec

if TYPE_CHECKING:  # which import metrics themselves
    from gan_experiments.metrics.discriminator import DiscriminatorProbe, ImagesName
    from gan_experiments.metrics.features import Features, Images
    from gan_experiments.metrics.protocol import Protocol

Dependency = Literal[
    "samples", "generator", "reference", "training", "held_out", "extractor", "discriminator", "augmentations"
]
NO_CLASSES = "the extractor does not know the classes of the data"
NO_LABELS = "the generator takes no label"
NO_GENERATOR = "the run trains no generator"
NO_DISCRIMINATOR = "no discriminator was given"
NO_HELD_OUT = "the data set has no held-out images"


class Picture(NamedTuple):
    """Images to be shown row by row."""

    pixels: Tensor  # uint8, N×C×H×W
    columns: int


class MetricInputs:
    """All that a metric may read in one evaluation, as one extractor sees it; each part is computed when first read.

    Args:
        protocol: how networks are measured.
        extractor: the extractor; None: the metric needs none.
        images: the samples, or what is measured in their place; None: the task has no generator.
        seed: of all that a metric draws.
        sampler: the generator itself; None: real images or noise are measured in place of its samples.
        probe: the discriminator; None: there is none.
    """

    def __init__(
        self,
        protocol: "Protocol",
        extractor: Extractor | None,
        images: "Images | None",
        seed: int,
        sampler: Sampler | None = None,
        probe: "DiscriminatorProbe | None" = None,
    ) -> None:
        self.protocol, self.seed = protocol, seed
        self._extractor, self._images, self._sampler, self._probe = extractor, images, sampler, probe
        self.dependencies: set[Dependency] = set()  # those of what was read so far

    # The sets of images, by features, logits and labels

    @property
    def samples(self) -> "Features":
        """The samples; their labels are the classes asked for."""
        self.dependencies |= {"samples", "extractor"}
        assert self._images is not None
        return self._images.features(self.extractor)

    @property
    def reference(self) -> "Features":
        """All real training images of the classes that the regime keeps."""
        return self._real("reference")

    @property
    def training(self) -> "Features":
        """The images that the generator was trained on."""
        return self._real("training")

    @property
    def held_out(self) -> "Features":
        """Real images that the generator was not trained on, in a shuffled order."""
        return self._real("held_out")

    def _real(self, name: Literal["reference", "training", "held_out"]) -> "Features":
        self.dependencies |= {name, "extractor"}
        return self.protocol.features(self.extractor)[name]

    def matched(self, count: int) -> tuple[Tensor, Tensor]:
        """Return features of equally many samples and reference images: the first, and a fixed choice at random.

        At most `count` of each. Both are moved by the references' mean: far from the origin, distances by way of a
        matrix product lose their digits.
        """
        samples, reference = self.samples, self.reference
        count = min(count, len(samples), len(reference))
        real = reference.features[shuffle(len(reference))[:count]]
        return samples.features[:count] - real.mean(0), real - real.mean(0)

    # The same sets, by pixels

    @property
    def labels(self) -> Tensor:
        """The classes (int64, N) that samples were asked for."""
        self.dependencies.add("samples")
        assert self._images is not None
        return self._images.labels

    @property
    def pixels(self) -> Tensor:
        """All samples (uint8, N×C×H×W), drawn anew each time."""
        self.dependencies.add("samples")
        assert self._images is not None
        return self._images.pixels()

    def reference_pixels(self) -> Iterator[Tensor]:
        """Return the reference (uint8, n×C×H×W a block)."""
        self.dependencies.add("reference")
        return pixel_blocks(self.protocol.real.reference)

    def training_pixels(self, indices: Tensor) -> Tensor:
        """Return some of the images that the generator was trained on (uint8, n×C×H×W)."""
        self.dependencies.add("training")
        return self.protocol.real.training.read(indices)

    @property
    def held_out_images(self) -> ImageSet:
        """The held-out images, to train or test a network with."""
        self.dependencies.add("held_out")
        assert self.protocol.real.held_out is not None
        return self.protocol.real.held_out

    # The networks

    @property
    def extractor(self) -> Extractor:
        """The extractor itself, for images of a metric's own; see `fit_pixels`."""
        self.dependencies.add("extractor")
        assert self._extractor is not None
        return self._extractor

    @property
    def sampler(self) -> Sampler:
        """The generator, with its latents and value range, for samples of a metric's own."""
        self.dependencies.add("generator")
        assert self._sampler is not None
        return self._sampler

    def draw_labels(self, count: int) -> Tensor:
        """Draw classes (int64, count) to ask the generator for, with the probabilities of the reference."""
        self.dependencies.add("generator")
        return self.protocol.draw_labels(count, self.seed)

    def scores(self, name: "ImagesName", count: int) -> Tensor:
        """Return the discriminator's scores (float32) of the first `count` images of a set."""
        self.dependencies |= {"discriminator", name}
        assert self._probe is not None
        return self._probe.scores(name, count)

    def class_logits(self, name: "ImagesName", count: int, augmented: bool = False) -> tuple[Tensor, Tensor] | None:
        """Return the discriminator's class logits (float32, n×K) and labels (n); None without a class head.

        `augmented`: of the images as training augments them.
        """
        self.dependencies |= {"discriminator", name}
        if augmented:
            self.dependencies.add("augmentations")
        assert self._probe is not None
        return self._probe.class_logits(name, count, augmented)

    # What there is

    @property
    def knows_classes(self) -> bool:
        """Whether the extractor's logits are over the data's own classes."""
        return self.extractor.knows_classes

    @property
    def class_names(self) -> Sequence[str]:
        """The classes of the data; empty where unlabelled."""
        return self.protocol.real.class_names

    @property
    def conditional(self) -> bool:
        """Whether the generator makes the class that it is asked for."""
        return self.protocol.conditional

    def why_missing(self, part: Dependency) -> str:
        """Return why there is no such part; an empty string where there is one."""
        optional: dict[str, tuple[object, str]] = {
            "samples": (self._images, NO_GENERATOR),
            "generator": (self._sampler, NO_GENERATOR),
            "held_out": (self.protocol.real.held_out, NO_HELD_OUT),
            "discriminator": (self._probe, NO_DISCRIMINATOR),
        }
        value, reason = optional.get(part, (part, ""))
        return reason if value is None else ""


@dataclass(frozen=True)
class Metric:
    """A metric of samples, of the generator itself or of the discriminator.

    Its fields are its parameters, which are part of the protocol. A subclass declares the values that `compute` returns
    and what they depend on; whatever else it reads of its inputs is refused.
    """

    specs: ClassVar[tuple[MetricSpec, ...]]  # of its values
    depends_on: ClassVar[tuple[Dependency, ...]] = ("samples", "reference", "extractor")
    requires: ClassVar[tuple[Literal["classes", "labels"], ...]] = ()  # known to the extractor; taken by the generator
    has_anchors: ClassVar[bool] = True  # real held-out images and noise can be measured in place of samples

    @property
    def min_images(self) -> int:
        """The smallest number of images that it can be computed of."""
        return 2

    def spec(self, name: str) -> MetricSpec:
        """Return the spec of a value that `compute` returned."""
        return next(spec for spec in self.specs if spec.name == name)

    def parameters(self) -> dict[str, Any]:
        """Return what is part of the protocol."""
        return asdict(self)

    def not_applicable(self, inputs: MetricInputs) -> str:
        """Return why there is no value for these inputs; an empty string where there is one."""
        for part in self.depends_on:
            if reason := inputs.why_missing(part):
                return reason
        if "classes" in self.requires and not inputs.knows_classes:
            return NO_CLASSES
        if "labels" in self.requires and not inputs.conditional:
            return NO_LABELS
        return ""

    def compute(self, inputs: MetricInputs) -> Mapping[str, float]:
        """Return the values by name."""
        raise NotImplementedError

    def pictures(self, inputs: MetricInputs) -> Mapping[str, Picture]:
        """Return pictures that explain the values, by name."""
        return {}
