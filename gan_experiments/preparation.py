"""What must be there before a generator can be measured: the real images, the extractors, the protocol."""

from collections.abc import Callable
from pathlib import Path

import torch
from omegaconf import DictConfig
from torch import Tensor

from gan_experiments.components import build
from gan_experiments.data.image_set import TensorImageSet
from gan_experiments.data.order import stream_seed
from gan_experiments.evaluation.extractors.base import Extractor
from gan_experiments.evaluation.extractors.classifier import ClassifierExtractor
from gan_experiments.evaluation.metrics.base import Metric
from gan_experiments.evaluation.protocol import Protocol, RealImages, check_measures
from gan_experiments.models.small_cnn import SmallCNN
from gan_experiments.training.classifier import fit_classifier
from gan_experiments.types import ImageSet, ImageSource, Regime, UserError


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
    metrics: dict[str, Metric] = build(cfg.evaluation.metrics, "evaluation.metrics") or {}
    check_measures(extractors, metrics, cfg.evaluation.num_samples)
    names = [name for metric in metrics.values() for name in metric.names]
    if cfg.evaluation.best is not None and extractors and metrics and cfg.evaluation.best not in names:
        raise UserError(
            f"evaluation.best={cfg.evaluation.best} is no value of the chosen metrics: write one of {names}."
        )


def open_training_images(cfg: DictConfig) -> tuple[ImageSet, ImageSet]:
    """Open the training split; give all of it, and what the regime makes of it (the same object where nothing).

    Raises:
        UserError: data are missing, the regime asks for what they have not, or leaves too few for a batch.
    """
    whole: ImageSet = build(cfg.dataset.source, "dataset.source").open("train")
    regime: Regime = build(cfg.regime, "regime")
    training = regime.apply(whole)
    if len(training) < cfg.batch_size:
        raise UserError(
            f"batch_size={cfg.batch_size} is larger than what the regime leaves of dataset {cfg.dataset.name!r}: "
            f"{len(training)} training images. Write batch_size={len(training)} or less."
        )
    return whole, training


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
    if not extractors or not cfg.evaluation.metrics:
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
        metrics=build(cfg.evaluation.metrics, "evaluation.metrics"),
        real=RealImages(cfg.dataset.name, list(cfg.dataset.class_names), reference, training, judging),
        num_samples=cfg.evaluation.num_samples,
        latent_dim=cfg.model.latent_dim,
        value_range=list(cfg.model.value_range),
        conditional=cfg.model.conditional,
        weights="raw" if cfg.ema_half_life_kimg is None else "EMA",
        cache_dir=cache_dir,
        fit=None if judging is None else _fit_on_samples(judging, len(cfg.dataset.class_names)),
    )


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
