"""What scores or recognises a run's samples: its discriminator, its class head, or a classifier of its data."""

from functools import partial
from typing import Literal

from torch import Tensor

from gan_experiments.build import build_extractors, why_no_class_head
from gan_experiments.datasets.data import kept_labels
from gan_experiments.datasets.tensors import from_uint8
from gan_experiments.inspection.layers import class_logits
from gan_experiments.inspection.reference import reference_classifiers
from gan_experiments.metrics.extractors.base import Extractor, logits_of
from gan_experiments.runs.run import Run
from gan_experiments.sampling.best import ClassConfidence, DiscriminatorScore, Recognition, Score
from gan_experiments.sampling.sampler import Sampler, evaluating
from gan_experiments.types import UserError

By = Literal["discriminator", "class", "extractor"]


def build_score(run: Run, sampler: Sampler, checkpoint: str, by: By) -> Score:
    """Build what scores images: the run's discriminator at that checkpoint, its class head, or the run's extractor.

    Where the generator takes no label, the confidence is that in the likeliest class of those that the regime keeps.

    Raises:
        UserError: the run has no such thing.
    """
    device = next(sampler.generator.parameters()).device
    any_of = None if sampler.conditional or by == "discriminator" else kept_labels(run.omegaconf())
    if by == "extractor":
        extractor = _find_extractor(run).to(device)
        logits = partial(logits_of, extractor)
        return ClassConfidence(logits, any_of, "extractor", "the extractor's confidence in the class")
    if by == "class" and (reason := why_no_class_head(run.omegaconf())):
        raise UserError(
            f"--by class, for {run.directory}: {reason}. Write --by discriminator, or --by extractor for a classifier "
            "of the data."
        )
    discriminator = run.discriminator(checkpoint).network.to(device)
    if by == "discriminator":
        return DiscriminatorScore(discriminator, sampler.value_range)

    def head(pixels: Tensor) -> Tensor:
        with evaluating(discriminator):
            logits = class_logits(discriminator, from_uint8(pixels.to(device), sampler.value_range))
        assert logits is not None, "the config has a class head"
        return logits

    return ClassConfidence(head, any_of, "class", "the discriminator's confidence in the class")


def build_recognition(run: Run, sampler: Sampler) -> Recognition:
    """Build what recognises images: a classifier that was trained separately, on the run's data.

    Where the generator takes no label, an image is to be of any of the classes that the regime keeps.

    Raises:
        UserError: there is none, or whatever is drawn would be recognised.
    """
    kept, num_classes = kept_labels(run.omegaconf()), run.omegaconf().dataset.num_classes
    if not num_classes:
        raise UserError(f"--judge: the images of {run.directory} have no classes to be recognised. Leave --judge out.")
    if not sampler.conditional and len(kept) == num_classes:
        raise UserError(
            "--judge: this generator takes no label and was trained on all classes, so any image would be recognised. "
            "Leave --judge out; `gan-experiments evaluate` measures such a generator."
        )
    classifiers, reason = reference_classifiers(run.omegaconf(), num_classes)
    if not classifiers:
        raise UserError(
            f"--judge: {str(reason).rstrip('.')}. Leave --judge out, or train with +evaluation/extractor=classifier."
        )
    classifier = classifiers[0].to(next(sampler.generator.parameters()).device)
    logits = partial(logits_of, classifier)
    if sampler.conditional:
        return Recognition(logits, None, "asked for", classifier.facts())
    names = " or ".join(run.omegaconf().dataset.class_names[label] for label in kept)
    return Recognition(logits, kept, names, classifier.facts())


def _find_extractor(run: Run) -> Extractor:
    extractors = build_extractors(run.omegaconf()).values()
    ready = [extractor for extractor in extractors if extractor.knows_classes and not extractor.needs_fit]
    if not ready:
        raise UserError(
            f"--by extractor: none of the extractors of {run.directory} (evaluation.extractors) knows the classes of "
            "its data with weights that are there already. Write --by discriminator, or train with "
            "evaluation.extractors.classifier.weights=FILE, which `gan-experiments fit-extractor` makes."
        )
    return ready[0].eval()
