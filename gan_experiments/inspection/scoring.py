"""What scores or recognises a run's samples: its discriminator, its class head, or a classifier of its data."""

from typing import Any

import torch
from torch import Tensor

from gan_experiments.build import build_extractors, why_no_class_head
from gan_experiments.inspection.judges import find_judges, kept_labels
from gan_experiments.metrics.extractors.base import Extractor, logits_of
from gan_experiments.runs.load import load_discriminator
from gan_experiments.runs.run import Run
from gan_experiments.sampling.best import By, Recognizer, Scorer
from gan_experiments.sampling.generate import evaluating
from gan_experiments.sampling.sampler import TrainedGenerator
from gan_experiments.types import UserError


def make_scorer(run: Run, generator: TrainedGenerator, checkpoint: str, by: By) -> Scorer:
    """Make what scores images: the run's discriminator at that checkpoint, its class head, or the run's extractor.

    Where the generator takes no label, the confidence is that in the likeliest class of those that the regime keeps.

    Raises:
        UserError: the run has no such thing; says what to write instead.
    """
    kept = None if generator.conditional or by == "discriminator" else torch.tensor(kept_labels(run.config))
    if by == "extractor":
        return _extractor_scorer(_find_extractor(run), kept)
    if by == "class" and (reason := why_no_class_head(run.config)):
        raise UserError(
            f"--by class, for {run.directory}: {reason}. Write --by discriminator, or --by extractor for a classifier "
            "of the data."
        )
    network = load_discriminator(run, checkpoint).network
    network = network.to("cuda" if torch.cuda.is_available() else "cpu")
    device = next(network.parameters()).device
    low, high = generator.value_range

    def scorer(pixels: Tensor, labels: Tensor) -> Tensor:
        with evaluating(network):
            output = network(pixels.to(device).float() / 255 * (high - low) + low, labels.to(device))
        if by == "discriminator":
            return output.scores.double().cpu()  # type: ignore[no-any-return]  # of a module
        return _confidence(output.class_logits, labels, kept)

    return scorer


def make_recognizer(run: Run, generator: TrainedGenerator) -> tuple[Recognizer, dict[str, Any]]:
    """Make what recognises images: a classifier that was trained separately, on the run's data.

    Where the generator takes no label, an image is to be of any of the classes that the regime keeps.

    Returns:
        The recogniser, and a mapping: `judge`, the classifier's facts; `as`, what images are to be recognised as.

    Raises:
        UserError: there is none, or whatever is drawn would be recognised.
    """
    kept, num_classes = kept_labels(run.config), run.config.dataset.num_classes
    if not num_classes:
        raise UserError(f"--judge: the images of {run.directory} have no classes to be recognised. Leave --judge out.")
    if not generator.conditional and len(kept) == num_classes:
        raise UserError(
            "--judge: this generator takes no label and was trained on all classes, so any image would be recognised. "
            "Leave --judge out; `gan-experiments evaluate` measures such a generator."
        )
    judges, reason = find_judges(run.config, num_classes)
    if not judges:
        raise UserError(
            f"--judge: {str(reason).rstrip('.')}. Leave --judge out, or train with +evaluation/extractor=classifier."
        )
    judge = judges[0].to("cuda" if torch.cuda.is_available() else "cpu")

    def recognizer(pixels: Tensor, labels: Tensor) -> Tensor:
        seen = logits_of(judge, pixels).argmax(1)
        return seen == labels.cpu() if generator.conditional else torch.isin(seen, torch.tensor(kept))

    names = " or ".join(run.config.dataset.class_names[label] for label in kept)
    return recognizer, {"judge": judge.facts(), "as": "asked for" if generator.conditional else names}


def _find_extractor(run: Run) -> Extractor:
    found = build_extractors(run.config).values()
    ready = [extractor for extractor in found if extractor.knows_classes and not extractor.needs_fit]
    if not ready:
        raise UserError(
            f"--by extractor: none of the extractors of {run.directory} (evaluation.extractors) knows the classes of "
            "its data with weights that are there already. Write --by discriminator, or train with "
            "evaluation.extractors.classifier.weights=FILE, which `gan-experiments fit-extractor` makes."
        )
    return ready[0].eval().to("cuda" if torch.cuda.is_available() else "cpu")


def _extractor_scorer(extractor: Extractor, kept: Tensor | None) -> Scorer:
    return lambda pixels, labels: _confidence(logits_of(extractor, pixels), labels, kept)


def _confidence(logits: Tensor, labels: Tensor, kept: Tensor | None) -> Tensor:
    """Return the probability of each label, or of the likeliest class of those kept, where it is asked for none."""
    shares = logits.double().softmax(1).cpu()
    if kept is not None:
        return shares[:, kept].amax(1)
    return shares.gather(1, labels[:, None].cpu()).squeeze(1)
