"""What scores or recognises a run's samples: its discriminator, its class head, or a classifier of its data."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from omegaconf import DictConfig
from torch import Tensor

from gan_experiments.build import build_extractors, why_no_class_head
from gan_experiments.config.instantiate import instantiate
from gan_experiments.datasets.data import Data, kept_labels
from gan_experiments.datasets.tensors import from_uint8
from gan_experiments.engine.supervised import fit_reconstructions
from gan_experiments.inspection.layers import class_logits
from gan_experiments.metrics.extractors.base import Extractor, logits_of
from gan_experiments.metrics.extractors.classifier import ClassifierExtractor
from gan_experiments.runs.run import Run
from gan_experiments.sampling.best import Recognition, Score
from gan_experiments.sampling.sampler import Sampler, evaluating
from gan_experiments.types import UserError


def build_score(
    run: Run, sampler: Sampler, checkpoint: str, by: Literal["discriminator", "class", "extractor"]
) -> Score:
    """Build what scores images: the run's discriminator at that checkpoint, its class head, or the run's extractor.

    Where the generator takes no label, the confidence is that in the likeliest class of those that the regime keeps.

    Raises:
        UserError: the run has no such thing.
    """
    config = run.omegaconf()
    device = next(sampler.generator.parameters()).device
    any_of = None if sampler.conditional or by == "discriminator" else kept_labels(config)
    if by == "extractor":
        extractors = build_extractors(config).values()
        ready = [extractor for extractor in extractors if extractor.knows_classes and not extractor.needs_fit]
        if not ready:
            raise UserError(
                f"--by extractor: none of the extractors of {run.directory} (evaluation.extractors) knows the classes "
                "of its data with weights that are there already. Write --by discriminator, or train with "
                "evaluation.extractors.classifier.weights=FILE, which `gan-experiments fit-extractor` makes."
            )
        return _confidence(partial(logits_of, ready[0].eval().to(device)), any_of)
    if by == "class" and (reason := why_no_class_head(config)):
        raise UserError(
            f"--by class, for {run.directory}: {reason}. Write --by discriminator, or --by extractor for a classifier "
            "of the data."
        )
    discriminator = run.discriminator(checkpoint).network.to(device)

    def score(pixels: Tensor, labels: Tensor) -> Tensor:
        with evaluating(discriminator):
            output = discriminator(from_uint8(pixels.to(device), sampler.value_range), labels.to(device))
        scores: Tensor = output.scores.double().cpu()
        return scores

    def logits(pixels: Tensor) -> Tensor:
        with evaluating(discriminator):
            return class_logits(discriminator, from_uint8(pixels.to(device), sampler.value_range))

    return score if by == "discriminator" else _confidence(logits, any_of)


def _confidence(logits: Callable[[Tensor], Tensor], any_of: Sequence[int] | None) -> Score:
    """Score by the probability of the class asked for, or of the likeliest of `any_of`."""

    def score(pixels: Tensor, labels: Tensor) -> Tensor:
        shares = logits(pixels).double().softmax(1).cpu()
        if any_of is not None:
            return shares[:, list(any_of)].amax(1)
        return shares.gather(1, labels[:, None]).squeeze(1)

    return score


def build_recognition(run: Run, sampler: Sampler) -> Recognition:
    """Build what recognises images: a classifier that was trained separately, on the run's data.

    Where the generator takes no label, an image is to be of any of the classes that the regime keeps.

    Raises:
        UserError: there is none, or whatever is drawn would be recognised.
    """
    config = run.omegaconf()
    kept, num_classes = kept_labels(config), config.dataset.num_classes
    if not num_classes:
        raise UserError(f"--judge: the images of {run.directory} have no classes to be recognised. Leave --judge out.")
    if not sampler.conditional and len(kept) == num_classes:
        raise UserError(
            "--judge: this generator takes no label and was trained on all classes, so any image would be recognised. "
            "Leave --judge out; `gan-experiments evaluate` measures such a generator."
        )
    classifiers, reason = reference_classifiers(config, num_classes)
    if not classifiers:
        raise UserError(
            f"--judge: {str(reason).rstrip('.')}. Leave --judge out, or train with +evaluation/extractor=classifier."
        )
    classifier = classifiers[0].to(next(sampler.generator.parameters()).device)

    def is_recognized(pixels: Tensor, labels: Tensor) -> Tensor:
        predicted = logits_of(classifier, pixels).argmax(1)
        return predicted == labels if sampler.conditional else torch.isin(predicted, torch.tensor(kept))

    names = "asked for" if sampler.conditional else " or ".join(config.dataset.class_names[label] for label in kept)
    return Recognition(is_recognized, names, classifier.facts())


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
