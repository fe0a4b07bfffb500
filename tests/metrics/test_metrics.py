"""Each metric against the formula of its paper, a peer's code or numbers derived by hand."""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm  # type: ignore[import-untyped]
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance
from toys import inputs, normal, points

from gan_experiments.datasets.base import TensorImageSet
from gan_experiments.metrics import classification_accuracy
from gan_experiments.metrics import fid as fid_module
from gan_experiments.metrics.base import NO_CLASSES, NO_DISCRIMINATOR, NO_GENERATOR, NO_HELD_OUT, NO_LABELS, Metric
from gan_experiments.metrics.center_patch import CenterPatch
from gan_experiments.metrics.class_balance import ClassBalance
from gan_experiments.metrics.class_fid import ClassFrechetDistance
from gan_experiments.metrics.class_head_accuracy import NO_CLASS_HEAD, ClassHeadAccuracy
from gan_experiments.metrics.classification_accuracy import ClassificationAccuracyScore
from gan_experiments.metrics.density_coverage import DensityCoverage
from gan_experiments.metrics.discriminator_overfitting import DiscriminatorOverfitting
from gan_experiments.metrics.diversity import FeatureDiversity
from gan_experiments.metrics.evaluate import Results, summarize
from gan_experiments.metrics.features import Features
from gan_experiments.metrics.fid import FrechetDistance, frechet_distance
from gan_experiments.metrics.inception_score import InceptionScore
from gan_experiments.metrics.kid import KernelDistance
from gan_experiments.metrics.label_accuracy import LabelAccuracy
from gan_experiments.metrics.memorization import Memorization
from gan_experiments.metrics.precision_recall import PrecisionRecall
from gan_experiments.metrics.recognition import ALL_CLASSES, Recognition
from gan_experiments.types import MetricSpec, MetricValue

LOG3 = math.log(3)


def textbook_fid(samples: Tensor, real: Tensor) -> float:
    x, y = samples.double().numpy(), real.double().numpy()
    sigma_1, sigma_2 = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    mean_term = ((x.mean(0) - y.mean(0)) ** 2).sum()
    return float(mean_term + np.trace(sigma_1 + sigma_2 - 2 * sqrtm(sigma_1 @ sigma_2).real))


def distances(a: Tensor, b: Tensor) -> Tensor:
    return (a.double()[:, None] - b.double()[None]).square().sum(2).sqrt()


# FID


def test_fid_is_the_textbook_formula() -> None:
    samples = normal(400, 16) @ normal(16, 16, seed=1) + 0.5
    real = normal(500, 16, seed=2) * 2 + 10
    found = FrechetDistance().compute(inputs(points(samples), points(real)))
    for name, count in {"fid": 400, "fid_half": 200, "fid_quarter": 100}.items():
        assert found[name] == pytest.approx(textbook_fid(samples[:count], real), rel=1e-6)


def test_fid_of_two_known_normal_distributions() -> None:
    # On the axes ±1: mean 0, covariance I / 1.5 (4 points, N - 1 = 3: 2/3). Shifted by (3, 4) and twice as wide:
    # 25 + 2 · (2/3)(1 - 2)² = 25 + 4/3.
    cross = torch.tensor([[1.0, 0], [-1, 0], [0, 1], [0, -1]])
    found = frechet_distance(points(2 * cross + torch.tensor([3.0, 4.0])), points(cross))
    assert found == pytest.approx(25 + 4 / 3, rel=1e-12)


def test_fid_is_that_of_torchmetrics() -> None:
    class Pixels(nn.Module):
        num_features = 16

        def forward(self, images: Tensor) -> Tensor:
            return images.flatten(1).float() / 64

    stream = torch.Generator().manual_seed(0)
    real = torch.randint(256, (300, 1, 4, 4), generator=stream).to(torch.uint8)
    made = torch.randint(200, (200, 1, 4, 4), generator=stream).to(torch.uint8)
    peer = FrechetInceptionDistance(feature=Pixels())
    peer.update(real, real=True)
    peer.update(made, real=False)
    found = frechet_distance(points(Pixels()(made)), points(Pixels()(real)))
    assert found == pytest.approx(float(peer.compute()), rel=1e-4)


def test_fid_of_a_set_with_itself_is_zero() -> None:
    features = normal(200, 16) + 3
    assert abs(FrechetDistance().compute(inputs(points(features), points(features)))["fid"]) < 1e-6


