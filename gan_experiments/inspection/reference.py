"""What a run's networks are compared with: real images of its data, and classifiers trained separately."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig
from scipy.stats import binomtest  # type: ignore[import-untyped]
from torch import Tensor

from gan_experiments.config.instantiate import instantiate
from gan_experiments.datasets.data import Data
from gan_experiments.engine.supervised import fit_reconstructions
from gan_experiments.metrics.extractors.base import Extractor
from gan_experiments.metrics.extractors.classifier import ClassifierExtractor
from gan_experiments.rng import stream_seed
from gan_experiments.types import UserError


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


def reference_classifiers(config: DictConfig, num_classes: int) -> tuple[list[Extractor], str | None]:
    """Return the extractors that know the classes: those of the run's evaluation, else a shipped one; or why none.

    Raises:
        UserError: one that is trained at first use cannot be trained on the data.
    """
    facts = config.dataset
    classifiers: list[Extractor] = []
    reasons = []
    with torch.random.fork_rng(devices=[]):
        for name, node in config.evaluation.extractors.items():
            try:
                extractor: Extractor = instantiate(node, f"evaluation.extractors.{name}")
            except UserError as error:  # one that needs weights that are not here
                reasons.append(str(error))
                continue
            if extractor.knows_classes and extractor.num_classes == num_classes:
                classifiers.append(extractor)
        if not classifiers:
            shipped = ClassifierExtractor(facts.name, facts.image_size, facts.channels, facts.num_classes)
            classifiers = [shipped] if not shipped.needs_fit and shipped.num_classes == num_classes else []
    for extractor in classifiers:
        if extractor.needs_fit:
            data = Data(config, fit_reconstructions)
            extractor.fit(data.whole, data.test, Path(config.cache_dir))
        extractor.eval()
    none = "the run's evaluation has no classifier of these classes, and none is shipped"
    return classifiers, None if classifiers else "; ".join(reasons) or none


def recognized(predicted: Tensor, asked: Tensor, num_classes: int) -> Mapping[str, Any]:
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
