"""What must be there before a generator can be trained and measured: the real images, the extractors, the protocol."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig
from torch import Tensor

from gan_experiments.components import build
from gan_experiments.config import trains_class_head
from gan_experiments.data.image_set import TensorImageSet
from gan_experiments.data.order import stream_seed
from gan_experiments.evaluation.extractors.base import Extractor
from gan_experiments.evaluation.extractors.classifier import ClassifierExtractor
from gan_experiments.evaluation.metrics.base import Measure, Metric
from gan_experiments.evaluation.metrics.class_head_accuracy import NO_CLASS_HEAD, UNTRAINED
from gan_experiments.evaluation.pixels import save_grid
from gan_experiments.evaluation.protocol import Protocol, RealImages, check_measures
from gan_experiments.models.autoencoder import AutoencoderNetwork
from gan_experiments.models.small_cnn import SmallCNN
from gan_experiments.training.autoencoder import AutoencoderRecipe, fit_autoencoder, reconstruct
from gan_experiments.training.classifier_fit import fit_classifier
from gan_experiments.types import ImageSet, ImageSource, Reconstructions, Regime, UserError, Workshop

log = logging.getLogger(__name__)


def build_extractors(cfg: DictConfig) -> dict[str, Extractor]:
    """Build the extractors, so that missing weights are found out before data are fetched.

    Raises:
        UserError: weights are missing, or not those that are named.
    """
    with torch.random.fork_rng(devices=[]):  # a network draws its first weights, and training must not notice
        found: dict[str, Extractor] = build(cfg.evaluation.extractors, "evaluation.extractors") or {}
    for name, extractor in found.items():
        if not isinstance(extractor, Extractor):
            raise UserError(
                f"evaluation.extractors.{name} is a {type(extractor).__name__}, no extractor: name it as the module of "
                "gan_experiments.evaluation.extractors.module.ModuleExtractor."
            )
    return found


def check_evaluation(cfg: DictConfig, extractors: dict[str, Extractor]) -> None:
    """Find out before data are fetched what cannot be measured.

    Raises:
        UserError: two extractors of one name, too few samples for a metric, or `evaluation.best` names no value.
    """
    metrics: dict[str, Measure] = build(cfg.evaluation.metrics, "evaluation.metrics") or {}
    check_measures(extractors, metrics, cfg.evaluation.num_samples)
    if not extractors:
        metrics = {name: metric for name, metric in metrics.items() if not isinstance(metric, Metric)}
    names = [name for metric in metrics.values() for name in metric.names]
    if cfg.evaluation.best is not None and metrics and cfg.evaluation.best not in names:
        raise UserError(
            f"evaluation.best={cfg.evaluation.best} is no value of the chosen metrics: write one of {names}."
        )


@dataclass(frozen=True)
class TrainingImages:
    """The training split, what the regime makes of it, and what is known of that."""

    whole: ImageSet  # with the true labels
    used: ImageSet  # trained on; the same object where the regime leaves all as it is
    facts: dict[str, Any]  # for the manifest, such as the error of an autoencoder
    pictures: dict[str, Tensor]  # by file name: rows of ten images, uint8, N×C×H×W

    def save_pictures(self, directory: Path) -> None:
        """Write the pictures into a run's directory."""
        for name, pixels in self.pictures.items():
            save_grid(pixels, 10, directory / name)


def open_training_images(cfg: DictConfig) -> tuple[ImageSet, ImageSet]:
    """Give `whole` and `used` of `prepare_training_images`."""
    images = prepare_training_images(cfg)
    return images.whole, images.used


def prepare_training_images(cfg: DictConfig) -> TrainingImages:
    """Open the training split, train on it what the regime must train first, and apply the regime.

    Raises:
        UserError: data are missing or not as many as stated, the regime asks for what they have not, or leaves too few
            for a batch, or of too few classes for the task.
    """
    source: ImageSource = build(cfg.dataset.source, "dataset.source")
    whole = source.open("train")
    if len(whole) != cfg.dataset.num_train:
        raise UserError(
            f"dataset.num_train={cfg.dataset.num_train}, but dataset {cfg.dataset.name!r} gives {len(whole)} training "
            f"images. Write dataset.num_train={len(whole)}, or null to have it filled in."
        )
    regime: Regime = build(cfg.regime, "regime")
    facts: dict[str, Any] = {}
    pictures: dict[str, Tensor] = {}
    if regime.needs_fit:
        held_out = regime.reference(source.open("test")) if cfg.dataset.num_test else None
        workshop = Workshop(reconstruct_images, Path(cfg.cache_dir), held_out or None, facts, pictures)
        regime = regime.fit(whole, workshop)
    used = regime.apply(whole)
    if len(used) < cfg.batch_size:
        raise UserError(
            f"batch_size={cfg.batch_size} is larger than what the regime leaves of dataset {cfg.dataset.name!r}: "
            f"{len(used)} training images. Write batch_size={len(used)} or less."
        )
    classes, least = len(set(used.labels.tolist())), cfg.task.get("min_classes") or 0
    if classes < least:
        raise UserError(
            f"this task learns to tell classes apart and needs {least}, but what the regime leaves of dataset "
            f"{cfg.dataset.name!r} shows {classes} ({len(used)} of {len(whole)} images). Leave more images, or take "
            f"regime=first_n_per_class."
        )
    return TrainingImages(whole, used, facts, pictures)