def test_fid_of_fewer_images_than_features_is_finite_and_positive() -> None:
    found = FrechetDistance().compute(inputs(points(normal(20, 48)), points(normal(20, 48, seed=1))))
    assert all(math.isfinite(value) for value in found.values())
    assert 0 < found["fid"] < found["fid_half"] < found["fid_quarter"]


def test_fid_infinity_is_where_the_line_meets_the_axis(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {80: 5.0, 40: 6.0, 20: 9.0}
    monkeypatch.setattr(fid_module, "frechet_distance", lambda samples, reference: values[len(samples)])
    found = FrechetDistance().compute(inputs(points(normal(80, 2)), points(normal(9, 2))))
    # x = 1, 2, 4 (over 80): mean 7/3, Sxx 14/3, Sxy 19/3, so the slope is 19/14 and the intercept 20/3 - 19/6.
    assert found == pytest.approx({"fid": 5, "fid_half": 6, "fid_quarter": 9, "fid_infinity": 3.5})


def test_fid_infinity_undoes_most_of_the_bias() -> None:
    found = FrechetDistance().compute(inputs(points(normal(2000, 20)), points(normal(20000, 20, seed=1))))
    assert found["fid"] < found["fid_half"] < found["fid_quarter"]
    assert abs(found["fid_infinity"]) < found["fid"] / 3


# KID


def test_kid_is_the_unbiased_estimator() -> None:
    x, y = normal(30, 5), normal(30, 5, seed=1) + 0.5
    found = KernelDistance(subset_size=30, subsets=2).compute(inputs(points(x), points(y)))
    terms = []
    for a, b, same in ((x, x, True), (y, y, True), (x, y, False)):
        total = 0.0
        for i in range(30):
            for j in range(30):
                if not (same and i == j):
                    total += (float(a[i].double() @ b[j].double()) / 5 + 1) ** 3
        terms.append(total / (30 * 29 if same else 900))
    assert found["kid"] == pytest.approx(terms[0] + terms[1] - 2 * terms[2], rel=1e-4)


def test_kid_of_equal_distributions_is_about_zero_whatever_the_size_of_subsets() -> None:
    given = inputs(points(normal(1000, 5)), points(normal(1000, 5, seed=1)))
    for size in (50, 250):
        assert abs(KernelDistance(subset_size=size).compute(given)["kid"]) < 0.02


# Precision, recall, density, coverage. Real points 0, 1, 3, 7 on a line: with k = 1 their radii are 1, 1, 2, 4.
REAL = [0.0, 1.0, 3.0, 7.0]


def test_precision_and_recall_on_a_line() -> None:
    # Radii of the samples: 0.2, 0.2, 0.3, 2.3; their balls hold 1 and 3, but neither 0 nor 7; all lie near real ones.
    samples = [0.4, 0.6, 0.9, 3.2]
    found = PrecisionRecall(neighborhood=1).compute(inputs(points(samples), points(REAL)))
    assert found == {"precision": 1.0, "recall": 0.5}
    swapped = PrecisionRecall(neighborhood=1).compute(inputs(points(REAL), points(samples)))
    assert swapped == {"precision": 0.5, "recall": 1.0}


def test_density_and_coverage_on_a_line() -> None:
    # 0.4 and 0.6 are in the balls of 0 and 1, -0.5 in that of 0, 20 in none: 5 over k · 4. Balls 0 and 1 hold one.
    found = DensityCoverage(neighborhood=1).compute(inputs(points([0.4, 0.6, -0.5, 20.0]), points(REAL)))
    assert found == {"density": 1.25, "coverage": 0.5}


def test_an_outlier_among_the_real_ones_spoils_precision_but_not_density() -> None:
    real = [*(i / 10 for i in range(9)), 100.0]
    samples = [20.0 + i for i in range(10)]  # all within the outlier's ball of radius 99.2, and in no other
    given = inputs(points(samples), points(real))
    assert PrecisionRecall(neighborhood=1).compute(given)["precision"] == 1
    assert DensityCoverage(neighborhood=1).compute(given) == {"density": 1.0, "coverage": 0.1}


@pytest.mark.parametrize("offset", [0.0, 30.0])
def test_neighbourhoods_are_those_of_exact_distances(offset: float) -> None:
    samples, real = normal(150, 32) * 0.9 + offset, normal(150, 32, seed=1) + offset
    given = inputs(points(samples), points(real))
    real_radius = distances(real, real).kthvalue(4).values
    sample_radius = distances(samples, samples).kthvalue(4).values
    between = distances(samples, real)
    found = PrecisionRecall(neighborhood=3).compute(given) | DensityCoverage(neighborhood=3).compute(given)
    within = between < real_radius
    expected = {
        "precision": float((between <= real_radius).any(1).double().mean()),
        "recall": float((between <= sample_radius[:, None]).any(0).double().mean()),
        "density": float(within.double().sum() / 3 / 150),
        "coverage": float(within.any(0).double().mean()),
    }
    assert 0.05 < expected["recall"] < 0.95  # else it says nothing
    assert found == pytest.approx(expected, abs=0.01 if offset else 1e-6)  # distances come through a matrix product


def test_a_collapsed_generator_has_precision_but_no_recall() -> None:
    real = normal(100, 8)
    given = inputs(points(real[:1].repeat(100, 1)), points(real))
    found = PrecisionRecall().compute(given)
    assert found["precision"] == 1
    assert found["recall"] <= 0.01  # the one real image itself
    assert DensityCoverage().compute(given)["coverage"] < 0.2


def test_equal_sets_have_full_marks() -> None:
    given = inputs(points(normal(100, 8)), points(normal(100, 8)))
    assert PrecisionRecall().compute(given) == {"precision": 1.0, "recall": 1.0}
    # Each ball holds its centre and k - 1 others, the k-th lies on its edge: k · N over k · N.
    assert DensityCoverage().compute(given) == pytest.approx({"density": 1.0, "coverage": 1.0}, abs=1e-6)


def test_equally_many_of_both_are_compared() -> None:
    given = inputs(points(normal(70, 2)), points(normal(100, 2, seed=1)))
    samples, real = given.matched(40)
    assert len(samples) == len(real) == 40
    samples, real = given.matched(1000)
    assert len(samples) == len(real) == 70
    assert torch.equal(real, given.matched(1000)[1])


# Inception score


def inception_score(probabilities: Tensor, splits: int = 1) -> float:
    made = Features(torch.zeros(len(probabilities), 2), probabilities.log(), torch.zeros(len(probabilities)).long())
    return InceptionScore(splits).compute(inputs(made, made))["inception_score"]


def test_inception_score_of_uniform_predictions_is_1() -> None:
    assert inception_score(torch.full((40, 10), 0.1)) == pytest.approx(1, rel=1e-6)


def test_inception_score_of_classes_made_evenly_is_their_number() -> None:
    one_hot = torch.eye(7).repeat(6, 1).clamp(min=1e-30)
    assert inception_score(one_hot) == pytest.approx(7, rel=1e-6)
    assert inception_score(torch.eye(7)) == pytest.approx(7, rel=1e-6)  # logits of minus infinity


def test_inception_score_of_one_class_is_1() -> None:
    assert inception_score(torch.eye(7)[:1].repeat(20, 1).clamp(min=1e-30)) == pytest.approx(1, rel=1e-6)


def test_inception_score_by_hand() -> None:
    # p(y) = (1/2, 1/2); KL = 0.9 log 1.8 + 0.1 log 0.2 for both; alone in a split, each is its own mean.
    predictions = torch.tensor([[0.9, 0.1], [0.1, 0.9]])
    assert inception_score(predictions) == pytest.approx(1.8**0.9 * 0.2**0.1, rel=1e-6)
    assert inception_score(predictions, splits=2) == pytest.approx(1, rel=1e-6)


# Classes


def test_class_fid_is_the_mean_over_the_classes_asked_for() -> None:
    x, y = normal(80, 3), normal(90, 3, seed=1) * 2
    asked, true = torch.arange(80) % 2, torch.arange(90) // 45
    found = ClassFrechetDistance().compute(inputs(points(x, labels=asked), points(y, labels=true)))
    a, b = textbook_fid(x[asked == 0], y[true == 0]), textbook_fid(x[asked == 1], y[true == 1])
    assert found == pytest.approx({"class_fid": (a + b) / 2, "class_fid_a": a, "class_fid_b": b}, rel=1e-6)


def test_class_fid_without_labels_goes_by_the_classes_seen() -> None:
    x, y = normal(80, 3), normal(90, 3, seed=1) * 2
    made, real = torch.arange(80) // 40, torch.arange(90) % 2
    wrong = 1 - real
    given = inputs(
        points(x, predicted=made, labels=wrong[:80]), points(y, predicted=real, labels=wrong), conditional=False
    )
    found = ClassFrechetDistance().compute(given)
    assert found["class_fid_a"] == pytest.approx(textbook_fid(x[made == 0], y[real == 0]), rel=1e-6)
    assert found["class_fid_b"] == pytest.approx(textbook_fid(x[made == 1], y[real == 1]), rel=1e-6)


def test_class_fid_sees_classes_that_were_mixed_up_where_fid_does_not() -> None:
    features = torch.cat([normal(50, 3), normal(50, 3, seed=1) + 5])
    labels = torch.arange(100) // 50
    given = inputs(points(features, labels=1 - labels), points(features, labels=labels))
    assert abs(FrechetDistance().compute(given)["fid"]) < 1e-6
    assert ClassFrechetDistance().compute(given)["class_fid"] > 50


def test_a_class_of_one_sample_has_no_class_fid_nor_has_the_mean() -> None:
    made = points(normal(10, 3), labels=[0] * 9 + [1])
    found = ClassFrechetDistance().compute(inputs(made, points(normal(10, 3), labels=[0, 1] * 5)))
    assert math.isfinite(found["class_fid_a"])
    assert math.isnan(found["class_fid_b"])
    assert math.isnan(found["class_fid"])


@settings(max_examples=30, deadline=None)
@given(num_wrong=st.integers(0, 200))
def test_label_accuracy_falls_by_the_share_of_wrong_labels(num_wrong: int) -> None:
    labels = torch.arange(200) % 5
    predicted = labels.clone()
    predicted[:num_wrong] = (predicted[:num_wrong] + 1) % 5
    made = points(torch.zeros(200), predicted=predicted, labels=labels, num_classes=5)
    assert LabelAccuracy().compute(inputs(made, made))["label_accuracy"] == pytest.approx(1 - num_wrong / 200)


def balance(made: list[int], real: list[int], num_classes: int) -> dict[str, float]:
    samples = points(torch.zeros(len(made)), predicted=made, num_classes=num_classes)
    reference = points(torch.zeros(len(real)), labels=real)
    return ClassBalance().compute(inputs(samples, reference, class_names=[str(i) for i in range(num_classes)]))


def test_class_balance_by_hand() -> None:
    # Three quarters of class 0, a quarter of class 1, against even quarters.
    found = balance([0, 0, 0, 1] * 5, [0, 1, 2, 3] * 9, 4)
    entropy = 0.75 * math.log(4 / 3) + 0.25 * math.log(4)
    expected = {"class_coverage": 0.5, "missing_classes": 2, "class_entropy": entropy, "class_kl": 0.75 * LOG3}
    assert found == pytest.approx(expected, rel=1e-12)


def test_classes_as_in_the_data_are_balanced_even_if_the_data_are_not() -> None:
    found = balance([0] * 3 + [1], [0] * 30 + [1] * 10, 2)
    entropy = 0.75 * math.log(4 / 3) + 0.25 * math.log(4)
    assert found == pytest.approx({"class_coverage": 1, "missing_classes": 0, "class_entropy": entropy, "class_kl": 0})


@pytest.mark.parametrize(("count", "missing"), [(4, 1), (6, 0)])
def test_a_class_is_missing_below_a_tenth_of_its_share(count: int, missing: int) -> None:
    found = balance([0] * (100 - count) + [1] * count, [0, 1], 2)
    assert found["missing_classes"] == missing


@pytest.mark.parametrize(
    ("kept", "predicted", "expected"),
    [
        ([2], [2, 2, 2, 2], 1.0),
        ([2], [0, 1, 0, 1], 0.0),
        ([0, 2], [0, 1, 2, 1], 0.5),  # either of the classes kept counts, whichever was asked for
        ([1], [0, 1, 2, 2], 0.25),
    ],
)
def test_recognition_counts_samples_seen_as_a_class_that_is_kept(
    kept: list[int], predicted: list[int], expected: float
) -> None:
    samples = points(normal(4, 2), predicted=predicted, labels=[kept[0]] * 4, num_classes=3)
    reference = points(normal(6, 2), labels=(kept * 6)[:6])
    given = inputs(samples, reference, class_names=["a", "b", "c"], conditional=False)
    assert Recognition().not_applicable(given) == ""
    assert Recognition().compute(given) == {"recognition": expected}


# The middle of images


def squares(*brightness: float, size: int = 8) -> Tensor:
    """Images of random pixels whose middle 2×2 of 8×8 (or 8×8 of 28×28) have these brightnesses, 0 to 1."""
    stream = torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (len(brightness), 1, size, size), generator=stream).to(torch.uint8)
    inner = slice(3, 5) if size == 8 else slice(10, 18)
    pixels[..., inner, inner] = (torch.tensor(brightness) * 255).round().to(torch.uint8)[:, None, None, None]
    return pixels


