"""How far images move, step by step, along a path between two latents."""

from dataclasses import dataclass
from typing import Annotated, Any

import torch
from pydantic import Field, PositiveInt
from torch import Tensor
from torch.nn import functional as F

from gan_experiments.metrics.base import Metric, MetricInputs
from gan_experiments.metrics.extractors.base import Extractor, fit_pixels
from gan_experiments.rng import stream_seed
from gan_experiments.sampling.sampler import evaluating
from gan_experiments.types import MetricSpec

BATCH_SIZE = 100  # pairs at once


@dataclass(frozen=True)
class PerceptualPathLength(Metric):
    """l_Z = E[d(G(slerp(z₁, z₂; t)), G(slerp(z₁, z₂; t + ε))) / ε²], and l_W by lerp between styles.

    Karras et al. 2019, "A Style-Based Generator Architecture for Generative Adversarial Networks", section 4.1,
    equations 2 and 3; t is uniform in [0, 1], both images have the same label. As in the authors' code, distances below
    their first percentile and above the 99th are left out of the mean.

    Here d is the squared distance of the extractor's features at unit length. It is LPIPS in neither network nor scale:
    values compare with others of the same extractor, not with published ones. Images are neither clipped nor rounded.
    """

    num_pairs: PositiveInt = 5000
    epsilon: Annotated[float, Field(gt=0, lt=1)] = 1e-4

    specs = (MetricSpec("path_length_z"), MetricSpec("path_length_w"))
    depends_on = ("generator", "extractor")

    def parameters(self) -> dict[str, Any]:
        return {**super().parameters(), "distance": "squared, features at unit length, pixels not rounded"}

    def not_applicable(self, inputs: MetricInputs) -> str:
        reason = super().not_applicable(inputs)
        takes_floats = reason or inputs.extractor.takes_floats
        return reason or ("" if takes_floats else "the extractor rounds images, which hides so small a step")

    def compute(self, inputs: MetricInputs) -> dict[str, float]:
        """Return `path_length_z`, and `path_length_w` of a generator with `mapping` and `synthesis`; 0 to infinity."""
        generator = inputs.sampler.generator
        has_styles = hasattr(generator, "mapping") and hasattr(generator, "synthesis")
        spaces = ("z", "w") if has_styles else ("z",)
        kind = next(generator.parameters()).device.type
        # TF32, with which a GPU convolves by default, has fewer digits than the step.
        exact = torch.backends.cudnn.flags(enabled=torch.backends.cudnn.enabled, allow_tf32=False)
        with evaluating(generator), torch.autocast(kind, enabled=False), exact:
            return {f"path_length_{space}": self._length(inputs, space) for space in spaces}

    def _length(self, inputs: MetricInputs, space: str) -> float:
        sampler, extractor = inputs.sampler, inputs.extractor
        generator: Any = sampler.generator
        device = next(generator.parameters()).device
        labels = inputs.draw_labels(self.num_pairs)
        distances = []
        for batch, asked in enumerate(torch.split(labels, BATCH_SIZE)):
            stream = torch.Generator().manual_seed(stream_seed("path length", inputs.seed, batch))
            start, end = (sampler.latents.sample(BATCH_SIZE, stream)[: len(asked)].to(device) for _ in range(2))
            share = torch.rand(BATCH_SIZE, 1, generator=stream)[: len(asked)].to(device)
            asked = asked.to(device)
            if space == "w":
                start, end = (generator.mapping(latents, asked) for latents in (start, end))
                share = share.view(-1, *[1] * (start.ndim - 1))
                points = [torch.lerp(start, end, at) for at in (share, share + self.epsilon)]
                images = [generator.synthesis(point) for point in points]
            else:
                points = [sampler.latents.interpolate(start, end, at) for at in (share, share + self.epsilon)]
                images = [generator(point, asked) for point in points]
            first, second = (_unit_features(part, sampler.value_range, extractor) for part in images)
            distances.append((first - second).square().sum(1).double() / self.epsilon**2)
        every = torch.cat(distances)
        low, high = every.quantile(0.01), every.quantile(0.99)
        return float(every[(every >= low) & (every <= high)].mean())


def _unit_features(images: Tensor, value_range: Any, extractor: Extractor) -> Tensor:
    low, high = value_range
    features, _ = extractor(fit_pixels((images.float() - low) / (high - low) * 255, extractor))
    return F.normalize(features.float()).cpu()
