"""Every yaml under conf/ composes; every experiment fits together and trains; facts flow by interpolation."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from launching import composed, launch, planned
from omegaconf import DictConfig, OmegaConf
from PIL import Image

from gan_experiments.config.compose import prepare, without_declared_facts
from gan_experiments.config.instantiate import check_arguments
from gan_experiments.config.suggestions import CONFIG_DIR

FILES = sorted(path.relative_to(CONFIG_DIR) for path in CONFIG_DIR.rglob("*.yaml"))
OPTIONS = [path.with_suffix("") for path in FILES if path != Path("config.yaml")]
EXPERIMENTS = [option.name for option in OPTIONS if option.parent == Path("experiment")]
DATASETS = [option.name for option in OPTIONS if option.parent == Path("dataset")]
FACTS = [
    *("dataset.image_size=8", "dataset.channels=1", "dataset.num_classes=2", "dataset.class_names=[a,b]"),
    *("dataset.num_train=100", "dataset.num_test=10"),
]
BESIDE = {
    "dataset/source/torchvision": ["dataset=mnist"],
    "dataset/npz": FACTS,
    "dataset/image_folder": FACTS,
    "experiment/images512": FACTS[2:],
    "experiment/own_images": [*FACTS[2:], "dataset.num_train=200"],
    "task/classifier": ["model=dcgan_class_head", "evaluation=class_head"],
    "model/report_a_fmnist": ["dataset=fmnist"],
    "model/report_a_cifar": ["dataset=cifar10"],
    "model/report_b": ["dataset=cifar10"],
    "model/report_c_dense": ["dataset=fmnist"],
    "model/report_c_conv": ["dataset=fmnist"],
    "model/report_e": ["dataset=fmnist"],
    "regime/first_n": ["dataset=fmnist"],
    "regime/classes": ["regime.classes.keep=3"],
}
"""What some options need beside them: facts that are otherwise read from the user's files, images that fit."""
TWENTY = ["dataset.num_train=15", "dataset.num_test=5", "dataset.source.source.num_train=20"]
TWENTY += ["dataset.source.source.num_test=20"]
FEWER = {"mnist_full": TWENTY, "mnist_5000": [*TWENTY, "regime.first_n.num_images=10"]}
for copies in ("noise", *(f"autoencoder_{layers}layer" for layers in (1, 2, 3))):
    FEWER[f"mnist_5000_{copies}"] = FEWER["mnist_5000"]
"""What makes some experiments run on the few images that are written here."""
SMALL = 20_000_000  # parameters: a larger pair makes its two steps in a slow test of its own
LARGE = {"images512"}


def override(option: Path) -> str:
    """Name an option as the command line does; groups outside the defaults list are added."""
    added = option.parent.as_posix() in ("dataset/source", "experiment", "loss/term", "sweep")
    return f"{'+' if added else ''}{option.parent.as_posix()}={option.name}"


def built_on_another(experiment: str) -> bool:
    """Return whether an experiment changes a thing or two in another: such networks are trained by that one's test."""
    first = OmegaConf.load(CONFIG_DIR / "experiment" / f"{experiment}.yaml").defaults[0]
    return first in EXPERIMENTS


def experiment_config(experiment: str) -> DictConfig:
    beside = BESIDE.get(f"experiment/{experiment}", [])
    return planned(Path("unused"), f"+experiment={experiment}", *beside).config


def write_npz(directory: Path, dataset: DictConfig, count: int = 20) -> None:
    """Write random images in MedMNIST's layout, of the sizes, channels and classes that a dataset's yaml states."""
    generator = np.random.default_rng(0)
    colour = [3] if dataset.channels == 3 else []
    arrays: dict[str, Any] = {}
    for split in ("train", "test"):
        shape = [count, dataset.image_size, dataset.image_size, *colour]
        arrays[f"{split}_images"] = generator.integers(0, 256, shape, dtype=np.uint8)
        arrays[f"{split}_labels"] = np.arange(count) % max(dataset.num_classes, 1)
    directory.mkdir()
    np.savez(directory / f"{dataset.name}.npz", **arrays)