def middle(samples: Tensor, real: Tensor, **parameters: float) -> dict[str, float]:
    some = points(normal(5, 2))
    reference = TensorImageSet(real, torch.zeros(len(real), dtype=torch.int64))
    given = inputs(some, some, pixels=samples, reference_pixels=reference)
    return CenterPatch(**parameters).compute(given)


@pytest.mark.parametrize("size", [8, 28])
def test_the_middle_of_samples_is_held_against_that_of_real_images(size: int) -> None:
    # 101 real images from 0.2 to 0.8 in even steps: the quantiles 0.01 and 0.99 are 0.206 and 0.794.
    real = squares(*torch.linspace(0.2, 0.8, 101).tolist(), size=size)
    found = middle(squares(0, 0.2, 0.6, 0.6, 1, size=size), real)
    assert found["center_darkness"] == pytest.approx(1 - 2.4 / 5, abs=1e-9)
    assert found["center_outliers"] == pytest.approx(3 / 5)
    assert found["center_dark_outliers"] == pytest.approx(2 / 5)


def test_real_images_are_outliers_as_often_as_the_tail_says() -> None:
    real = squares(*torch.linspace(0.1, 0.9, 401).tolist())
    found = middle(real, real, tail=0.05)
    assert found["center_outliers"] == pytest.approx(0.1, abs=0.02)
    assert found["center_dark_outliers"] == pytest.approx(0.05, abs=0.01)