def prepare_protocol(
    cfg: DictConfig, extractors: dict[str, Extractor], whole: ImageSet, training: ImageSet
) -> Protocol | None:
    """Make the protocol of a config, training on the data what must be trained first; None where nothing is measured.

    Args:
        cfg: the resolved config.
        extractors: from `build_extractors`.
        whole: the training split, whose labels are true: extractors are trained on all its classes.
        training: what the regime makes of it; the same object where it leaves it as it is.

    Raises:
        UserError: data are missing, or an extractor cannot be trained on them.
    """
    metrics: dict[str, Measure] = build(cfg.evaluation.metrics, "evaluation.metrics") or {}
    if not extractors:
        metrics = {name: metric for name, metric in metrics.items() if not isinstance(metric, Metric)}
    if not metrics:
        return None
    source: ImageSource = build(cfg.dataset.source, "dataset.source")
    held_out = source.open("test") if cfg.dataset.num_test else None
    cache_dir = Path(cfg.cache_dir)
    for extractor in extractors.values():
        if extractor.needs_fit:
            extractor.fit(whole, held_out, fit_classifier, cache_dir)
    regime: Regime = build(cfg.regime, "regime")
    judging = None if held_out is None else regime.reference(held_out)
    if judging is not None and len(judging) == 0:  # the test split lacks the classes that are kept
        judging = None
    reference = regime.reference(whole)
    return Protocol(
        extractors=extractors,
        metrics=metrics,
        real=RealImages(cfg.dataset.name, list(cfg.dataset.class_names), reference, training, judging),
        num_samples=cfg.evaluation.num_samples,
        latent_dim=cfg.model.latent_dim,
        value_range=list(cfg.model.value_range),
        conditional=cfg.model.conditional,
        weights="raw" if cfg.ema_half_life_kimg is None else "EMA",
        cache_dir=cache_dir,
        augmentations=build(cfg.augment, "augment") or {},
        no_class_head=why_no_class_head(cfg),
        fit=None if judging is None else _fit_on_samples(judging, len(cfg.dataset.class_names)),
    )


def why_no_class_head(cfg: DictConfig) -> str:
    """Say why the discriminator's class head has nothing to tell; an empty string where it was trained.

    It is, where the task needs it, as a classifier does, or a loss term trains it; weights of another run may hold one
    that was trained there.
    """
    if not cfg.model.class_head:
        return NO_CLASS_HEAD
    return "" if trains_class_head(cfg) or cfg.init_from is not None else UNTRAINED


def train_extractor(cfg: DictConfig, path: Path) -> float | None:
    """Train a classifier of the data set by the recipe of the shipped ones; gives its accuracy on the test split.

    Raises:
        UserError: the data set has no labels.
    """
    data = cfg.dataset
    if data.num_classes == 0:
        raise UserError(f"dataset {data.name!r} has no labels, so no classifier can be trained on it.")
    extractor = ClassifierExtractor(data.name, data.image_size, data.channels, data.num_classes)
    source: ImageSource = build(data.source, "dataset.source")
    held_out = source.open("test") if data.num_test else None
    accuracy = extractor.train_anew(source.open("train"), held_out, fit_classifier)
    extractor.save(path, accuracy)
    return accuracy


def _fit_on_samples(held_out: ImageSet, num_classes: int) -> Callable[[Tensor, Tensor, int], float]:
    def fit(pixels: Tensor, labels: Tensor, seed: int) -> float:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(stream_seed("classification accuracy score", seed))
            network = SmallCNN(pixels.shape[-1], pixels.shape[1], num_classes)
        history = fit_classifier(network, num_classes, TensorImageSet(pixels, labels), held_out, seed)
        return history[-1]["test_accuracy"]

    return fit


def reconstruct_images(
    images: ImageSet, held_out: ImageSet | None, num_layers: int, width: int, code_channels: int, seed: int, **how: Any
) -> Reconstructions:
    """Train an autoencoder on images, with random streams of its own, and give what it makes of them.

    Args:
        images: N images of C channels.
        held_out: images to measure the error on; None: it is not measured.
        num_layers: of the network, as the next two.
        width: see `AutoencoderNetwork`.
        code_channels: see `AutoencoderNetwork`.
        seed: of the first weights and of the order.
        how: the values of an `AutoencoderRecipe`.

    Raises:
        UserError: the network does not fit the images, or there are fewer than two.
    """
    channels, side = images.read(torch.tensor([0])).shape[1:3]
    log.info("Training an autoencoder (num_layers=%d) on %s images, once", num_layers, f"{len(images):,}")
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(stream_seed("autoencoder weights", seed))
        network = AutoencoderNetwork(side, channels, num_layers, width, code_channels)
    fit_autoencoder(network, images, seed, AutoencoderRecipe(**how))
    pixels, error = reconstruct(network, images)
    return Reconstructions(pixels, error, None if held_out is None else reconstruct(network, held_out)[1])
