"""What a discriminator is judged on and by: real images of its run's data, classifiers trained separately."""

from pathlib import Path

import torch
from omegaconf import DictConfig
from torch import Tensor

from gan_experiments.config.instantiate import instantiate
from gan_experiments.datasets.regimes.base import reference
from gan_experiments.metrics.extractors.base import Extractor
from gan_experiments.metrics.extractors.classifier import ClassifierExtractor
from gan_experiments.rng import stream_seed
from gan_experiments.types import ImageSource, Split, UserError


def real_images(config: DictConfig, num: int, seed: int) -> tuple[Tensor, Tensor, str]:
    """Draw real images that the run did not train on, or of its training split where nothing is held out.

    Args:
        config: the run's; only classes that its regime keeps are drawn.
        num: how many; all where there are fewer.
        seed: of the choice.

    Returns:
        Pixels (uint8, N×C×H×W), labels (int64, N) and the split in words.

    Raises:
        UserError: the data are missing, or hold none of these classes.
    """
    source: ImageSource = instantiate(config.dataset.source, "dataset.source")
    regimes = instantiate(config.regime, "regime")
    splits: list[Split] = ["test", "train"] if config.dataset.num_test else ["train"]
    words = {"test": "held-out", "train": "training"}
    for split in splits:
        images = reference(regimes, source.open(split))
        if len(images):
            random = torch.Generator().manual_seed(stream_seed("inspected images", seed))
            chosen = torch.randperm(len(images), generator=random)[:num]
            return images.read(chosen), images.labels[chosen], words[split]
    raise UserError(
        f"dataset {config.dataset.name!r} has no image of the classes that the run keeps: look at its regime."
    )


def find_judges(config: DictConfig, num_classes: int) -> tuple[list[Extractor], str | None]:
    """Return the extractors that know the classes: those of the run's evaluation, else a shipped one; or why none.

    Raises:
        UserError: one that is trained at first use cannot be trained on the data.
    """
    data = config.dataset
    found: list[Extractor] = []
    reasons = []
    with torch.random.fork_rng(devices=[]):
        for name, node in config.evaluation.extractors.items():
            try:
                extractor: Extractor = instantiate(node, f"evaluation.extractors.{name}")
            except UserError as error:  # one that needs weights that are not here
                reasons.append(str(error))
                continue
            if extractor.knows_classes and extractor.num_classes == num_classes:
                found.append(extractor)
        if not found:
            shipped = ClassifierExtractor(data.name, data.image_size, data.channels, data.num_classes)
            found = [shipped] if shipped.ready and shipped.num_classes == num_classes else []
    for extractor in found:
        if extractor.needs_fit:
            source: ImageSource = instantiate(data.source, "dataset.source")
            held_out = source.open("test") if data.num_test else None
            extractor.fit(source.open("train"), held_out, Path(config.cache_dir))
        extractor.eval()
    none = "the run's evaluation has no classifier of these classes, and none is shipped"
    return found, None if found else "; ".join(reasons) or none