def test_nothing_is_darker_than_black() -> None:
    real = squares(*([0.0] * 10 + [0.5] * 90))
    assert middle(squares(0, 0, 0.5), real)["center_dark_outliers"] == 0


def test_only_the_middle_counts_and_colours_are_averaged() -> None:
    real = squares(*torch.linspace(0, 1, 50).tolist()).repeat(1, 3, 1, 1)
    frame = torch.zeros(1, 3, 8, 8, dtype=torch.uint8)
    frame[:, 0, 3:5, 3:5] = 255
    found = middle(frame, real)
    assert found["center_darkness"] == pytest.approx(2 / 3)
    assert found["center_contrast"] == pytest.approx(1 / 3 - 4 / (3 * 64))
    assert middle(255 - frame, real)["center_contrast"] == pytest.approx(4 / (3 * 64) - 1 / 3)
    whole = torch.zeros(1, 3, 8, 8, dtype=torch.uint8)
    whole[..., :4] = 255
    found = middle(whole, real, side=1)
    assert found["center_darkness"] == pytest.approx(0.5)
    assert found["center_contrast"] == 0


# Diversity and copies


def test_diversity_is_the_share_of_the_reference_variance() -> None:
    real = normal(60, 4)
    values = {
        name: FeatureDiversity().compute(inputs(points(features), points(real)))["feature_diversity"]
        for name, features in {"constant": real[:1].repeat(60, 1), "same": real, "wider": 3 * real + 1}.items()
    }
    assert values == pytest.approx({"constant": 0, "same": 1, "wider": 9}, rel=1e-5)


