"""Looking inside the discriminator of a run: what fools it, and what its classes and layers respond to most."""

import hashlib
import json
import logging
import math
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import torch
from matplotlib.figure import Figure
from omegaconf import DictConfig
from scipy.stats import binomtest  # type: ignore[import-untyped]
from torch import Tensor

from gan_experiments.build import build_loggers, why_no_class_head
from gan_experiments.datasets.data import Data, kept_labels
from gan_experiments.datasets.tensors import default_device, from_uint8, to_uint8
from gan_experiments.engine.supervised import fit_reconstructions
from gan_experiments.inspection.figures import class_sheet, layer_sheet, perturbed_sheet
from gan_experiments.inspection.layers import channel_means, check_layers, class_logits, default_layers
from gan_experiments.inspection.maximization import Maximization, maximize_channels, maximize_classes
from gan_experiments.inspection.perturbation import perturb
from gan_experiments.inspection.scoring import reference_classifiers
from gan_experiments.io import is_locked, write_json
from gan_experiments.metrics.extractors.base import logits_of
from gan_experiments.rng import stream_seed
from gan_experiments.runs.networks import TrainedDiscriminator
from gan_experiments.runs.run import Run
from gan_experiments.types import UserError

log = logging.getLogger(__name__)
VERSION = 1  # of all that the result depends on besides the settings
NUM_REAL = 512  # images from which the mean image and the spread of outputs are taken
NUM_SHOWN = 16  # perturbed images that are shown
MAX_CHANNELS = 100
BLOCK_SIZE = 128  # images at a time


@dataclass(frozen=True, kw_only=True)
class Settings(Maximization):
    """What is inspected, and how.

    Args:
        num: real images that are altered.
        step: how far a value may move, as a share of the value range; see `perturb`.
        steps: in how many steps.
        per_class: images made for each class.
        layers: by name; none: the middle and the last convolution.
    """

    num: int
    step: float
    steps: int
    per_class: int
    layers: Sequence[str]


