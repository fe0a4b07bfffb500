"""What values may depend on: not on batches, order, flags or streams, but on the seed."""

import random
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from toys import Probe, TinyGenerator, TwoOutputs, extractor, images, protocol

from gan_experiments.datasets.base import TensorImageSet
from gan_experiments.metrics.base import NO_GENERATOR, Metric
from gan_experiments.metrics.center_patch import CenterPatch
from gan_experiments.metrics.class_balance import ClassBalance
from gan_experiments.metrics.class_fid import ClassFrechetDistance
from gan_experiments.metrics.class_head_accuracy import ClassHeadAccuracy
from gan_experiments.metrics.density_coverage import DensityCoverage
from gan_experiments.metrics.discriminator import DiscriminatorProbe
from gan_experiments.metrics.discriminator_overfitting import DiscriminatorOverfitting
from gan_experiments.metrics.diversity import FeatureDiversity
from gan_experiments.metrics.evaluate import Results, anchors, evaluate
from gan_experiments.metrics.features import noise
from gan_experiments.metrics.fid import FrechetDistance
from gan_experiments.metrics.inception_score import InceptionScore
from gan_experiments.metrics.kid import KernelDistance
from gan_experiments.metrics.label_accuracy import LabelAccuracy
from gan_experiments.metrics.memorization import Memorization
from gan_experiments.metrics.precision_recall import PrecisionRecall
from gan_experiments.metrics.protocol import RealImages
from gan_experiments.sampling.sampler import BLOCK_SIZE, shuffle
from gan_experiments.types import DiscriminatorOutput, UserError

METRICS: dict[str, Metric] = {
    "fid": FrechetDistance(),
    "inception_score": InceptionScore(),
    "precision_recall": PrecisionRecall(),
    "density_coverage": DensityCoverage(),
    "class_fid": ClassFrechetDistance(),
    "label_accuracy": LabelAccuracy(),
    "class_balance": ClassBalance(),
    "diversity": FeatureDiversity(),
    "memorization": Memorization(),
    "center_patch": CenterPatch(),
}
KID = {"kid": KernelDistance(subset_size=50, subsets=5)}
OVERFITTING = {"discriminator_overfitting": DiscriminatorOverfitting(num_images=600)}