@pytest.mark.parametrize("offset", [0.0, 100.0])
def test_copies_of_training_images_are_found_though_fid_is_zero(offset: float) -> None:
    training, fresh = points(normal(400, 8) + offset), points(normal(300, 8, seed=1) + offset)
    given = inputs(training.take(torch.randperm(400)), training, held_out=fresh)
    assert abs(FrechetDistance().compute(given)["fid"]) < 1e-6
    assert Memorization().compute(given) == {"memorization_ratio": 0, "memorized_share": 1}


def test_fresh_images_are_no_copies() -> None:
    given = inputs(points(normal(1000, 8)), points(normal(500, 8, seed=1)), held_out=points(normal(1000, 8, seed=2)))
    found = Memorization().compute(given)
    assert found["memorization_ratio"] == pytest.approx(1, abs=0.1)
    assert 0 < found["memorized_share"] < 0.03


def test_memorization_on_a_line() -> None:
    # Distances to the training points 0 and 10: samples 1, 1, 3; held-out images 2, 4, 5.
    given = inputs(points([1.0, 9.0, 13.0]), points([0.0, 10.0]), held_out=points([2.0, 14.0, 5.0]))
    # The quantile 0.01 of (2, 4, 5) is 2.02: 1 and 1 are below.
    assert Memorization().compute(given) == pytest.approx({"memorization_ratio": 0.25, "memorized_share": 2 / 3})