def write_folder(directory: Path, dataset: DictConfig, count: int = 20) -> None:
    """Write random PNGs of the size and channels that a dataset's yaml asks for, without classes."""
    directory.mkdir()
    generator = np.random.default_rng(0)
    shape = [dataset.image_size, dataset.image_size, *([3] if dataset.channels == 3 else [])]
    for number in range(count):
        Image.fromarray(generator.integers(0, 256, shape, dtype=np.uint8)).save(directory / f"{number}.png")


def test_the_files_are_found() -> None:
    assert len(FILES) > 50
    assert {"digits_acgan", "fmnist_acgan"} <= set(EXPERIMENTS)


@pytest.mark.parametrize("option", [option for option in OPTIONS if option.parent != Path("experiment")], ids=str)
def test_every_option_composes_alone_with_arguments_that_its_parts_take(option: Path) -> None:
    group = option.parent.as_posix()
    overrides = [override(option), *BESIDE.get(option.as_posix(), [])]
    if group == "model":
        overrides.append("loss=non_saturating")  # the default one needs a class head

    cfg, choices = composed(*overrides)

    if group != "loss/term":
        assert choices[group] == option.name
    check_arguments(without_declared_facts(prepare(cfg)[0]))


@pytest.mark.parametrize("file", FILES, ids=str)
def test_every_file_begins_by_saying_where_its_numbers_come_from(file: Path) -> None:
    lines = (CONFIG_DIR / file).read_text(encoding="utf-8").splitlines()
    first = lines[1] if lines[0].startswith("# @package") else lines[0]

    assert first.startswith("# ")
    assert len(first.split()) > 2


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_an_experiment_has_at_most_25_lines_and_belongs_at_the_root(experiment: str) -> None:
    lines = (CONFIG_DIR / "experiment" / f"{experiment}.yaml").read_text(encoding="utf-8").splitlines()

    assert len(lines) <= 25
    assert lines[0] == "# @package _global_"


def test_the_primary_config_overrides_nothing() -> None:
    """An `override` entry there would silently defeat an experiment's."""
    defaults = OmegaConf.load(CONFIG_DIR / "config.yaml").defaults
    assert not [entry for entry in defaults if not isinstance(entry, str) and "override" in " ".join(entry)]


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_the_networks_of_an_experiment_are_what_its_yaml_declares(experiment: str) -> None:
    from gan_experiments.build import build_module

    config = experiment_config(experiment)
    check_arguments(without_declared_facts(config))
    module, tables = build_module(
        config
    )  # runs both networks on the meta device and compares them with the declared facts

    networks = [module.get_submodule(name) for name in module.networks]
    count = sum(weight.numel() for network in networks for weight in network.parameters())
    assert (count >= SMALL) == (experiment in LARGE)
    shape = [config.dataset.channels, config.dataset.image_size, config.dataset.image_size]
    if "generator" in tables:
        assert tables["generator"][-1].output_shape == shape


@pytest.mark.parametrize(
    "experiment",
    [
        pytest.param(name, marks=pytest.mark.slow) if built_on_another(name) else name
        for name in EXPERIMENTS
        if name not in LARGE
    ],
)
def test_an_experiment_makes_two_steps(experiment: str, tmp_path: Path) -> None:
    overrides = [
        f"+experiment={experiment}",
        "batch_size=2",
        "sample_every_kimg=null",
        "trainer=cpu",
        "evaluation=none",
    ]
    composition = composed(*overrides)[0]
    dataset, alone = composition.dataset, "unused" in composition.task
    if dataset.name == "image_folder":
        write_folder(tmp_path / "images", dataset)
        overrides.append(f"dataset.path={tmp_path / 'images'}")
    elif dataset.name != "digits":
        write_npz(tmp_path / "data", dataset, count := max(dataset.num_classes, 20))
        overrides += [f"data_dir={tmp_path / 'data'}", f"dataset.num_train={count}", f"dataset.num_test={count}"]

    overrides += [f"cache_dir={tmp_path / 'cache'}", *FEWER.get(experiment, [])]
    # Two steps of the generator where there is one, however many of the discriminator its schedule has for each.
    steps, unit = ("discriminator_steps", "kimg=0.004") if alone else ("generator_steps", "generator_steps=2")
    results = launch(tmp_path / "run", *overrides, f"budget.{unit}")

    assert results[steps] == 2
    losses = [value for key, value in results.items() if key.endswith("/loss")]
    assert losses
    assert all(map(math.isfinite, losses))


