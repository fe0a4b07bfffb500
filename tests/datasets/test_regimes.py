"""Regimes: which images are trained on, which are judged by, and what is refused."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from launching import composed
from torch import Tensor

from gan_experiments.config.checks import training_facts
from gan_experiments.config.compose import prepare
from gan_experiments.config.instantiate import instantiate
from gan_experiments.datasets.base import TensorImageSet
from gan_experiments.datasets.loader import fingerprint, read_all
from gan_experiments.datasets.regimes.base import FitContext, Regime, fit_and_apply, reference
from gan_experiments.datasets.regimes.classes import Classes, find_class
from gan_experiments.datasets.regimes.first_n import FirstN
from gan_experiments.datasets.regimes.first_n_per_class import FirstNPerClass
from gan_experiments.datasets.regimes.label_noise import LabelNoise
from gan_experiments.datasets.regimes.noise import Kind, Noise
from gan_experiments.types import ImageSet, TrainingFacts, UserError

NAMES = ["cat", "dog", "2"]
FACTS = TrainingFacts(num_images=12, num_classes=3, image_size=4)
UNLABELLED = TrainingFacts(num_images=12, num_classes=0, image_size=4)
LABELS = torch.tensor([0, 0, 1, 0, 2, 1, 0, 0, 1, 2, 0, 1])  # six, four and two


def numbered() -> TensorImageSet:
    """Image i is grey i throughout."""
    pixels = torch.arange(len(LABELS), dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 4, 4).contiguous()
    return TensorImageSet(pixels, LABELS.clone())


def described(*regimes: Regime, facts: TrainingFacts = FACTS) -> TrainingFacts:
    for regime in regimes:
        facts = regime.describe(facts)
    return facts


def applied(*regimes: Regime, images: ImageSet | None = None) -> ImageSet:
    """Return the images trained on; these regimes train no network."""
    context = FitContext(NotImplemented, NotImplemented, NotImplemented)
    named = {str(number): regime for number, regime in enumerate(regimes)}
    return fit_and_apply(named, images or numbered(), context)[0]


def which(*regimes: Regime) -> list[int]:
    """Return the numbers of the images trained on."""
    return [int(image[0, 0, 0]) for image in read_all(applied(*regimes))]


def grey(level: int, count: int = 4, side: int = 64, channels: int = 1) -> TensorImageSet:
    pixels = torch.full((count, channels, side, side), level, dtype=torch.uint8)
    return TensorImageSet(pixels, torch.arange(count) % 2)


def copies(noise: Noise, image_set: TensorImageSet) -> Tensor:
    """Return the noisy copies alone, as shares of white."""
    return read_all(noise.apply(image_set))[len(image_set) :].double() / 255


def test_the_first_images_of_each_class_in_the_old_order() -> None:
    assert which(FirstNPerClass(2)) == [0, 1, 2, 4, 5, 9]
    assert which(FirstNPerClass(1)) == [0, 2, 4]
    assert described(FirstNPerClass(2)).num_images == 6


def test_classes_keep_their_numbers() -> None:
    kept = Classes(["2", "dog"], NAMES).apply(numbered())

    assert kept.labels.tolist() == [1, 2, 1, 1, 2, 1]
    assert [int(image[0, 0, 0]) for image in read_all(kept)] == [2, 4, 5, 8, 9, 11]


@pytest.mark.parametrize(
    ("given", "numbers"),
    [("dog", [1]), (1, [1]), ([1, "dog", 0], [0, 1]), (2, [2]), (["cat", "dog", "2"], [0, 1, 2])],
)
def test_classes_by_name_or_number(given: Any, numbers: list[int]) -> None:
    assert Classes(given, NAMES).numbers() == numbers


def test_a_name_that_is_a_number_is_a_name() -> None:
    """The command line gives the folder called 1, the first of 1, 2 and 3, as a number."""
    assert Classes([1, 3], ["1", "2", "3"]).numbers() == [0, 2]


def test_only_classes_change_what_samples_are_judged_by() -> None:
    images = numbered()
    same: list[Regime] = [FirstN(3), FirstNPerClass(1), Noise(["gaussian"]), LabelNoise(0.5)]

    assert reference(dict(zip("abcd", same, strict=True)), images) is images
    assert reference({}, images) is images
    assert Classes("dog", NAMES).reference(images).labels.tolist() == [1, 1, 1, 1]
    regimes = {"few": FirstN(3), "classes": Classes(0, NAMES), "noise": Noise(["poisson"])}
    assert len(reference(regimes, images)) == 6  # all cats, not those among the first three
    assert len(applied(*regimes.values())) == 4


def test_no_regime_leaves_the_images_themselves() -> None:
    assert applied(images=(images := numbered())) is images


def test_each_regime_works_on_what_the_one_before_leaves() -> None:
    classes, few = Classes(["dog", "2"], NAMES), FirstN(3)

    assert which(classes, few) == [2, 4, 5]
    assert which(few, classes) == [2]
    assert which(classes, FirstNPerClass(1)) == [2, 4]
    assert described(few, Noise(["gaussian", "poisson"])).num_images == 9
    # The other classes need not be among the images.
    assert described(FirstN(1), Classes("cat", NAMES)) == TrainingFacts(num_images=1, num_classes=1, image_size=4)


def test_the_case_of_a_name_matters_where_another_is_spelt_so_only() -> None:
    assert find_class("Dog", NAMES) == find_class("dog", NAMES) == 1
    assert find_class("Dog", ["dog", "Dog"]) == 1
    assert find_class("DOG", ["dog", "Dog"]) is None
    assert Classes(["Cat", "DOG"], NAMES).numbers() == [0, 1]


def test_wrong_labels_have_an_effect_where_a_later_regime_chooses_by_them() -> None:
    wrong, few, each = LabelNoise(0.5), FirstN(3), FirstNPerClass(1)

    assert described(wrong).wrong_labels
    assert described(few, wrong, Noise("gaussian")).wrong_labels
    assert not described(wrong, each).wrong_labels
    assert not described(wrong, Classes("dog", NAMES)).wrong_labels
    assert described(wrong, each, wrong).wrong_labels
    assert not described(few, Noise("gaussian")).wrong_labels


def test_one_kind_of_noise_is_a_list_of_one() -> None:
    images = grey(100, side=8)
    assert torch.equal(read_all(Noise("poisson").apply(images)), read_all(Noise(["poisson"]).apply(images)))
    assert described(Noise("poisson")).num_images == 24


def test_report_d_trains_on_20000_images() -> None:
    config = prepare(composed("dataset=mnist", "regime=[first_n,noise]")[0])[0]
    assert training_facts(config, instantiate(config.regime, "regime")).num_images == 20_000

    images = TensorImageSet(torch.zeros(6000, 1, 28, 28, dtype=torch.uint8), torch.zeros(6000).long())
    trained_on = applied(*instantiate(config.regime, "regime").values(), images=images)
    assert len(trained_on) == 20_000
    assert trained_on.labels.shape == (20_000,)


def test_the_images_themselves_come_first_and_stay() -> None:
    images = numbered()
    noisy = Noise(["gaussian", "poisson"]).apply(images)

    assert torch.equal(read_all(noisy)[:12], images.images)
    assert torch.equal(noisy.labels, LABELS.repeat(3))


@pytest.mark.parametrize(
    ("kind", "level", "mean", "deviation"),
    [
        ("gaussian", 128, 128 / 255, 0.1),
        ("salt_and_pepper", 128, 128 / 255, (0.2 / 4) ** 0.5),  # a fifth of the pixels, each half of white away
        ("poisson", 64, 64 / 255, (64 / 255 / 100) ** 0.5),  # variance: the mean over the peak
    ],
)
def test_noise_is_as_strong_as_asked(kind: Kind, level: int, mean: float, deviation: float) -> None:
    noise = Noise([kind], gaussian_deviation=0.1, salt_and_pepper_share=0.2, poisson_peak=100)
    values = copies(noise, grey(level))  # 16,384 pixels

    assert values.mean() == pytest.approx(mean, abs=4 * deviation / 128)
    assert values.std() == pytest.approx(deviation, rel=0.04)


def test_salt_and_pepper_are_white_and_black_in_all_channels() -> None:
    values = copies(Noise(["salt_and_pepper"], salt_and_pepper_share=0.2), grey(128, channels=3))

    for level in (0, 1):
        assert (values == level).double().mean() == pytest.approx(0.1, abs=0.01)
    assert torch.equal(values[:, 0], values[:, 2])


def test_the_same_seed_gives_the_same_images_however_they_are_read() -> None:
    def noisy(seed: int) -> Any:
        return Noise(["gaussian", "gaussian"], seed=seed).apply(grey(100, count=6, side=8))

    before = torch.get_rng_state()
    whole = read_all(noisy(0))
    assert torch.equal(torch.get_rng_state(), before)
    backwards = torch.arange(17, -1, -1)
    assert torch.equal(torch.cat([noisy(0).read(part) for part in torch.split(backwards, 5)]), whole[backwards])
    assert fingerprint(noisy(0)) == fingerprint(noisy(0)) != fingerprint(noisy(1))
    assert len({image.numpy().tobytes() for image in whole[6:]}) == 12  # no two copies are alike


def test_a_share_of_the_labels_becomes_any_of_the_others() -> None:
    labels = torch.arange(3000) % 3
    images = TensorImageSet(torch.zeros(3000, 1, 2, 2, dtype=torch.uint8), labels.clone())
    given = LabelNoise(0.4).apply(images).labels

    assert int((given != labels).sum()) == 1200
    moves = torch.bincount((given - labels)[given != labels] % 3, minlength=3).tolist()
    assert moves[0] == 0
    assert moves[1] == pytest.approx(600, abs=70)
    assert torch.equal(images.labels, labels)
    assert torch.equal(LabelNoise(0.4).apply(images).labels, given)
    assert not torch.equal(LabelNoise(0.4, seed=1).apply(images).labels, given)


def test_a_wrong_label_is_one_that_the_images_have() -> None:
    given = applied(Classes([0, 2], NAMES), LabelNoise(1.0)).labels

    assert given.tolist() == [2, 2, 2, 0, 2, 2, 0, 2]


@pytest.mark.parametrize(
    ("regime", "facts", "message"),
    [
        (Classes("bird", NAMES), FACTS, r"no class 'bird'. Write a name or a number of these: 0 cat, 1 dog, 2\."),
        (Classes(3, NAMES), FACTS, "no class 3"),
        (Classes(-1, NAMES), FACTS, "no class -1"),
        (Classes(0, []), UNLABELLED, "needs labels"),
        (FirstN(13), FACTS, r"regime.first_n.num_images=13, but there are 12 training images"),
        (FirstNPerClass(13), FACTS, r"regime.first_n_per_class.num_per_class=13, but there are 12"),
        (FirstNPerClass(1), UNLABELLED, "needs labels"),
        (LabelNoise(0.1), UNLABELLED, "needs two classes"),
        (FirstN(3), replace(FACTS, num_images=2), r"regime.first_n.num_images=3, but there are 2 "),
        (LabelNoise(0.1), replace(FACTS, num_classes=1), "needs two classes, and there are 1"),
    ],
    ids=lambda value: "",
)
def test_what_is_refused_by_the_facts_alone(regime: Regime, facts: TrainingFacts, message: str) -> None:
    with pytest.raises(UserError, match=message):
        regime.describe(facts)


@pytest.mark.parametrize(
    ("regimes", "message"),
    [
        ([FirstNPerClass(3)], r"class number 2 has 2 training images: write at most 2"),
        ([Classes(1, NAMES), FirstN(5)], r"regime.first_n.num_images=5, but there are 4"),
        ([FirstN(2), LabelNoise(0.5)], "of one class"),
        ([Classes(1, NAMES), Classes(2, NAMES)], "no training image is of these classes"),
    ],
    ids=lambda value: "",
)
def test_what_is_refused_once_the_labels_are_known(regimes: list[Regime], message: str) -> None:
    described(*regimes)
    with pytest.raises(UserError, match=message):
        applied(*regimes)