def test_copies_are_counted_even_if_the_held_out_images_hold_some() -> None:
    training = normal(400, 8)
    fresh = torch.cat([training[:8], normal(392, 8, seed=4)])  # 2% are training images
    found = Memorization().compute(inputs(points(training), points(training), held_out=points(fresh)))
    assert found["memorized_share"] > 0.9


def test_half_copies_give_half_a_share() -> None:
    training = normal(400, 8)
    made = torch.cat([training[:200], normal(200, 8, seed=3) * 2])
    found = Memorization().compute(inputs(points(made), points(training), held_out=points(normal(400, 8, seed=2))))
    assert found["memorized_share"] == pytest.approx(0.5, abs=0.02)


def test_copies_are_looked_for_in_what_was_trained_on_and_not_in_the_reference() -> None:
    reference = points(normal(400, 8))
    given = inputs(
        reference.take(slice(100, 200)),
        reference,
        held_out=reference.take(slice(200, 300)),
        training=reference.take(slice(100)),
    )
    found = Memorization().compute(given)
    assert found["memorization_ratio"] == pytest.approx(1, abs=0.2)
    assert found["memorized_share"] < 0.1


# The discriminator


@dataclass
class Answers:
    """A probe with given answers, which remembers what it was asked."""

    values: dict[str, Tensor]  # scores of each set
    logits: dict[str, tuple[Tensor, Tensor]] | None = None
    asked: list[tuple[str, int, bool]] = field(default_factory=list)

    def scores(self, name: str, count: int) -> Tensor:
        self.asked.append((name, count, False))
        return self.values[name]

    def class_logits(self, name: str, count: int, augmented: bool = False) -> tuple[Tensor, Tensor] | None:
        self.asked.append((name, count, augmented))
        return None if self.logits is None else self.logits[name]


SOME = points(normal(5, 2), predicted=[0, 1, 0, 1, 0])


@pytest.mark.parametrize(("held_out", "expected"), [(3.0, 0.0), (1.0, 0.5), (-1.0, 1.0)])
def test_discriminator_overfitting_by_hand(held_out: float, expected: float) -> None:
    scores = {"training": [2.0, 4.0], "held_out": [held_out], "samples": [-1.0] * 3}
    probe = Answers({name: torch.tensor(values) for name, values in scores.items()})
    found = DiscriminatorOverfitting(7).compute(inputs(SOME, SOME, probe=probe))
    assert found == {"discriminator_overfitting": expected}
    assert {name: count for name, count, _ in probe.asked} == {"training": 7, "held_out": 7, "samples": 7}


def test_a_constant_discriminator_does_not_overfit() -> None:
    probe = Answers(dict.fromkeys(("training", "held_out", "samples"), torch.ones(3)))
    found = DiscriminatorOverfitting().compute(inputs(SOME, SOME, probe=probe))
    assert found == {"discriminator_overfitting": 0.0}


def test_class_head_accuracy_by_hand() -> None:
    held_out = (torch.eye(3)[[0, 1, 2, 0]], torch.tensor([0, 1, 1, 1]))  # two of four
    training = (torch.eye(3)[[2, 2]], torch.tensor([2, 2]))
    probe = Answers({}, {"held_out": held_out, "training": training})
    assert ClassHeadAccuracy(9).compute(inputs(None, SOME, probe=probe)) == {
        "class_head_accuracy": 0.5,
        "class_head_training_accuracy": 1.0,
        "class_head_gap": 0.5,
    }
    assert sorted(probe.asked) == [("held_out", 9, False), ("training", 9, True)]


# When a metric is not applicable

HEAD = Answers({}, dict.fromkeys(("held_out", "training"), (torch.eye(2), torch.arange(2))))


