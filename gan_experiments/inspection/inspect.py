"""Looking inside the discriminator of a finished run: its data, its judges, the pictures and the numbers."""

import logging
import math
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from gan_experiments.build import build_loggers
from gan_experiments.inspection.figures import class_sheet, layer_sheet, perturbed_sheet
from gan_experiments.inspection.inspected import Subject, Wish, check_finite
from gan_experiments.inspection.judges import find_judges, real_images
from gan_experiments.inspection.judging import fooled, recognized
from gan_experiments.inspection.layers import channel_means, class_logits
from gan_experiments.inspection.maximization import Maximization, maximize_channels, maximize_classes
from gan_experiments.inspection.perturbation import Perturbed, perturb
from gan_experiments.io import is_locked, write_json
from gan_experiments.loggers.base import hooks
from gan_experiments.metrics.extractors.base import logits_of
from gan_experiments.runs.networks import trained_labels
from gan_experiments.runs.run import Run
from gan_experiments.sampling.images import to_uint8

log = logging.getLogger(__name__)
NUM_REAL = 512  # images from which the mean image and the spread of outputs are taken
NUM_DRAWN = 16  # perturbed images that are shown
MOST_CHANNELS = 100
BLOCK_SIZE = 128  # images at a time


@dataclass(frozen=True)
class Found:
    """Numbers for inspection.json, and pictures by file name."""

    facts: dict[str, Any]
    pictures: dict[str, Image.Image]


def look(subject: Subject, looks: Sequence[str], wish: Wish) -> Found:
    """Look at what is named in `looks`: `perturbation`, `classes`, `layers`.

    Raises:
        UserError: the data are missing, the weights have diverged, or a layer has no channels.
    """
    trained = subject.trained
    pixels, labels, split = real_images(subject.config, max(wish.num, NUM_REAL), wish.seed)
    low, high = trained.value_range
    num = min(wish.num, len(pixels))
    if num < wish.num and "perturbation" in looks:
        log.info("--num %s: there are only %s %s images; all are altered.", f"{wish.num:,}", f"{num:,}", split)
    real = (pixels.to(subject.device).float() / 255) * (high - low) + low
    facts: dict[str, Any] = {
        "checkpoint": trained.checkpoint.name,
        "iteration": trained.iteration,
        "kimg": trained.kimg,
        "dataset": subject.config.dataset.name,
        "settings": {**asdict(wish), "num": num, "layers": subject.layers},
        "torch": torch.__version__,
        "device": subject.device,
    }
    pictures: dict[str, Image.Image] = {}
    how = Maximization(wish.iterations, wish.regularization, wish.seed)
    check_finite(subject, real)
    if "perturbation" in looks:
        log.info("Altering %s real images.", f"{num:,}")
        facts["perturbation"], pictures["perturbed.png"] = _alter(subject, real[:num], labels[:num], split, wish)
    if "classes" in looks:
        log.info("Making images that maximise each class.")
        facts["classes"], pictures["classes.png"] = _make_classes(subject, real[:NUM_REAL], wish.per_class, how)
    if "layers" in looks:
        facts["layers"] = []
        for name in subject.layers:
            log.info("Making images that maximise the channels of layer %s.", name)
            entry, picture = _look_at_layer(subject, name, real[:NUM_REAL], how)
            facts["layers"].append(entry)
            pictures[entry["picture"]] = picture
    return Found(facts, pictures)


def write(found: Found, facts: dict[str, Any], directory: Path) -> None:
    """Write the pictures and inspection.json into a directory.

    Raises:
        OSError: it cannot be written.
    """
    for name, picture in found.pictures.items():
        picture.save(directory / name)
    write_json(directory / "inspection.json", facts)


def log_pictures(run: Run, directory: Path, kimg: float) -> bool:
    """Add the pictures to the run in W&B, where it has one; says whether it was tried.

    A run that is training is left alone: it logs there itself.
    """
    if "wandb" not in run.manifest.tracker_ids or is_locked(run.directory):
        return False
    loggers = build_loggers(run.omegaconf(), run.directory, run.manifest)
    trackers = [one for one in loggers if hasattr(one, "log_model")]
    for start in hooks(trackers, "start"):
        start()
    for picture in sorted(directory.glob("*.png")):
        for log_grid in hooks(trackers, "log_grid"):
            log_grid(f"inspection/{picture.stem}", picture, kimg)
    for close in hooks(trackers, "close"):
        close({}, exit_code=0 if run.manifest.status == "finished" else 1)
    return bool(trackers)