@dataclass(frozen=True)
class Inspection:
    """A run's discriminator on its device, and how it is inspected."""

    run: Run
    config: DictConfig  # the run's
    trained: TrainedDiscriminator
    settings: Settings
    layers: list[str]
    no_classes: str  # why its class head is not inspected; an empty string where it is
    device: torch.device

    @classmethod
    def open(cls, run: Run, checkpoint: str, settings: Settings) -> Self:
        """Load a run's discriminator and find out what can be inspected; no data are read.

        Raises:
            UserError: there is no such checkpoint or layer, or the checkpoint does not fit the run.
        """
        trained, config = run.discriminator(checkpoint), run.omegaconf()
        if missing := [key for key in ("regime", "evaluation", "cache_dir") if key not in config]:
            raise UserError(
                f"{run.directory}: its config lacks {missing[0]}: it was made by another version of this program."
            )
        check_layers(trained.network, settings.layers)
        device = default_device()
        trained.network.to(device)
        layers = list(settings.layers) or default_layers(trained.network)
        return cls(run, config, trained, settings, layers, why_no_class_head(config), device)

    @property
    def run_name(self) -> str:
        """The run's directory, and its experiment where the directory's name does not show it."""
        name, experiment = self.run.directory.resolve().name, self.run.manifest.experiment or ""
        return name + (f" ({experiment})" if experiment not in name else "")

    def class_name(self, label: int) -> str:
        """Return the name of a class, its number where it has none."""
        names = self.trained.class_names
        return names[label] if label < len(names) else str(label)

    def directory_name(self, parts: Sequence[str]) -> str:
        """Name a result after all that it depends on."""
        depends = json.dumps([VERSION, *parts, asdict(self.settings), self.layers], sort_keys=True)
        return f"iteration_{self.trained.iteration:09d}-{hashlib.sha256(depends.encode()).hexdigest()[:8]}"

    def inspect(self, parts: Sequence[str]) -> tuple[dict[str, Any], dict[str, Figure]]:
        """Inspect some of perturbation, classes and layers; return the facts of inspection.json, and pictures by file.

        Raises:
            UserError: the data are missing, the weights have diverged, or a layer has no channels.
        """
        trained, settings = self.trained, self.settings
        pixels, labels, split = real_images(self.config, max(settings.num, NUM_REAL), settings.seed)
        num = min(settings.num, len(pixels))
        if num < settings.num and "perturbation" in parts:
            log.info("--num %s: there are only %s %s images; all are altered.", f"{settings.num:,}", f"{num:,}", split)
        real = from_uint8(pixels.to(self.device), trained.value_range)
        with torch.no_grad():
            output = trained.network(real[:2], torch.zeros(2, dtype=torch.long, device=self.device))
        if not all(part.isfinite().all() for part in (output.scores, output.class_logits) if part is not None):
            raise UserError(
                f"{trained.checkpoint}: the discriminator returns values that are not finite: training has diverged. "
                "Choose an earlier checkpoint (--checkpoint)."
            )
        facts: dict[str, Any] = {
            "checkpoint": trained.checkpoint.name,
            "iteration": trained.iteration,
            "kimg": trained.kimg,
            "dataset": self.config.dataset.name,
            "settings": {**asdict(settings), "num": num, "layers": self.layers},
            "torch": torch.__version__,
            "device": str(self.device),
        }
        pictures: dict[str, Figure] = {}
        if "perturbation" in parts:
            log.info("Altering %s real images.", f"{num:,}")
            facts["perturbation"], pictures["perturbed.png"] = self._perturb(real[:num], labels[:num], split)
        if "classes" in parts:
            log.info("Making images that maximise each class.")
            facts["classes"], pictures["classes.png"] = self._maximize_classes(real[:NUM_REAL])
        if "layers" in parts:
            facts["layers"] = []
            for name in self.layers:
                log.info("Making images that maximise the channels of layer %s.", name)
                entry, picture = self._maximize_channels(name, real[:NUM_REAL])
                facts["layers"].append(entry)
                pictures[entry["picture"]] = picture
        return facts, pictures

    def _perturb(self, real: Tensor, labels: Tensor, split: str) -> tuple[dict[str, Any], Figure]:
        step, steps, (low, high) = self.settings.step, self.settings.steps, self.trained.value_range
        labels = labels.to(self.device)
        perturbed = perturb(self.trained.network, real, labels, (low, high), step, steps)
        facts: dict[str, Any] = {
            "split": split,
            "step": step,
            "steps": steps,
            "num_images": len(labels),
            "accuracy_before": (perturbed.before == labels).float().mean().item(),
            "accuracy_after": (perturbed.after == labels).float().mean().item(),
            "share_led_to_the_other_class": (perturbed.after == perturbed.towards).float().mean().item(),
        }
        factor = math.ceil(0.5 / step)  # a whole step becomes half the range, from mid-grey both ways
        middle, half = (low + high) / 2, (high - low) / 2
        rows = {
            "real": real,
            "first step": middle + half * perturbed.signs,
            "altered": perturbed.altered,
            "alteration": middle + factor * (perturbed.altered - real),
        }
        pixels = {name: to_uint8(images[:NUM_SHOWN].cpu(), (low, high))[0] for name, images in rows.items()}
        predicted = {"real": perturbed.before[:NUM_SHOWN], "altered": perturbed.after[:NUM_SHOWN]}
        shown = facts | {"factor": factor}
        return facts, perturbed_sheet(self.run_name, pixels, predicted, labels[:NUM_SHOWN], self.class_name, shown)

    def _maximize_classes(self, real: Tensor) -> tuple[dict[str, Any], Figure]:
        """Make images for each class, and let separately trained classifiers recognise them."""
        network, value_range = self.trained.network, self.trained.value_range
        kept = kept_labels(self.config)
        images, asked = maximize_classes(network, real, value_range, kept, self.settings.per_class, self.settings)
        with torch.no_grad():
            logits = class_logits(network, images)
        num_classes = logits.shape[1]
        pixels, asked = to_uint8(images.cpu(), value_range)[0], asked.cpu()
        classifiers, reason = reference_classifiers(self.config, num_classes)
        predicted = {classifier.name: logits_of(classifier, pixels).argmax(1) for classifier in classifiers}
        facts = {
            "num_images": len(asked),
            "recognized_by_itself": (logits.argmax(1).cpu() == asked).float().mean().item(),
            "judged": {name: recognized(classes, asked, num_classes) for name, classes in predicted.items()},
            "judges": [classifier.facts() for classifier in classifiers],
            "not_judged": reason,
        }
        first = next(iter(predicted.values()), None)
        return facts, class_sheet(self.run_name, pixels, asked, first, self.class_name, facts)

    def _maximize_channels(self, name: str, real: Tensor) -> tuple[dict[str, Any], Figure]:
        network = self.trained.network
        with torch.no_grad():
            means = torch.cat([channel_means(network, name, block) for block in torch.split(real, BLOCK_SIZE)])
        images = maximize_channels(network, name, real, self.trained.value_range, MAX_CHANNELS, self.settings)
        with torch.no_grad():
            maximized = channel_means(network, name, images).diagonal()
        pixels, _ = to_uint8(images.cpu(), self.trained.value_range)
        entry = {
            "name": name,
            "kind": type(network.get_submodule(name)).__name__,
            "channels": means.shape[1],
            "drawn": len(pixels),
            "picture": "layer_" + re.sub(r"[^\w.-]+", "_", name) + ".png",
            "mean_of_real_images": means.mean(0)[: len(maximized)].tolist(),
            "mean_of_made_images": maximized.tolist(),
        }
        return entry, layer_sheet(self.run_name, pixels, entry)