@pytest.mark.slow
def test_the_512_pixel_pair_makes_two_steps_at_full_width_and_a_grid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gan_experiments.callbacks.checkpoints import Checkpoints

    monkeypatch.setattr(Checkpoints, "write", lambda *arguments: None)  # each is a file of more than 2 GB
    overrides = ["+experiment=images512", "sample_every_kimg=null", "trainer=cpu", "alarms=none", "report=false"]
    write_folder(tmp_path / "images", composed(*overrides)[0].dataset)
    overrides += [f"dataset.path={tmp_path / 'images'}", "budget.epochs=null", "budget.generator_steps=2"]

    results = launch(tmp_path / "run", *overrides)

    assert results["generator_steps"] == 2
    assert all(math.isfinite(value) for key, value in results.items() if key.endswith("/loss"))
    with Image.open(next((tmp_path / "run" / "samples").glob("kimg_*.png"))) as grid:
        assert grid.size == (4 * 514 + 2, 4 * 514 + 2)
    assert not (tmp_path / "run" / "checkpoints").exists()


@pytest.mark.parametrize("dataset", [name for name in DATASETS if name not in ("npz", "image_folder")])
def test_another_dataset_changes_channels_size_and_classes_wherever_they_are_used(dataset: str) -> None:
    config = planned(Path("unused"), f"dataset={dataset}").config
    facts, model = config.dataset, config.model

    assert (model.generator.image_size, model.generator.channels) == (facts.image_size, facts.channels)
    assert (model.discriminator.image_size, model.discriminator.channels) == (facts.image_size, facts.channels)
    assert model.generator.condition.num_classes == model.discriminator.num_classes == facts.num_classes
    assert config.loss.auxiliary_class.num_classes == facts.num_classes == len(facts.class_names)


def test_the_facts_of_the_users_file_are_filled_in_from_its_headers(tmp_path: Path) -> None:
    dataset = OmegaConf.create({"name": "mine", "image_size": 16, "channels": 3, "num_classes": 4})
    write_npz(tmp_path / "data", dataset, 12)

    config = planned(tmp_path / "run", "dataset=npz", f"dataset.path={tmp_path / 'data' / 'mine.npz'}", "batch_size=4")
    facts = config.config.dataset

    assert (facts.image_size, facts.channels, facts.num_classes, facts.num_train) == (16, 3, 4, 12)
    assert config.config.model.generator.channels == 3


def test_a_value_on_the_command_line_wins_over_the_experiment() -> None:
    cfg, choices = composed("+experiment=fmnist_acgan", "loss=hinge", "model=dcgan", "batch_size=7")

    assert choices["loss"] == "hinge"
    assert choices["experiment"] == "fmnist_acgan"
    assert list(cfg.loss) == ["hinge"]
    assert cfg.batch_size == 7


def test_a_relative_path_is_kept_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or a run could not go on from another directory."""
    monkeypatch.chdir(tmp_path)
    config = planned(tmp_path, "dataset=npz", "dataset.path=mine.npz", *FACTS, "data_dir=data").config

    assert config.dataset.path == config.dataset.source.path == str(tmp_path / "mine.npz")
    assert config.data_dir == str(tmp_path / "data")
    assert config.code_dirs == [str(tmp_path)]


@pytest.mark.parametrize("unit", ["kimg", "generator_steps"])
def test_the_unit_of_the_budget_that_is_given_takes_the_place_of_the_yamls(unit: str, tmp_path: Path) -> None:
    budget = planned(tmp_path / "run", "+experiment=fmnist_acgan", f"budget.{unit}=5").config.budget

    assert {name: value for name, value in budget.items() if value is not None} == {unit: 5}


def test_a_choice_of_several_options_of_a_group_is_a_choice() -> None:
    _, choices = composed("augment=[flip,crop]", "logger=[csv,tensorboard]", "dataset=fmnist", "model=dcgan")

    assert (choices["augment"], choices["logger"]) == ("flip+crop", "tensorboard")
    assert choices["loss"] == "acgan_real"
