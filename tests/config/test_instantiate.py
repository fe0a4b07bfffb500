"""Parts named by `_target_`: their arguments' types, and where parts of older configs are now."""

import re
import sys
from types import ModuleType

import pytest
from hydra.utils import get_object
from omegaconf import OmegaConf

from gan_experiments.config.checks import check_needs
from gan_experiments.config.compose import compose
from gan_experiments.config.instantiate import _arguments, check_arguments, moved, type_hints
from gan_experiments.config.suggestions import CONFIG_DIR
from gan_experiments.types import UserError

TARGETS = sorted({
    target for path in CONFIG_DIR.rglob("*.yaml") for target in re.findall(r"_target_: ([\w.]+)", path.read_text())
})  # fmt: skip
FORMER = [
    "callbacks.alarms.dead_generator.DeadGenerator", "callbacks.alarms.divergence.Divergence",
    "callbacks.alarms.mode_collapse.ModeCollapse", "callbacks.alarms.mutual_defeat.MutualDefeat",
    "callbacks.alarms.overpowering_discriminator.OverpoweringDiscriminator",
    "data.augment.ColorJitter", "data.digits.DigitsSource", "data.held_out.FirstHeldOut",
    "data.image_folder.ImageFolderSource", "data.npz.NpzSource", "data.regimes.autoencoder.Autoencoder",
    "data.regimes.classes.Classes", "data.regimes.first_n.FirstN",
    "data.regimes.first_n_per_class.FirstNPerClass", "data.regimes.label_noise.LabelNoise",
    "data.regimes.noise.Noise", "data.torchvision_source.TorchvisionSource",
    "evaluation.extractors.classifier.ClassifierExtractor",
    "evaluation.extractors.inception.InceptionExtractor", "evaluation.metrics.center_patch.CenterPatch",
    "evaluation.metrics.class_balance.ClassBalance", "evaluation.metrics.class_fid.ClassFrechetDistance",
    "evaluation.metrics.class_head_accuracy.ClassHeadAccuracy",
    "evaluation.metrics.classification_accuracy.ClassificationAccuracyScore",
    "evaluation.metrics.density_coverage.DensityCoverage",
    "evaluation.metrics.discriminator_overfitting.DiscriminatorOverfitting",
    "evaluation.metrics.diversity.FeatureDiversity", "evaluation.metrics.fid.FrechetDistance",
    "evaluation.metrics.inception_score.InceptionScore", "evaluation.metrics.kid.KernelDistance",
    "evaluation.metrics.label_accuracy.LabelAccuracy", "evaluation.metrics.memorization.Memorization",
    "evaluation.metrics.precision_recall.PrecisionRecall", "evaluation.metrics.recognition.Recognition",
    "models.keras.GlorotUniform", "schedules.alternate_epochs.AlternateEpochs",
    "schedules.loss_threshold.LossThreshold", "schedules.ratio.Ratio",
    "tracking.tensorboard.TensorBoardTracker", "tracking.wandb.WandbTracker",
    "training.classifier.Classifier", "training.gan.GAN", "training.learning_rate.Constant",
]  # fmt: skip
"""A part of each module that a config of the first versions may name."""


@pytest.mark.parametrize("target", TARGETS)
def test_the_type_of_each_argument_of_a_shipped_part_is_known(target: str) -> None:
    """Else its values would go unchecked, and nobody would notice."""
    part = get_object(target)
    hints, _ = type_hints(part)
    assert set(_arguments(part)[0]) <= set(hints)


def test_types_are_resolved_where_each_class_is_defined(monkeypatch: pytest.MonkeyPatch) -> None:
    """`Positive` is known in the module of the base class alone, and `Tensor` to type checkers alone."""
    base, derived = ModuleType("mine_base"), ModuleType("mine_derived")
    for module in (base, derived):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(
        "from __future__ import annotations\nfrom dataclasses import dataclass\nfrom pydantic import PositiveInt as "
        "Positive\n@dataclass\nclass Base:\n    width: Positive",
        base.__dict__,
    )
    exec(
        "from __future__ import annotations\nfrom dataclasses import dataclass\nfrom mine_base import Base\n"
        "@dataclass\nclass Mine(Base):\n    depth: int = 1\n    weights: Tensor | None = None",
        derived.__dict__,
    )
    hints, unresolved = type_hints(derived.__dict__["Mine"])

    assert (set(hints), unresolved) == ({"width", "depth"}, ["weights"])
    for argument, value in (("width", 0), ("depth", "a")):
        node = OmegaConf.create({"mine": {"_target_": "mine_derived.Mine", "width": 3, argument: value}})
        with pytest.raises(UserError, match=f"mine.{argument}={value!r} has a wrong type or value"):
            check_arguments(node)


@pytest.mark.parametrize("former", FORMER)
def test_a_part_of_a_former_module_is_answered_with_where_it_is_now(former: str) -> None:
    new = moved(f"gan_experiments.{former}")
    assert get_object(new).__name__ == former.rpartition(".")[2]
    with pytest.raises(UserError, match=f"augment.mine._target_: gan_experiments.{former} has moved: write {new}."):
        check_arguments(OmegaConf.create({"augment": {"mine": {"_target_": f"gan_experiments.{former}"}}}))


@pytest.mark.parametrize(
    "other", ["gan_experiments.data.nothing.At", "gan_experiments.models.dcgan.Net", "data.npz.Mine"]
)
def test_nothing_else_has_moved(other: str) -> None:
    assert moved(other) == ""


def test_a_config_is_composed_from_python() -> None:
    config = compose("fmnist_acgan", "budget.kimg=60").config

    assert (config.dataset.name, config.budget.kimg, config.budget.epochs) == ("fmnist", 60, None)
    assert config.model.generator.image_size == 28
    assert compose().config.dataset.name == "digits"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["fmnist_acgn"], "there is no experiment=fmnist_acgn; did you mean 'fmnist_acgan'"),
        (["digits_acgan", "sed=3"], "unknown key 'sed'; did you mean 'seed'"),
        (["model=dcgan"], "loss.auxiliary_class needs model.class_head"),
    ],
)
def test_a_mistake_from_python_is_a_user_error(words: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        compose(*words)


def test_what_a_term_of_ones_own_needs_is_known_once_its_class_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("mine_loss")
    module.__dict__["Mine"] = type("Mine", (), {"needs": ("class_head",)})
    config = compose("loss=hinge", "model=dcgan").config
    config.loss = {"mine": {"_target_": "mine_loss.Mine"}}
    check_needs(config)
    monkeypatch.setitem(sys.modules, "mine_loss", module)

    with pytest.raises(UserError, match=r"loss.mine needs model.class_head"):
        check_needs(config)
