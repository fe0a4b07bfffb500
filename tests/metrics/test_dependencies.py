"""What values depend on: declared by each metric, and no more is read."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import ClassVar

import pytest
from omegaconf import OmegaConf
from test_evaluate import TinyClassHead
from toys import TinyGenerator, images, protocol

from gan_experiments.config.instantiate import instantiate
from gan_experiments.config.suggestions import CONFIG_DIR
from gan_experiments.metrics import classification_accuracy
from gan_experiments.metrics.base import Metric, MetricInputs
from gan_experiments.metrics.discriminator import DiscriminatorProbe
from gan_experiments.metrics.evaluate import evaluate
from gan_experiments.metrics.protocol import RealImages
from gan_experiments.types import MetricSpec, UserError

NAMES = sorted(path.stem for path in (CONFIG_DIR / "evaluation" / "metric").glob("*.yaml"))


def metric(name: str) -> Metric:
    """Return the metric of a yaml, of few images."""
    (node,) = OmegaConf.to_container(OmegaConf.load(CONFIG_DIR / "evaluation" / "metric" / f"{name}.yaml")).values()  # type: ignore[union-attr]  # a mapping
    few = {"subset_size": 50, "num_pairs": 40, "num_images": 100}
    found: Metric = instantiate(OmegaConf.create(node | {key: few[key] for key in few if key in node}), name)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_a_metric_reads_what_it_declares(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classification_accuracy, "fit_classifier", lambda *_: 0.5)  # which trains for long
    measured = metric(name)
    # Two of the three classes are kept, and all images are classified as one that is.
    real = RealImages("toys", ["even", "odd", "other"], images(200), images(100, seed=2), images(100, seed=1))
    given = protocol({name: measured}, tmp_path, real=real, num_samples=120)
    generator, head = TinyGenerator(), TinyClassHead()
    sampler = given.sampler(generator)
    samples = given.samples(sampler, 0)
    inputs = MetricInputs(
        given, next(iter(given.extractors.values())), samples, 0, sampler, DiscriminatorProbe(head, given, samples, 0)
    )

    assert measured.not_applicable(inputs) == ""
    values = measured.compute(inputs)
    measured.pictures(inputs)

    assert all(measured.spec(value).name == value for value in values)
    # Which labels samples have depends on the reference, whether or not a metric reads it too.
    assert inputs.dependencies - {"reference"} == set(measured.depends_on) - {"reference"}
    assert "reference" in measured.depends_on or "reference" not in inputs.dependencies
    for spec in measured.specs:
        assert set(spec.depends_on) <= set(measured.depends_on)
        assert spec.part_of is None or spec.part_of in {other.name for other in measured.specs}
    assert {field.name for field in fields(measured)} <= measured.parameters().keys()


@dataclass(frozen=True)
class Secretive(Metric):
    specs: ClassVar[tuple[MetricSpec, ...]] = (MetricSpec("secret"),)

    def compute(self, inputs: MetricInputs) -> dict[str, float]:
        return {"secret": float(len(inputs.training) / len(inputs.samples))}


def test_what_is_read_but_not_declared_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"evaluation\.metrics\.mine \(Secretive\) reads training"):
        evaluate(TinyGenerator(), protocol({"mine": Secretive()}, tmp_path), seed=0)