@pytest.mark.parametrize(
    ("metric", "lacking", "reason"),
    [
        (ClassFrechetDistance(), {"knows_classes": False}, NO_CLASSES),
        (ClassBalance(), {"knows_classes": False}, NO_CLASSES),
        (Recognition(), {"knows_classes": False}, NO_CLASSES),
        (Recognition(), {"class_names": ["a"]}, ALL_CLASSES),
        (CenterPatch(), {"samples": None}, NO_GENERATOR),
        (LabelAccuracy(), {"knows_classes": False}, NO_CLASSES),
        (LabelAccuracy(), {"conditional": False}, NO_LABELS),
        (Memorization(), {"held_out": None}, NO_HELD_OUT),
        (ClassificationAccuracyScore(), {"conditional": False}, NO_LABELS),
        (ClassificationAccuracyScore(), {"held_out": None}, NO_HELD_OUT),
        (DiscriminatorOverfitting(), {"held_out": None}, NO_HELD_OUT),
        (DiscriminatorOverfitting(), {"samples": None}, NO_GENERATOR),
        (DiscriminatorOverfitting(), {"probe": None}, NO_DISCRIMINATOR),
        (ClassHeadAccuracy(), {"held_out": None}, NO_HELD_OUT),
        (ClassHeadAccuracy(), {"probe": Answers({})}, NO_CLASS_HEAD),
        (ClassHeadAccuracy(), {"no_class_head": "nothing trains it"}, "nothing trains it"),
        (ClassHeadAccuracy(), {"samples": None}, ""),
    ],
)
def test_a_metric_that_lacks_something_names_it(metric: Metric, lacking: dict[str, Any], reason: str) -> None:
    full: dict[str, Any] = {"samples": SOME, "reference": SOME, "held_out": SOME, "probe": HEAD}
    assert metric.not_applicable(inputs(**full)) == ""
    assert metric.not_applicable(inputs(**(full | lacking))) == reason


def test_an_extractor_without_logits_has_no_inception_score() -> None:
    some = points(normal(5, 2))
    assert InceptionScore().not_applicable(inputs(some, some))


def test_classification_accuracy_trains_on_the_samples_and_the_labels_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    some = points(normal(4, 2), predicted=[0, 0, 0, 0], labels=[0, 1, 0, 1], num_classes=2)
    pixels, held_out = torch.zeros(4, 1, 8, 8, dtype=torch.uint8), TensorImageSet(squares(0.5), torch.zeros(1).long())
    asked: list[Any] = []

    def fit(*arguments: Any) -> float:
        asked.extend(arguments)
        return 0.75

    monkeypatch.setattr(classification_accuracy, "fit_classifier", fit)
    given = inputs(some, some, held_out_images=held_out, pixels=pixels, seed=9)
    assert ClassificationAccuracyScore().compute(given) == {"classification_accuracy": 0.75}
    assert asked[1].images is pixels
    assert asked[1].labels.tolist() == [0, 1, 0, 1]
    assert asked[2:] == [held_out, 9]


def test_seeds_are_joined_by_students_t() -> None:
    def results(number: float | None) -> Results:
        return Results(
            {"fid/toy": MetricValue("fid/toy", number, MetricSpec("fid"), {"version": 1}, by_seed=(number,))}
        )

    evaluations = [results(1.0), results(2.0), results(3.0)]
    found = summarize(evaluations)["fid/toy"]
    half = 4.302653 / math.sqrt(3)  # t of 2 degrees of freedom at 97.5%, and the standard error of 1, 2, 3
    assert found.interval == pytest.approx([2 - half, 2 + half], rel=1e-6)
    assert (found.value, found.by_seed) == (2, (1, 2, 3))
    assert summarize(evaluations[:1])["fid/toy"].interval is None
    assert summarize([results(2.0), results(2.0)])["fid/toy"].interval == (2, 2)
    undefined = summarize([*evaluations, results(None)])["fid/toy"]
    assert (undefined.value, undefined.interval, undefined.by_seed) == (None, None, (1, 2, 3, None))


def test_precision_and_density_do_not_depend_on_where_the_origin_is() -> None:
    near = inputs(points(normal(100, 8)), points(normal(100, 8, seed=1)))
    far = inputs(points(normal(100, 8) + 4096), points(normal(100, 8, seed=1) + 4096))
    for metric in (PrecisionRecall(), DensityCoverage()):
        assert metric.compute(far) == pytest.approx(metric.compute(near), abs=0.02)
