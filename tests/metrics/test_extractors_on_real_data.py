"""The shipped classifiers on the real test images: their stated accuracy, and the least that was asked of them."""

import os

import pytest
import torch
from launching import composed

from gan_experiments.config.compose import prepare
from gan_experiments.config.instantiate import instantiate
from gan_experiments.metrics.extractors.classifier import ClassifierExtractor


def accuracy(dataset: str) -> tuple[float, float | None]:
    cfg = prepare(composed(f"dataset={dataset}", "model=dcgan", "loss=non_saturating")[0])[0]
    extractor: ClassifierExtractor = instantiate(cfg.evaluation.extractors.classifier, "extractor")
    assert not extractor.needs_fit
    test_set = instantiate(cfg.dataset.source, "source").open("test")
    with torch.no_grad():
        hits = [
            extractor(test_set.read(part))[1].argmax(1) == test_set.labels[part]
            for part in torch.split(torch.arange(len(test_set)), 500)
        ]
    return float(torch.cat(hits).double().mean()), extractor.accuracy


def test_that_of_the_digits() -> None:
    found, stated = accuracy("digits")

    assert found == pytest.approx(stated, abs=1e-3)
    assert found >= 0.96


@pytest.mark.realdata
@pytest.mark.parametrize(("dataset", "least"), [("mnist", 0.99), ("fmnist", 0.91), ("cifar10", 0.80)])
def test_those_of_real_images(dataset: str, least: float) -> None:
    assert "GAN_EXPERIMENTS_DATA" in os.environ
    found, stated = accuracy(dataset)

    assert found == pytest.approx(stated, abs=1e-3)
    assert found >= least