def real_images(config: DictConfig, num: int, seed: int) -> tuple[Tensor, Tensor, str]:
    """Draw up to `num` held-out images of the classes that the run keeps; training images where none are held out.

    Returns pixels (uint8, N×C×H×W), labels (int64, N) and the split in words.

    Raises:
        UserError: the data are missing, or hold none of these classes.
    """
    data = Data(config, fit_reconstructions)
    images, split = (data.reference, "training") if data.held_out is None else (data.held_out, "held-out")
    if not len(images):
        raise UserError(
            f"dataset {config.dataset.name!r} has no image of the classes that the run keeps: look at its regime."
        )
    random = torch.Generator().manual_seed(stream_seed("inspected images", seed))
    chosen = torch.randperm(len(images), generator=random)[:num]
    return images.read(chosen), images.labels[chosen], split


def recognized(predicted: Tensor, asked: Tensor, num_classes: int) -> dict[str, Any]:
    """Compare predicted classes with those asked for, both int64 N on the CPU.

    Returns the `share` that agrees; `interval`, 95% for a share of N independent draws (Wilson 1927: good for few draws
    and for shares near 0 or 1); `chance`, of a guess; `by_class`, the share of each class, in ascending order.
    """
    correct = predicted == asked
    test = binomtest(int(correct.sum()), len(correct))
    interval = test.proportion_ci(method="wilson")
    return {
        "share": test.statistic,
        "interval": [float(interval.low), float(interval.high)],
        "chance": 1 / num_classes,
        "by_class": [correct[asked == label].float().mean().item() for label in sorted(set(asked.tolist()))],
    }


def write(facts: dict[str, Any], pictures: dict[str, Figure], directory: Path) -> None:
    """Write the pictures and inspection.json into a directory."""
    for name, picture in pictures.items():
        picture.savefig(directory / name)
    write_json(directory / "inspection.json", facts)


def log_pictures(run: Run, directory: Path, kimg: float) -> bool:
    """Add the pictures to the run in W&B, where it has one and is not training; return whether it was tried."""
    if "wandb" not in run.manifest.tracker_ids or is_locked(run.directory):
        return False
    from gan_experiments.loggers.wandb import WandbTracker

    every = build_loggers(run.omegaconf(), run.directory, run.manifest)
    loggers = [logger for logger in every if isinstance(logger, WandbTracker)]
    for logger in loggers:
        logger.start()
        for picture in sorted(directory.glob("*.png")):
            logger.log_grid(f"inspection/{picture.stem}", picture, kimg)
        logger.close({}, exit_code=0 if run.manifest.status == "finished" else 1)
    return bool(loggers)