class TinyDiscriminator(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.network = TwoOutputs(1, seed=8)
        self.norm = nn.BatchNorm1d(2)

    def forward(self, images: Tensor, labels: Tensor) -> DiscriminatorOutput:
        return DiscriminatorOutput(self.norm(self.network(images)[1]).gather(1, labels[:, None])[:, 0])


class TinyClassHead(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.network = TwoOutputs(1, seed=9)

    def forward(self, images: Tensor, labels: Tensor) -> DiscriminatorOutput:
        logits = self.network(images)[1]
        return DiscriminatorOutput(logits[:, 0], logits)


class Constant(nn.Module):
    """Gives one value everywhere."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.tensor(value))

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        return self.value.expand(len(latents), 1, 8, 8)


def numbers(results: Results) -> dict[str, float]:
    return {key: value.value for key, value in results.values.items() if value.value is not None}


# The same values


def test_values_do_not_depend_on_the_size_of_batches(tmp_path: Path) -> None:
    found = [
        numbers(
            evaluate(
                TinyGenerator(),
                protocol(METRICS | KID | OVERFITTING, tmp_path, num_samples=BLOCK_SIZE + 150, batch_size=batch_size),
                seed=3,
                discriminator=TinyDiscriminator(),
            )
        )
        for batch_size in (7, 100, 650)
    ]
    assert len(found[0]) > 15
    for values in found[1:]:
        assert values == pytest.approx(found[0], rel=1e-5, abs=1e-7)


def test_more_samples_begin_with_the_same_ones(tmp_path: Path) -> None:
    probe = Probe()
    constant_labels = RealImages("one", [], real := images(20, num_classes=1), real, None)
    for count in (10, BLOCK_SIZE + 10):
        more = {"num_samples": count, "real": constant_labels}
        evaluate(TinyGenerator(), protocol({"probe": probe}, tmp_path, **more), seed=0)
    few, many = (given.samples.features for given in probe.given)
    assert torch.allclose(few, many[:10], atol=1e-6)
    assert not torch.allclose(few, many[-10:], atol=1e-2)  # another block, other latents


def test_values_do_not_depend_on_the_order_of_the_reference(tmp_path: Path) -> None:
    ordered = images(300)
    order = torch.randperm(300, generator=torch.Generator().manual_seed(0))
    shuffled = TensorImageSet(ordered.images[order], ordered.labels[order])
    found = []
    for training in (ordered, shuffled):
        real = RealImages("toys", ["even", "odd"], training, training, images(200, seed=1))
        found.append(numbers(evaluate(TinyGenerator(), protocol(METRICS, tmp_path, real=real), seed=0)))
    assert found[0] == pytest.approx(found[1], rel=1e-5, abs=1e-7)


def test_a_seed_gives_its_values_again_and_another_gives_others(tmp_path: Path) -> None:
    first, again, other = (
        numbers(evaluate(TinyGenerator(), protocol(METRICS | KID, tmp_path), seed=seed)) for seed in (1, 1, 2)
    )
    assert first == again
    for key in ("fid/toy", "fid_infinity/toy", "kid/toy", "feature_diversity/toy", "inception_score/toy"):
        assert first[key] != other[key]


# Without a trace


@pytest.mark.parametrize("training", [True, False])
def test_evaluating_leaves_no_trace(tmp_path: Path, training: bool) -> None:
    generator, discriminator = TinyGenerator().train(training), TinyDiscriminator().train(training)
    generator.layers[1].train(not training)  # a mixture of flags survives too
    discriminator.norm.train(not training)
    networks = nn.ModuleList([generator, discriminator])
    networks.training = training
    flags = [module.training for module in networks.modules()]
    state = {name: value.clone() for name, value in networks.state_dict().items()}
    torch.manual_seed(5)
    before = torch.get_rng_state(), repr(np.random.get_state()), random.getstate()
    metrics = METRICS | KID | OVERFITTING
    evaluated = protocol(metrics, tmp_path)
    evaluate(generator, evaluated, seed=0, discriminator=discriminator)
    anchors(evaluated)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert repr(np.random.get_state()) == before[1]
    assert random.getstate() == before[2]
    assert [module.training for module in networks.modules()] == flags
    assert all(torch.equal(value, state[name]) for name, value in networks.state_dict().items())
    assert all(parameter.grad is None for parameter in networks.parameters())


# Values that are no pixels


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_images_that_are_not_finite_are_refused(tmp_path: Path, value: float) -> None:
    with pytest.raises(UserError, match="finite"):
        evaluate(Constant(value), protocol({"diversity": FeatureDiversity()}, tmp_path), seed=0)


def test_the_share_of_clipped_values_counts_every_sample_alike(tmp_path: Path) -> None:
    class LastBlockTooBright(Constant):
        made = 0

        def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
            bright = self.made >= BLOCK_SIZE
            self.made += len(latents)
            return super().forward(latents, labels) * (9 if bright else 0)

    bright = LastBlockTooBright(1.0)
    evaluated = protocol({"probe": Probe()}, tmp_path, num_samples=BLOCK_SIZE + 100, batch_size=BLOCK_SIZE)
    assert evaluate(bright, evaluated, seed=0).share_clipped == pytest.approx(100 / (BLOCK_SIZE + 100))


def test_noise_is_uniform_and_as_much_as_asked_for() -> None:
    values = noise((1, 8, 8), torch.zeros(BLOCK_SIZE + 20), [], seed=0).pixels().float()
    assert len(values) == BLOCK_SIZE + 20
    assert values.mean().item() == pytest.approx(127.5, abs=1)
    assert values.std().item() == pytest.approx(73.9, abs=1)  # √((256² − 1) / 12)


def test_the_generator_is_asked_for_the_labels_that_samples_are_judged_by(tmp_path: Path) -> None:
    generator, probe = TinyGenerator(), Probe()
    evaluated = protocol({"probe": probe}, tmp_path, num_samples=BLOCK_SIZE + 30, batch_size=64)
    evaluate(generator, evaluated, seed=4)
    labels = evaluated.draw_labels(BLOCK_SIZE + 30, 4)
    assert torch.equal(torch.cat(generator.asked), labels)
    assert torch.equal(probe.given[0].samples.labels, labels)
    assert not torch.equal(labels, evaluated.draw_labels(BLOCK_SIZE + 30, 5))


def test_the_pixels_are_those_of_the_samples_that_were_looked_at(tmp_path: Path) -> None:
    probe = Probe()
    evaluate(TinyGenerator(), protocol({"probe": probe}, tmp_path, num_samples=BLOCK_SIZE + 30), seed=4)
    given = probe.given[0]
    assert torch.allclose(given.samples.features, extractor()(given.pixels)[0], atol=1e-5)


def test_the_discriminator_scores_the_same_samples_and_the_sets_in_a_fixed_order(tmp_path: Path) -> None:
    generator, discriminator, probe = TinyGenerator(), TinyDiscriminator(), Probe()
    judged = protocol({"probe": probe}, tmp_path, num_samples=BLOCK_SIZE + 30)
    evaluate(generator, judged, seed=4)
    judge = DiscriminatorProbe(discriminator, judged, judged.samples(judged.sampler(generator), 4), 4)
    discriminator.eval()
    sets: dict[Literal["training", "samples"], tuple[Tensor, Tensor]] = {
        "samples": (probe.given[0].pixels, judged.draw_labels(BLOCK_SIZE + 30, 4)),
        "training": (judged.real.reference.read(shuffle(300)), judged.real.reference.labels[shuffle(300)]),
    }
    for name, (shown, labels) in sets.items():
        with torch.no_grad():
            expected = discriminator(shown.float() / 127.5 - 1, labels).scores
        assert torch.allclose(judge.scores(name, 10_000), expected, atol=1e-5)
        assert torch.allclose(judge.scores(name, 20), expected[:20], atol=1e-5)
    assert len(judge.scores("held_out", 10_000)) == 200
    assert judge.class_logits("training", 20) is None


def test_a_discriminator_is_measured_where_there_is_no_generator(tmp_path: Path) -> None:
    head, flipped = TinyClassHead(), []

    def flip(pictures: Tensor, stream: torch.Generator) -> Tensor:
        flipped.append(float(torch.rand((), generator=stream)))
        return pictures.flip(-1)

    metrics = {"fid": FrechetDistance(), "head": ClassHeadAccuracy(150), "over": DiscriminatorOverfitting()}
    judged = protocol(metrics, tmp_path, augmentations={"flip": flip})
    state = torch.get_rng_state()
    head.train()
    found = evaluate(None, judged, 0, head)
    assert head.training
    assert torch.equal(torch.get_rng_state(), state)
    assert list(found.values) == [
        f"class_head_{name}/discriminator" for name in ("accuracy", "training_accuracy", "gap")
    ]
    assert found.not_applicable == {"over/discriminator": NO_GENERATOR, "fid/toy": NO_GENERATOR}
    training, held_out = judged.real.training, judged.real.held_out
    assert held_out is not None
    for name, real, turn in (("training_accuracy", training, True), ("accuracy", held_out, False)):
        first = shuffle(len(real))[:150]
        shown = real.read(first).float() / 127.5 - 1
        with torch.no_grad():
            logits = head(shown.flip(-1) if turn else shown, real.labels[first]).class_logits
        expected = float((logits.argmax(1) == real.labels[first]).double().mean())
        assert numbers(found)[f"class_head_{name}/discriminator"] == pytest.approx(expected)
    assert flipped == [flipped[0]]  # one block, by a stream that follows from the seed
    evaluate(None, judged, 0, head)
    assert flipped[1] == flipped[0]
    accuracy, gap = (found.values[f"class_head_{name}/discriminator"].protocol for name in ("accuracy", "gap"))
    assert "num_samples" not in accuracy
    assert list(gap["augmentations"]) == ["flip"]
    assert "training" in gap
    for fact in ("augmentations", "training"):  # of which the accuracy on held-out images knows nothing
        assert fact not in accuracy


# The protocol


def test_too_few_samples_are_refused_before_any_is_made(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"kid.*at least 250.*evaluation\.num_samples is 100"):
        protocol({"kid": KernelDistance()}, tmp_path, num_samples=100)
    with pytest.raises(UserError, match=r"fid.*at least 8.*evaluation\.num_samples is 7"):
        protocol({"fid": FrechetDistance()}, tmp_path, num_samples=7)
    with pytest.raises(UserError, match=r"precision_recall.*at least 4.*evaluation\.num_samples is 3"):
        protocol({"precision_recall": PrecisionRecall()}, tmp_path, num_samples=3)


def test_a_metric_of_more_images_than_the_training_set_has_is_not_applicable(tmp_path: Path) -> None:
    evaluated = protocol({"kid": KernelDistance(subset_size=301)}, tmp_path, num_samples=400)  # 300 training images

    results = evaluate(TinyGenerator(), evaluated, seed=0)

    assert results.values == {}
    assert results.not_applicable == {"kid/toy": "it needs 301 training images, and there are 300"}


@pytest.mark.parametrize(("name", "metric"), [*METRICS.items(), ("kid", KernelDistance(subset_size=20))])
def test_the_fewest_images_that_a_metric_names_are_enough(tmp_path: Path, name: str, metric: Metric) -> None:
    real = RealImages("toys", ["even", "odd"], training := images(metric.min_images), training, images(9, seed=1))
    evaluated = protocol({name: metric}, tmp_path, real=real, num_samples=metric.min_images)
    results = evaluate(TinyGenerator(), evaluated, seed=0)
    assert {
        f"{spec.name}/{'toy' if 'extractor' in metric.depends_on else 'pixels'}" for spec in metric.specs
    } <= results.values.keys()


def test_every_value_has_its_protocol(tmp_path: Path) -> None:
    results = evaluate(TinyGenerator(), protocol(METRICS | KID, tmp_path), seed=0)
    kid, precision = (results.values[key].protocol for key in ("kid/toy", "precision/toy"))
    assert kid["parameters"] == {"subset_size": 50, "subsets": 5}
    assert precision["parameters"] == {"neighborhood": 3, "num_images": 5000}
    assert kid["num_samples"] == 300
    assert kid["extractor"]["name"] == "toy"
    other = protocol(KID, tmp_path, extractors={"toy": extractor(seed=6)})
    assert evaluate(TinyGenerator(), other, seed=0).values["kid/toy"].protocol != kid


def test_a_protocol_names_the_real_images_that_its_value_depends_on(tmp_path: Path) -> None:
    def protocols(training: TensorImageSet) -> dict[str, Any]:
        real = RealImages("toys", ["even", "odd"], images(300), training, images(200, seed=1))
        results = evaluate(TinyGenerator(), protocol(METRICS, tmp_path, real=real), seed=0)
        return {key: value.protocol for key, value in results.values.items()}

    whole, part = protocols(images(300)), protocols(images(300, seed=3))
    assert whole["fid/toy"] == part["fid/toy"]
    assert whole["memorization_ratio/toy"] != part["memorization_ratio/toy"]


def test_a_metric_that_does_not_apply_says_why_and_gives_no_value(tmp_path: Path) -> None:
    evaluated = protocol({"label_accuracy": LabelAccuracy(), **OVERFITTING}, tmp_path, conditional=False)
    results = evaluate(TinyGenerator(), evaluated, seed=0)
    assert results.values == {}
    assert results.not_applicable.keys() == {"label_accuracy/toy", "discriminator_overfitting/discriminator"}


@pytest.mark.parametrize(
    ("name", "higher"),
    [
        ("fid", False),
        ("kid", False),
        ("precision", True),
        ("class_coverage", True),
        ("missing_classes", False),
        ("class_entropy", True),
        ("class_kl", False),
        ("memorization_ratio", True),
        ("memorized_share", False),
    ],
)
def test_each_value_knows_which_way_is_good(tmp_path: Path, name: str, higher: bool) -> None:
    assert protocol(METRICS | KID, tmp_path).spec(name).higher_is_better is higher


# Anchors


def test_held_out_images_are_the_floor_and_noise_the_ceiling(tmp_path: Path) -> None:
    def dark(count: int, seed: int) -> TensorImageSet:
        made = images(count, seed=seed)
        return TensorImageSet(made.images // 4, made.labels)

    real = RealImages("toys", ["even", "odd"], training := dark(300, 0), training, dark(200, 1))
    evaluated = protocol(METRICS | KID, tmp_path, real=real)
    found = anchors(evaluated)
    assert found["fid/toy"]["floor_count"] == 200
    for name in ("fid", "kid", "class_fid"):
        assert found[f"{name}/toy"]["floor"] < found[f"{name}/toy"]["ceiling"]
    for name in ("precision", "coverage"):
        assert found[f"{name}/toy"]["floor"] > found[f"{name}/toy"]["ceiling"]
    assert found["memorization_ratio/toy"]["floor"] == 1  # they are what it is measured against
    assert anchors(protocol(METRICS | KID, tmp_path, real=real)) == found


def test_anchors_of_one_metric_are_not_taken_for_those_of_another(tmp_path: Path) -> None:
    assert "fid/toy" in anchors(protocol({"fid": FrechetDistance()}, tmp_path))
    assert "feature_diversity/toy" in anchors(protocol({"diversity": FeatureDiversity()}, tmp_path))


def test_the_floor_is_of_all_classes_though_the_held_out_images_are_sorted(tmp_path: Path) -> None:
    held_out = images(200, seed=1)
    order = torch.argsort(held_out.labels, stable=True)
    ordered = TensorImageSet(held_out.images[order], held_out.labels[order])
    probe, training = Probe(), images(300)
    real = RealImages("toys", ["even", "odd"], training, training, ordered)
    anchors(protocol({"probe": probe}, tmp_path, real=real, num_samples=100))
    for read in probe.given:
        assert torch.bincount(read.samples.labels, minlength=2).min() > 25


def test_two_extractors_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="toy"):
        protocol({"fid": FrechetDistance()}, tmp_path, extractors={"a": extractor(seed=1), "b": extractor(seed=2)})


def test_anchors_of_pixels_are_those_of_held_out_images_and_of_noise(tmp_path: Path) -> None:
    def framed(count: int, seed: int) -> TensorImageSet:
        made = images(count, seed=seed)
        made.images[..., 3:5, 3:5] = 255 - made.images[..., 3:5, 3:5] // 16  # bright in the middle
        return made

    real = RealImages("toys", ["even", "odd"], framed(300, 0), framed(300, 0), framed(200, 1))
    found = anchors(protocol({"center": CenterPatch()}, tmp_path, real=real))
    floor = (255 - real.held_out.images[..., 3:5, 3:5].double()).mean() / 255  # type: ignore[union-attr]
    assert found["center_darkness/pixels"]["floor"] == pytest.approx(float(floor), abs=1e-9)
    assert found["center_darkness/pixels"]["ceiling"] == pytest.approx(0.5, abs=0.02)
    assert found["center_outliers/pixels"]["floor"] < 0.06
    assert found["center_dark_outliers/pixels"]["ceiling"] > 0.99


def test_anchors_are_measured_anew_where_a_metric_has_a_new_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measuring = protocol({"center": CenterPatch()}, tmp_path, real=RealImages("toys", [], *(images(50, seed=0),) * 3))
    compute = CenterPatch.compute
    with monkeypatch.context() as before:
        before.setattr(CenterPatch, "specs", CenterPatch.specs[:1])
        before.setattr(CenterPatch, "compute", lambda *of: {"center_darkness": compute(*of)["center_darkness"]})
        assert list(anchors(measuring)) == ["center_darkness/pixels"]
    assert "center_contrast/pixels" in anchors(measuring)
