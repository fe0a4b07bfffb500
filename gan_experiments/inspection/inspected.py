"""What `inspect` looks into: the discriminator of a run, and what is asked for."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from omegaconf import DictConfig
from torch import Tensor

from gan_experiments.build import why_no_class_head
from gan_experiments.inspection.layers import check_layers, default_layers
from gan_experiments.runs.networks import TrainedDiscriminator
from gan_experiments.runs.run import Run
from gan_experiments.types import UserError

VERSION = 1  # of all that the result depends on and `Wish` does not say


@dataclass(frozen=True)
class Wish:
    """What is asked for; the arguments of `perturb` and `Maximization`."""

    num: int
    step: float
    steps: int
    per_class: int
    layers: Sequence[str]
    iterations: int
    regularization: float
    seed: int


@dataclass(frozen=True)
class Subject:
    """A discriminator on its device, and where its data come from."""

    trained: TrainedDiscriminator
    directory: Path  # of the run
    experiment: str  # may be empty
    config: DictConfig
    layers: list[str]  # to be looked at
    no_classes: str  # why its class head is not looked at; an empty string where it is
    device: str

    @property
    def name(self) -> str:
        """What pictures call the run: its directory, and its experiment where that does not say it."""
        return self.directory.name + (f" ({self.experiment})" if self.experiment not in self.directory.name else "")

    def class_name(self, label: int) -> str:
        """Return the name of a class, its number where it has none."""
        names = self.trained.class_names
        return names[label] if label < len(names) else str(label)

    def directory_name(self, looks: Sequence[str], wish: Wish) -> str:
        """Name a result after all that it depends on."""
        depends = json.dumps([VERSION, *looks, asdict(wish), self.layers], sort_keys=True)
        return f"iteration_{self.trained.iteration:09d}-{hashlib.sha256(depends.encode()).hexdigest()[:8]}"


def subject_of(run: Run, checkpoint: str, wish: Wish) -> Subject:
    """Load a run's discriminator and see what can be looked at; no data are read.

    Raises:
        UserError: there is no such checkpoint or layer, or the checkpoint does not fit the run.
    """
    trained = run.discriminator(checkpoint)
    if missing := [key for key in ("regime", "evaluation", "cache_dir") if key not in run.omegaconf()]:
        raise UserError(
            f"{run.directory}: its config lacks {missing[0]}: it was made by another version of this program."
        )
    check_layers(trained.network, list(wish.layers))
    device = "cuda" if torch.cuda.is_available() else "cpu"
    trained.network.to(device)
    layers = list(wish.layers) or default_layers(trained.network)
    experiment = run.manifest.experiment or ""
    return Subject(
        trained,
        run.directory.resolve(),
        experiment,
        run.omegaconf(),
        layers,
        why_no_class_head(run.omegaconf()),
        device,
    )


def check_finite(subject: Subject, real: Tensor) -> None:
    """Make sure that a discriminator says something of real images (N×C×H×W, in its value range, on its device).

    Raises:
        UserError: its weights have diverged.
    """
    with torch.no_grad():
        output = subject.trained.network(real[:2], torch.zeros(2, dtype=torch.long, device=real.device))
    if not all(part.isfinite().all() for part in (output.scores, output.class_logits) if part is not None):
        raise UserError(
            f"{subject.trained.checkpoint}: the discriminator gives values that are not finite: training has diverged. "
            "Choose an earlier one (--checkpoint)."
        )