def _alter(
    subject: Subject, real: Tensor, labels: Tensor, split: str, wish: Wish
) -> tuple[dict[str, Any], Image.Image]:
    known = labels.to(subject.device)
    altered = perturb(subject.trained.network, real, known, subject.trained.value_range, wish.step, wish.steps)
    facts = {"split": split, "step": wish.step, "steps": wish.steps}
    facts |= fooled(altered.before, altered.after, altered.towards, known)
    return facts, _perturbed_sheet(subject, altered, known, facts)


def _make_classes(
    subject: Subject, real: Tensor, per_class: int, how: Maximization
) -> tuple[dict[str, Any], Image.Image]:
    trained = subject.trained
    kept = trained_labels(subject.config)
    images, asked = maximize_classes(trained.network, real, trained.value_range, kept, per_class, how)
    made, asked = to_uint8(images.cpu(), trained.value_range)[0], asked.cpu()
    facts, seen = _judged(subject, images, made, asked)
    return facts, class_sheet(subject.name, made, asked, seen, subject.class_name, facts)


def _perturbed_sheet(subject: Subject, altered: Perturbed, labels: Tensor, facts: dict[str, Any]) -> Image.Image:
    low, high = subject.trained.value_range
    factor = math.ceil(0.5 / facts["step"])  # a whole step becomes half the range, from mid-grey both ways
    middle, half = (low + high) / 2, (high - low) / 2
    shown = {
        "real": altered.images,
        "first step": middle + half * altered.signs,
        "altered": altered.altered,
        "alteration": middle + factor * (altered.altered - altered.images),
    }
    pixels = {name: to_uint8(images[:NUM_DRAWN].cpu(), (low, high))[0] for name, images in shown.items()}
    seen = {"real": altered.before[:NUM_DRAWN], "altered": altered.after[:NUM_DRAWN]}
    return perturbed_sheet(
        subject.name, pixels, seen, labels[:NUM_DRAWN], subject.class_name, facts | {"factor": factor}
    )


def _judged(subject: Subject, images: Tensor, pixels: Tensor, asked: Tensor) -> tuple[dict[str, Any], Tensor | None]:
    """Let classifiers that were trained separately name the class images; also what the first of them sees."""
    with torch.no_grad():
        own = class_logits(subject.trained.network, images)
    assert own is not None, "made from its class logits"
    num_classes = own.shape[1]
    judges, reason = find_judges(subject.config, num_classes)
    seen = {judge.name: logits_of(judge, pixels).argmax(1) for judge in judges}
    facts = {
        "num_images": len(asked),
        "recognized_by_itself": (own.argmax(1).cpu() == asked).float().mean().item(),
        "judged": {name: recognized(found, asked, num_classes) for name, found in seen.items()},
        "judges": [judge.facts() for judge in judges],
        "not_judged": reason,
    }
    return facts, next(iter(seen.values()), None)


def _look_at_layer(subject: Subject, name: str, real: Tensor, how: Maximization) -> tuple[dict[str, Any], Image.Image]:
    network = subject.trained.network
    with torch.no_grad():
        means = torch.cat([channel_means(network, name, block) for block in torch.split(real, BLOCK_SIZE)])
    images = maximize_channels(network, name, real, subject.trained.value_range, MOST_CHANNELS, how)
    with torch.no_grad():
        own = channel_means(network, name, images).diagonal()
    pixels, _ = to_uint8(images.cpu(), subject.trained.value_range)
    entry = {
        "name": name,
        "kind": type(network.get_submodule(name)).__name__,
        "channels": means.shape[1],
        "drawn": len(pixels),
        "picture": "layer_" + re.sub(r"[^\w.-]+", "_", name) + ".png",
        "mean_of_real_images": means.mean(0)[: len(own)].tolist(),
        "mean_of_made_images": own.tolist(),
    }
    return entry, layer_sheet(subject.name, pixels, entry)
