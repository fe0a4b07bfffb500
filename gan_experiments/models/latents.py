"""Latents: the random vectors that a generator maps to images. Nothing else in the package draws them."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import torch
from pydantic import Field, FiniteFloat, NonNegativeInt, PositiveInt
from torch import Tensor
from torch.nn.functional import one_hot

from gan_experiments.config.instantiate import instantiate
from gan_experiments.types import UserError

Stream = torch.Generator | None
Device = torch.device | str | None


@dataclass(frozen=True)
class Latents(ABC):
    """A distribution of latents, float32 vectors of `dim` entries."""

    dim: PositiveInt

    @abstractmethod
    def sample(
        self, count: int, generator: Stream = None, device: Device = None, truncation: float | None = None
    ) -> Tensor:
        """Draw `count` latents, count×dim.

        Truncation is the trick of Brock et al. 2019, "Large Scale GAN Training for High Fidelity Natural Image
        Synthesis" (BigGAN), section 3.1: entries beyond ±truncation are drawn again until none is. The result is the
        distribution cut at ±truncation, not rescaled; here it is drawn at once, by its inverse distribution function.

        Args:
            count: number of latents.
            generator: the random stream, on `device`; None: the device's default stream.
            device: where they are drawn; None: the default device.
            truncation: the threshold, above 0; None: no truncation.
        """

    def interpolate(self, start: Tensor, end: Tensor, share: Tensor | float) -> Tensor:
        """Return latents (N×dim) on the straight line from `start` (share 0) to `end` (share 1, a number or N×1)."""
        return start + (end - start) * share

    @abstractmethod
    def describe(self) -> str:
        """Return the distribution in words, for cards and pages."""

    @abstractmethod
    def code(self, count: int, library: Literal["torch", "numpy"]) -> str:
        """Return a Python expression that draws `count` latents, for scripts that do not import this package."""


@dataclass(frozen=True)
class Normal(Latents):
    """Independent standard normal entries."""

    def sample(
        self, count: int, generator: Stream = None, device: Device = None, truncation: float | None = None
    ) -> Tensor:
        if truncation is None:
            return torch.randn(count, self.dim, generator=generator, device=device)
        uniform = torch.rand(count, self.dim, generator=generator, device=device, dtype=torch.float64) * 2 - 1
        share_within = math.erf(truncation / math.sqrt(2))
        return (torch.erfinv(uniform * share_within) * math.sqrt(2)).clamp(-truncation, truncation).float()

    def interpolate(self, start: Tensor, end: Tensor, share: Tensor | float) -> Tensor:
        """Return latents (N×dim) on the arc from `start` to `end`: spherical interpolation.

        With Ω the angle between a and b: sin((1-t)Ω)/sin Ω·a + sin(tΩ)/sin Ω·b (Shoemake 1985, "Animating Rotation with
        Quaternion Curves"). White 2016, "Sampling Generative Networks", section 2.1: normal latents of many dimensions
        lie near a sphere, whose inside a straight line would cross, where the generator was never trained.
        """
        angle = torch.acos(torch.cosine_similarity(start, end, dim=1).clamp(-1, 1))[:, None]
        sine = angle.sin()
        straight = super().interpolate(start, end, share)
        arc = (((1 - share) * angle).sin() * start + (share * angle).sin() * end) / sine
        return torch.where(sine.abs() < 1e-4, straight, arc)  # parallel: the arc is the line, or there is none

    def describe(self) -> str:
        return "standard normal"

    def code(self, count: int, library: Literal["torch", "numpy"]) -> str:
        if library == "torch":
            return f"torch.randn({count}, {self.dim})"
        return f"np.random.randn({count}, {self.dim}).astype(np.float32)"


@dataclass(frozen=True)
class Uniform(Latents):
    """Independent entries, each value in [low, high) equally likely.

    As in Goodfellow et al. 2014, "Generative Adversarial Nets", and Radford et al. 2016 (DCGAN), section 4.
    """

    low: FiniteFloat = -1.0
    high: FiniteFloat = 1.0

    def __post_init__(self) -> None:
        if self.low >= self.high:
            raise UserError(f"model.latents.low={self.low:g} must be below model.latents.high={self.high:g}.")

    def sample(
        self, count: int, generator: Stream = None, device: Device = None, truncation: float | None = None
    ) -> Tensor:
        low, high = self.low, self.high
        if truncation is not None:
            low, high = max(low, -truncation), min(high, truncation)
            if low >= high:
                raise UserError(f"truncation {truncation:g} leaves nothing of latents that are {self.describe()}.")
        return torch.rand(count, self.dim, generator=generator, device=device) * (high - low) + low

    def describe(self) -> str:
        return f"uniform in [{self.low:g}, {self.high:g}]"

    def code(self, count: int, library: Literal["torch", "numpy"]) -> str:
        if library == "torch":
            return f"torch.rand({count}, {self.dim}) * {self.high - self.low:g} + {self.low:g}"
        return f"np.random.uniform({self.low:g}, {self.high:g}, ({count}, {self.dim})).astype(np.float32)"


@dataclass(frozen=True)
class NormalWithCodes(Latents):
    """Standard normal entries, then categorical codes (one-hot), then continuous ones, uniform in [-1, 1].

    Chen et al. 2016, "InfoGAN: Interpretable Representation Learning by Information Maximizing Generative Adversarial
    Nets", section 7. Truncation is of the normal entries alone.
    """

    categorical: Sequence[Annotated[int, Field(ge=2)]] = (10,)  # number of values of each code
    continuous: NonNegativeInt = 0

    def __post_init__(self) -> None:
        if self.num_normal < 1:
            raise UserError(
                f"model.latent_dim is {self.dim}, but the codes of model.latents take {self.dim - self.num_normal} "
                "entries and leave none to the normal part: write a larger model.latent_dim."
            )

    @property
    def num_normal(self) -> int:
        """The number of normal entries, which come first."""
        return self.dim - sum(self.categorical) - self.continuous

    def sample(
        self, count: int, generator: Stream = None, device: Device = None, truncation: float | None = None
    ) -> Tensor:
        parts = [Normal(self.num_normal).sample(count, generator, device, truncation)]
        for num_values in self.categorical:
            codes = torch.randint(num_values, (count,), generator=generator, device=device)
            parts.append(one_hot(codes, num_values).float())
        if self.continuous:
            parts.append(Uniform(self.continuous).sample(count, generator, device))
        return torch.cat(parts, dim=1)

    def interpolate(self, start: Tensor, end: Tensor, share: Tensor | float) -> Tensor:
        """Return latents whose normal part lies on an arc and whose codes, one-hot ones too, lie on a line."""
        arc = Normal(self.num_normal).interpolate(start[:, : self.num_normal], end[:, : self.num_normal], share)
        return torch.cat([arc, super().interpolate(start, end, share)[:, self.num_normal :]], dim=1)

    def describe(self) -> str:
        parts = [f"{self.num_normal} standard normal entries"]
        parts += [f"a one-hot code of {num_values} values" for num_values in self.categorical]
        if self.continuous:
            parts.append(f"{self.continuous} entries uniform in [-1, 1]")
        return ", ".join(parts)

    def code(self, count: int, library: Literal["torch", "numpy"]) -> str:
        parts = [Normal(self.num_normal).code(count, library)]
        random_rows = (
            f"torch.randint({{0}}, ({count},))" if library == "torch" else f"np.random.randint({{0}}, size={count})"
        )
        identity = "torch.eye({0})" if library == "torch" else "np.eye({0}, dtype=np.float32)"
        parts += [f"{identity}[{random_rows}]".format(num_values) for num_values in self.categorical]
        if self.continuous:
            parts.append(Uniform(self.continuous).code(count, library))
        joined = ", ".join(parts)
        return f"torch.cat([{joined}], 1)" if library == "torch" else f"np.concatenate([{joined}], 1)"


def build_latents(model: Mapping[str, Any]) -> Latents:
    """Build the latents of a model's yaml: its `latents`, by default standard normal ones of its `latent_dim`.

    Raises:
        UserError: `latents` is something else, or of another size than `latent_dim`.
    """
    if model.get("latents") is None:
        return Normal(model["latent_dim"])
    latents = instantiate(model["latents"], "model.latents")
    if not isinstance(latents, Latents):
        raise UserError(
            f"model.latents is a {type(latents).__name__}, which draws no latents: name a class of "
            "gan_experiments.models.latents, or a subclass of its Latents."
        )
    if latents.dim != model["latent_dim"]:
        raise UserError(
            f"model.latents.dim is {latents.dim}, but model.latent_dim, the size that the generator takes, is "
            f"{model['latent_dim']}. Write dim: ${{model.latent_dim}} in the model's yaml."
        )
    return latents
