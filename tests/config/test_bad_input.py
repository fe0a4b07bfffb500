"""A mistake of the user ends with a message that names the key and the remedy, and leaves nothing behind."""

import errno
import json
import os
import re
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pytest
from launching import TINY, command, launch, planned
from omegaconf import OmegaConf
from PIL import Image
from pydantic import Field

from gan_experiments.__main__ import _report
from gan_experiments.config.errors import COMPOSITION_ERRORS, explain
from gan_experiments.config.instantiate import check_type
from gan_experiments.runs.run import Run
from gan_experiments.types import UserError

LIMIT_SECONDS = 4.0
"""Of the processor, for what composition tells: about 1 s on an idle machine, more where its cores are shared."""


def processor_seconds() -> float:
    """Return what the ended children of this process have used, however busy the machine is."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def message(directory: Path, *overrides: str, to_the_end: bool = False) -> str:
    """Return what the user reads; the launch is planned, or tried as a whole."""
    try:
        (launch if to_the_end else planned)(directory, *overrides)
    except COMPOSITION_ERRORS as error:
        return explain(error, overrides)
    except UserError as error:
        return str(error)
    raise AssertionError("the mistake was accepted")


def assert_says(text: str, *parts: str) -> None:
    for part in parts:
        assert part in text
    assert "Traceback" not in text
    assert "hydra.cc" not in text


AT_ONCE = {
    "root key": (["sed=3"], ["unknown key 'sed'", "did you mean 'seed'"]),
    "added root key": (["+sed=3"], ["unknown key 'sed'", "did you mean 'seed'"]),
    "root key taken out": (["~seed"], ["seed is missing"]),
    "budget key": (["budget.epoch=3"], ["unknown key 'budget.epoch'", "did you mean 'epochs'"]),
    "added budget key": (["+budget.epoch=3"], ["unknown key 'budget.epoch'", "did you mean 'epochs'"]),
    "component key": (["model.generator.widhts=[8]"], ["unknown key 'model.generator.widhts'", "mean 'widths'"]),
    "component key of another group": (
        ["model=dcgan_concat", "loss=hinge", "optimizer.generator.lrr=1"],
        ["unknown key 'optimizer.generator.lrr'", "mean 'lr'"],
    ),
    "key that a part takes": (["optimizer.generator.amsgrad=true"], ["a plus: +optimizer.generator.amsgrad=true"]),
    "key of another option": (
        ["regime.num_images=3"],
        ["unknown key 'regime.num_images': write regime=first_n regime.first_n.num_images=3"],
    ),
    "added key of another option": (
        ["+regime.num_images=3"],
        ["regime.num_images is no part: write regime=first_n regime.first_n.num_images=3"],
    ),
    "key of other options": (
        ["schedule=alternate_epochs", "optimizer.learning_rate.end_kimg=3"],
        ["write optimizer/learning_rate=NAME optimizer.learning_rate.end_kimg=3", "cosine, linear_decay or warmup"],
    ),
    "near and of another option": (
        ["schedule.generator_above=1"],
        ["mean 'generator'", "Or else: write schedule=loss_threshold schedule.generator_above=1"],
    ),
    "key of a term": (["loss.r1.weight=3"], ["unknown key 'loss.r1': write +loss/term=r1 loss.r1.weight=3"]),
    "key of a regime": (
        ["regime=[first_n,noise]", "regime.num_images=3"],
        ["unknown key 'regime.num_images': write regime.first_n.num_images=3"],
    ),
    "key of parts below": (["optimizer.lr=1"], ["optimizer.discriminator.lr=1 or optimizer.generator.lr=1"]),
    "key that others copy": (["latent_dim=3"], ["unknown key 'latent_dim': write model.latent_dim=3"]),
    "value of a regime": (
        ["regime=classes", "regime.classes=3"],
        ["regime.classes is no part: write regime=classes regime.classes.keep=3"],
    ),
    "value of a regime not chosen": (["regime.classes=3"], ["write regime=classes regime.classes.keep=3"]),
    "former chain of regimes": (["regime=chain"], ["no regime=chain; several regimes", "regime=[classes,first_n]"]),
    "former steps of a chain": (["+regime/step=[noise]"], ["several regimes in order are a list"]),
    "former key of a step": (
        ["regime.steps.first_n.num_images=3"],
        ["write regime=first_n regime.first_n.num_images=3"],
    ),
    "former key of a step that is there": (
        ["regime=[noise,first_n]", "regime.steps.first_n.num_images=3"],
        ["unknown key 'regime.steps': write regime.first_n.num_images=3"],
    ),
    "key that nothing reads": (["+model.latent_dimm=3"], ["model.latent_dimm is read by nothing", "mean 'latent_dim'"]),
    "wrong type": (["seed=abc"], ["seed: Value 'abc'", "Integer", "seed=VALUE"]),
    "fraction": (["batch_size=1.5"], ["batch_size: Value '1.5'", "Integer", "batch_size=VALUE"]),
    "empty": (["seed="], ["seed: Value ''", "seed=VALUE"]),
    "null": (["keep_checkpoints=null"], ["keep_checkpoints", "is not Optional"]),
    "no list": (["tags=abc"], ["tags: ", "str is not a ListConfig", "--cfg job"]),
    "no leaf": (["budget=3"], ["budget: ", "int is not a subclass of Budget", "--cfg job"]),
    "wrong type in a group": (["model.latent_dim=abc"], ["model.latent_dim='abc'", "valid integer"]),
    "quoted number": (['model.latent_dim="100"'], ["model.latent_dim='100'", "valid integer"]),
    "no part": (["model.generator=3"], ["model.generator names no _target_", "model=NAME"]),
    "value range": (["model.value_range=[0,1]"], ["model.output=tanh", "model.value_range=[-1, 1]"]),
    "no class head": (["model=dcgan"], ["loss.auxiliary_class needs model.class_head", "model=dcgan_class_head"]),
    "batch": (["batch_size=10000"], ["batch_size=10000", "1500 training images", "batch_size=1500 or less"]),
    "no batch": (["batch_size=0"], ["batch_size=0", "greater than 0"]),
    "option": (["model=dcgn"], ["there is no model=dcgn", "did you mean 'dcgan'"]),
    "experiment": (["+experiment=fmnist_acgn"], ["there is no experiment=fmnist_acgn", "did you mean 'fmnist_acgan'"]),
    "experiment without a plus": (
        ["experiment=cifar10_horse"],
        ["experiment is not", "write +experiment=cifar10_horse"],
    ),
    "terms without a plus": (["loss/term=[r1,r2]"], ["write +loss/term=[r1,r2]"]),
    "misspelt experiment": (["experimant=cifar10_horse"], ["unknown key 'experimant'", "mean 'experiment'"]),
    "empty option": (["loss="], ["there is no loss=", "wgan_gp"]),
    "no option": (["~loss"], ["loss has no value", "loss=VALUE"]),
    "group": (["lss=hinge"], ["unknown key 'lss'", "did you mean 'loss'"]),
    "added group": (["+loss/trm=r1"], ["unknown key 'loss/trm'", "'loss/term'"]),
    "term that is not there": (["+loss.r1.weight=3"], ["loss.r1 names no _target_", "+loss/term=NAME"]),
    "logger that is not there": (["+logger.wandb.group=a"], ["logger.wandb names no _target_", "logger=NAME"]),
    "two budgets": (["budget.kimg=5", "budget.epochs=2"], ["budget.epochs", "budget.epochs=null budget.kimg=500"]),
    "no budget": (["budget.epochs=null"], ["exactly one of budget.epochs, budget.kimg", "got none"]),
    "budget never spent": (
        ["budget.epochs=null", "budget.generator_steps=5", "schedule.generator=0"],
        ["budget.generator_steps", "schedule.generator=0"],
    ),
    "precision": (["trainer.precision=16-mixed"], ["trainer.precision=16-mixed", "bf16-mixed"]),
    "max_epochs": (["+trainer.max_epochs=3"], ["trainer.max_epochs has no place here", "budget.epochs"]),
    "sweep without -m": (["loss=hinge,dragan"], ["loss=hinge,dragan", "--multirun"]),
    "no value": (["seed"], ["seed cannot be read", "key=value"]),
    "special characters": (["resume=/a=b"], ["resume=/a=b cannot be read", "\"resume='/a=b'\""]),
    "no run": (["resume=/nowhere"], ["resume=/nowhere is not a run directory: it does not exist"]),
    "weights of no run": (["init_from=/nowhere"], ["init_from=/nowhere is not a run directory: it does not exist"]),
    "empty run": (["resume="], ["resume= ", "is not a run directory: it holds no manifest.json"]),
    "no file": (["dataset=npz"], ["dataset=npz", "dataset.path=FILE.npz"]),
    "no folder": (["dataset=image_folder", "dataset.path=/nowhere"], ["dataset.path=/nowhere", "does not exist"]),
    "folder's channels": (["dataset=image_folder", "dataset.channels=2"], ["dataset.source.channels=2", "1 or 3"]),
    "folder's size": (["dataset=image_folder", "dataset.image_size=0"], ["dataset.source.image_size=0", "than 0"]),
    "folder's colour": (
        ["dataset=image_folder", "dataset.source.background=[1,2,256]"],
        ["dataset.source.background=[1, 2, 256]", "less than or equal to 255"],
    ),
    "all held out": (
        ["dataset=image_folder", "dataset.source.holdout_fraction=1"],
        ["dataset.source.holdout_fraction=1", "less than 1"],
    ),
}


@pytest.mark.parametrize(("overrides", "parts"), AT_ONCE.values(), ids=AT_ONCE)
def test_a_mistake_that_composition_tells_is_named_with_its_remedy(
    overrides: list[str], parts: list[str], tmp_path: Path
) -> None:
    assert_says(message(tmp_path / "run", *overrides), *parts)
    assert not list(tmp_path.iterdir())


def test_a_plus_is_advised_only_for_what_the_part_takes(tmp_path: Path) -> None:
    for word in ("regime.num_images=3", "dataset.sed=3", "optimizer.generator.lrr=1", "optimizer.generator.sharp=1"):
        assert f"+{word}" not in message(tmp_path, word)


IN_A_FILE = {
    "root key": ("sed: 3", ["unknown key 'sed' (in experiment/mine.yaml)", "did you mean 'seed'"]),
    "type": ("seed: abc", ["seed (in experiment/mine.yaml): Value 'abc'", "seed=VALUE"]),
    "budget": ("budget: {epoch: 3}", ["unknown key 'budget.epoch' (in experiment/mine.yaml)", "mean 'epochs'"]),
    "option": ("defaults: [{override /model: dcgn}]", ["there is no model=dcgn", "did you mean 'dcgan'"]),
    "group": ("defaults: [{override /modl: dcgan}]", ["no group to override", "experiment/mine.yaml", "mean 'model'"]),
    "no yaml": ("seed: [", ["not valid yaml", "mine.yaml"]),
    "key that nothing reads": ("model: {latent_dimm: 3}", ["model.latent_dimm is read by nothing", "'latent_dim'"]),
    "taken for a term": ("loss: {r1: {weight: 3}}", ["loss.r1 names no _target_", "+loss/term=NAME"]),
}


@pytest.mark.parametrize(("content", "parts"), IN_A_FILE.values(), ids=IN_A_FILE)
def test_a_mistake_in_a_yaml_of_the_users_own_is_named_with_its_file(
    content: str, parts: list[str], tmp_path: Path
) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text(f"# @package _global_\n{content}\n")

    text = message(tmp_path / "run", f"hydra.searchpath=[file://{tmp_path}]", "+experiment=mine")

    assert_says(text, *parts)
    assert not (tmp_path / "run").exists()


def test_a_key_of_the_users_own_may_be_read_by_interpolation(tmp_path: Path) -> None:
    launch_ = planned(tmp_path / "run", "+model.width=48", "model.generator.base_width=${model.width}")
    assert launch_.config.model.generator.base_width == 48


def test_near_keys_are_suggested_among_the_users_own_parts_too(tmp_path: Path) -> None:
    (tmp_path / "loss").mkdir()
    (tmp_path / "loss" / "mine.yaml").write_text("mine: {_target_: mine.Mine, sharpness: 2}\n")
    text = message(tmp_path, f"hydra.searchpath=[file://{tmp_path}]", "loss=mine", "loss.mine.sharpnes=3")
    assert_says(text, "unknown key 'loss.mine.sharpnes'", "did you mean 'sharpness'")


WITH_TORCH = {
    "added component key": (["+model.generator.widhts=[8]"], ["model.generator.widhts", "did you mean 'widths'"]),
    "type of an argument": (["optimizer.generator.lr=abc"], ["optimizer.generator.lr='abc'", "valid number"]),
    "value of an argument": (["optimizer.generator.lr=-1"], ["optimizer.generator", "-1"]),
    "no classes to tell": (["model.generator.condition.num_classes=0"], ["condition.num_classes=0", "than 0"]),
    "no channels": (["model.generator.channels=0"], ["model.generator.channels=0", "greater than 0"]),
    "no width": (["model.discriminator.widths=[0]"], ["model.discriminator.widths=[0]", "greater than 0"]),
    "dropout": (["model.discriminator.dropout=1"], ["model.discriminator.dropout=1", "less than 1"]),
    "deviation": (["model.initialization.std=-1"], ["model.initialization.std=-1", "equal to 0"]),
    "interval of a term": (["loss=r1", "loss.r1.every=0"], ["loss.r1.every=0", "greater than 0"]),
    "weight of a term": (["loss.non_saturating.weight=nan"], ["loss.non_saturating.weight=nan", "finite number"]),
    "factor of a term": (["loss.auxiliary_class.fake_weight=inf"], ["auxiliary_class.fake_weight=inf", "finite"]),
    "target": (
        ["loss=non_saturating_smooth", "loss.label_smoothing.real_target=1.1"],
        ["loss.label_smoothing.real_target=1.1", "less than or equal to 1"],
    ),
    "norm": (["loss=wgan_gp", "loss.gradient_penalty.target=-1"], ["gradient_penalty.target=-1", "equal to 0"]),
    "limit": (["loss=wasserstein", "loss.weight_clipping.limit=0"], ["weight_clipping.limit=0", "greater than 0"]),
    "count": (["schedule.discriminator=-1"], ["schedule.discriminator=-1", "greater than or equal to 0"]),
    "interval of a schedule": (
        ["schedule=loss_threshold", "schedule.measure_every=0"],
        ["schedule.measure_every=0", "greater than 0"],
    ),
    "level": (
        ["schedule=loss_threshold", "schedule.generator_above=inf"],
        ["schedule.generator_above=inf", "finite number"],
    ),
    "rates": (
        ["optimizer/learning_rate=warmup", "optimizer.learning_rate.end_kimg=0"],
        ["optimizer.learning_rate.end_kimg=0", "greater than 0"],
    ),
    "probability": (["augment=flip", "augment.flip.probability=1.5"], ["augment.flip.probability=1.5", "equal to 1"]),
    "share": (
        ["augment=resized_crop", "augment.resized_crop.scale=[0.0,1.0]"],
        ["augment.resized_crop.scale=[0.0, 1.0]", "greater than 0"],
    ),
    "hue": (["augment=jitter", "augment.jitter.hue=0.6"], ["augment.jitter.hue=0.6", "equal to 0.5"]),
    "padding": (["augment=crop", "augment.crop.padding=8"], ["augment.crop does not fit images of (1, 8, 8)"]),
    "literal": (["task.fakes=stale"], ["task.fakes='stale'", "'fresh' or 'shared'"]),
    "class": (["model.generator._target_=nowhere.Net"], ["model.generator._target_", "'nowhere.Net'", "code_dirs"]),
    "misspelt class": (
        ["model.generator._target_=gan_experiments.models.dcgan.Generater"],
        ["model.generator._target_", "did you mean 'gan_experiments.models.dcgan.Generator'"],
    ),
    "sizes": (["model.generator.widths=[8]", "dataset=fmnist"], ["widths", "[8]"]),
    "model for other images": (["model=report_e"], ["8", "model=dcgan"]),
    "penalty alone": (["loss=r1", "~loss.non_saturating"], ["no term gives", "loss=non_saturating"]),
    "no GPU": (["trainer.accelerator=gpu"], ["trainer.accelerator=gpu", "trainer=cpu"]),
}


@pytest.mark.parametrize(("overrides", "parts"), WITH_TORCH.values(), ids=WITH_TORCH)
def test_a_mistake_that_the_parts_tell_is_named_before_data_are_read(
    overrides: list[str], parts: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(*_: Any) -> None:
        raise AssertionError("data were read")

    monkeypatch.setattr("gan_experiments.datasets.digits.DigitsSource.open", read)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)

    text = message(tmp_path / "run", *overrides, to_the_end=True)

    assert_says(text, *parts)
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a few iterations."""
    directory = tmp_path_factory.mktemp("runs") / "finished"
    launch(directory, *TINY, "loss=acgan", "budget.kimg=0.032")
    return directory


def files_of(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def test_a_resumed_run_is_not_changed_unless_allowed_by_name(finished: Path, tmp_path: Path) -> None:
    before = files_of(finished)

    text = message(tmp_path, f"resume={finished}", "optimizer.generator.lr=0.001", "loss=hinge", "seed=0")

    assert_says(
        text, "optimizer.generator.lr: 0.0002 -> 0.001", "loss: acgan -> hinge", "allow_changes=[", "init_from="
    )
    assert "seed" not in text
    assert files_of(finished) == before
    allowed = planned(
        tmp_path, f"resume={finished}", "optimizer.generator.lr=0.001", "allow_changes=[optimizer.generator.lr]"
    )
    assert allowed.config.optimizer.generator.lr == 0.001
    assert allowed.config.model.generator.base_width == 4
    assert allowed.directory == finished


def test_a_resumed_run_takes_an_allowed_group_as_a_whole(finished: Path, tmp_path: Path) -> None:
    changes = ["loss=hinge", "allow_changes=[loss,optimizer]", "optimizer/learning_rate=cosine"]
    config = planned(tmp_path, f"resume={finished}", *changes).config

    assert list(config.loss) == ["hinge"]
    assert config.optimizer.learning_rate._target_.endswith("Cosine")
    assert config.batch_size == 16


def test_a_term_cannot_be_added_to_a_resumed_run_by_its_group(finished: Path, tmp_path: Path) -> None:
    """What it would be added to is this command line's loss, not the run's."""
    text = message(tmp_path, f"resume={finished}", "+loss/term=r1", "allow_changes=[loss]")
    assert_says(text, "loss/term=r1", "one by one")


def test_a_run_is_resumed_by_its_own_command_line_again(finished: Path, tmp_path: Path) -> None:
    again = planned(tmp_path, f"resume={finished}", *TINY, "loss=acgan", "budget.kimg=0.032")
    assert again.config == Run.open(finished, "resume").config


@pytest.mark.parametrize("word", ["+sed=3", "sed=3"])
def test_a_misspelt_key_is_found_when_resuming_too(word: str, finished: Path, tmp_path: Path) -> None:
    assert_says(message(tmp_path, f"resume={finished}", word), "unknown key 'sed'; did you mean 'seed'")


def test_a_resumed_run_is_changed_in_keys_that_the_defaults_do_not_have(tmp_path: Path) -> None:
    directory = tmp_path / "run"
    began = planned(directory, *TINY, "+loss/term=r1", "loss.r1.weight=2")
    directory.mkdir()
    manifest = {"config": OmegaConf.to_container(began.config), "choices": began.choices, "status": "finished"}
    (directory / "manifest.json").write_text(json.dumps(manifest))

    change = [f"resume={directory}", "loss.r1.weight=3"]
    assert_says(message(tmp_path, *change), "loss.r1.weight: 2 -> 3")
    assert planned(tmp_path, *change, "allow_changes=[loss]").config.loss.r1.weight == 3
    assert_says(message(tmp_path, f"resume={directory}", "loss.r1.weigt=3"), "'loss.r1.weigt'; did you mean 'weight'")
    text = message(tmp_path, f"resume={directory}", "sample_every_kimg=abc")
    assert_says(text, "sample_every_kimg: Value 'abc'", "sample_every_kimg=VALUE")


def test_a_foreign_directory_is_not_resumed(tmp_path: Path) -> None:
    said = message(tmp_path / "run", f"resume={tmp_path}")
    assert_says(said, f"resume={tmp_path} is not a run directory: it holds no manifest.json")
    for foreign in ('{"name": "a browser extension"}', "[1, 2]", '{"config": null, "choices": {}}'):
        (tmp_path / "manifest.json").write_text(foreign)
        assert_says(message(tmp_path / "run", f"resume={tmp_path}"), "its manifest.json is not one of this framework")
    (tmp_path / "manifest.json").write_text("{")
    assert_says(message(tmp_path / "run", f"resume={tmp_path}"), "its manifest.json cannot be read")


def test_a_directory_that_holds_a_run_takes_no_other(finished: Path) -> None:
    assert_says(message(finished), f"hydra.run.dir={finished} already holds a run", f"resume={finished}")


def test_weights_of_other_shapes_are_refused(finished: Path, tmp_path: Path) -> None:
    sizes = ["model.generator.base_width=8", "model.discriminator.base_width=4"]
    text = message(tmp_path / "run", f"init_from={finished}", *sizes, "trainer=cpu", to_the_end=True)

    assert_says(text, "the weights do not fit", "generator.", "size mismatch")
    assert not list(tmp_path.iterdir())


def test_missing_data_without_a_network_are_named_with_their_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from urllib.error import URLError

    def fail(*_: Any) -> None:
        raise URLError("no network")

    monkeypatch.setattr("torchvision.datasets.utils._get_redirect_url", lambda url, max_hops: url)
    monkeypatch.setattr("torchvision.datasets.utils._urlretrieve", fail)
    began = time.monotonic()

    text = message(tmp_path / "run", "dataset=fmnist", f"data_dir={tmp_path / 'data'}", "trainer=cpu", to_the_end=True)

    assert_says(text, "dataset=fmnist", str(tmp_path / "data" / "FashionMNIST" / "raw"), "train-images-idx3-ubyte.gz")
    assert_says(text, str(tmp_path / "data" / "fmnist.npz"), "data_dir=DIRECTORY", "dataset=digits", "no network")
    assert time.monotonic() - began < 10
    assert not (tmp_path / "run").exists()
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def picture(path: Path, size: int = 8) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(size).integers(0, 256, (size, size), dtype=np.uint8)).save(path)


def unreadable(folder: Path) -> None:
    picture(folder / "a" / "1.png")
    (folder / "a" / "2.png").write_bytes(b"no image")


def cut_short(folder: Path) -> None:
    for number in range(20):
        picture(folder / "a" / f"{number}.png")
        picture(folder / "b" / f"{number}.png")
    whole = (folder / "b" / "7.png").read_bytes()
    (folder / "b" / "7.png").write_bytes(whole[: len(whole) * 2 // 3])


def empty(folder: Path) -> None:
    folder.mkdir()


def class_without_image(folder: Path) -> None:
    picture(folder / "a" / "1.png")
    (folder / "b").mkdir()


def mixed_sizes(folder: Path) -> None:
    picture(folder / "a" / "1.png")
    picture(folder / "b" / "2.png", 16)


FOLDERS: dict[str, tuple[Callable[[Path], None], list[str]]] = {
    "unreadable image": (unreadable, ["a/2.png", "not a readable image", "take it out"]),
    "image cut short": (cut_short, ["b/7.png", "not a readable image", "take it out"]),
    "empty": (empty, ["no image in it", "dataset.path=FOLDER"]),
    "class with no image": (class_without_image, ["/b", "holds no image"]),
    "mixed sizes": (mixed_sizes, ["8×8", "16×16", "dataset.image_size=PIXELS"]),
}


@pytest.mark.parametrize(("make", "parts"), FOLDERS.values(), ids=FOLDERS)
def test_a_folder_that_cannot_be_used_is_told_with_the_file(
    make: Callable[[Path], None], parts: list[str], tmp_path: Path
) -> None:
    make(tmp_path / "images")
    arguments = ["dataset=image_folder", f"dataset.path={tmp_path / 'images'}", "dataset.source.holdout_fraction=0"]
    small = ["batch_size=1", "model.generator.base_width=4", "model.discriminator.base_width=4", "trainer=cpu"]

    assert_says(message(tmp_path / "run", *arguments, *small, to_the_end=True), *parts)
    assert not (tmp_path / "run").exists()


def test_labels_out_of_range_are_told_with_the_range(tmp_path: Path) -> None:
    images = np.zeros((4, 8, 8), np.uint8)
    np.savez(tmp_path / "mine.npz", train_images=images, train_labels=np.array([0, 1, 2, 7]))
    arguments = ["dataset=npz", f"dataset.path={tmp_path / 'mine.npz'}", "batch_size=2"]

    assert_says(message(tmp_path / "run", *arguments, "dataset.num_classes=3"), "go up to 7", "dataset.num_classes=8")
    assert_says(message(tmp_path / "run", *arguments), "no image of class 3", "number the classes")
    assert not (tmp_path / "run").exists()


def ended_badly(result: subprocess.CompletedProcess[str], directory: Path, *left: str) -> None:
    assert result.returncode == 2
    assert result.stderr.startswith("error: ")
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
    assert sorted(path.name for path in directory.iterdir()) == sorted(left)


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["sed=3"], "did you mean 'seed'"),
        (["model=dcgan"], "model=dcgan_class_head"),
        (["model=3"], "group=NAME"),
        (["+model.lowest=3", "model.value_range.low=0"], "write model.value_range=[...] or model.value_range.0=VALUE"),
        (["model.value_range.low.x=0"], "write model.value_range=[...] or model.value_range.0=VALUE"),
        (["hydra.run.dir=file/run"], "hydra.run.dir=DIRECTORY"),
        (["hydra.run.dir=file"], "hydra.run.dir=DIRECTORY"),
        (["hydra.run.dir=/proc/run"], "cannot write"),
    ],
    ids=[
        "composition",
        "cross-check",
        "group",
        "place in a list",
        "below a list",
        "below a file",
        "a file",
        "where none can be made",
    ],
)
def test_the_command_says_so_at_once_with_exit_code_2_and_leaves_nothing(
    arguments: list[str], part: str, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("mine")
    began = processor_seconds()

    result = command(*arguments, cwd=tmp_path)

    assert processor_seconds() - began < LIMIT_SECONDS
    ended_badly(result, tmp_path, "file")
    assert part in result.stderr


def test_a_missing_file_is_no_place_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["gan_experiments", "hydra.run.dir=/proc/mine/run"])
    assert _report(FileNotFoundError(errno.ENOENT, "No such file or directory", "/proc/mine")) == 2
    with pytest.raises(FileNotFoundError):
        _report(FileNotFoundError(errno.ENOENT, "No such file or directory", "/proc/mine/run/networks.json"))
    monkeypatch.setattr("sys.argv", ["gan_experiments"])
    assert _report(FileNotFoundError(errno.ENOENT, "No such file or directory", "outputs")) == 2


def test_a_description_stands_for_the_reasons_of_a_union_only() -> None:
    margin = Annotated[float, Field(gt=0, description="the margin of the hinge")]
    either = Annotated[int | list[int], Field(description="a number or a list of them")]

    for hint, value, reason in ((margin, -1, "greater than 0"), (either, "a", "it should be a number or a list of .*")):
        with pytest.raises(UserError, match=f"loss.mine={value!r} has a wrong type or value: .*{reason}$"):
            check_type("loss.mine", value, hint)


def test_a_directory_that_is_not_ours_stays_though_it_is_empty(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "here").mkdir()

    result = command("seed=1", "model=dcgan", f"hydra.run.dir={tmp_path / 'mine' / 'run'}", cwd=tmp_path / "here")

    ended_badly(result, tmp_path, "here", "mine")


@pytest.mark.slow
def test_the_command_tells_a_mistake_in_a_part_too(tmp_path: Path) -> None:
    result = command("+model.generator.widhts=[8]", "trainer=cpu", cwd=tmp_path, OMP_NUM_THREADS="1")

    ended_badly(result, tmp_path)
    assert "did you mean 'widths'" in result.stderr


def test_planning_and_explaining_import_no_torch(tmp_path: Path) -> None:
    """Nor Lightning, torchvision or W&B: each takes seconds."""
    code = """
import sys
from pathlib import Path
import gan_experiments.__main__
from launching import planned
planned(Path("run"), "+experiment=fmnist_acgan", "logger=wandb")
heavy = {"torch", "torchvision", "pytorch_lightning", "lightning", "wandb", "sklearn", "matplotlib"}
sys.exit(" ".join(sorted(heavy & set(sys.modules))) or 0)
"""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr


def test_help_shows_how_and_what_in_a_screenful_at_once(tmp_path: Path) -> None:
    began = processor_seconds()
    result = command("--help", cwd=tmp_path)

    assert processor_seconds() - began < LIMIT_SECONDS
    assert result.returncode == 0
    assert not list(tmp_path.iterdir())
    assert len(result.stdout.splitlines()) <= 40
    for part in ("+experiment=", "loss=", "-m ", "resume=", "--cfg job", "--config-dir"):
        assert part in result.stdout
    for group in ("dataset", "experiment", "loss", "loss/term", "model", "schedule", "optimizer", "logger", "trainer"):
        assert re.search(rf"^{group}: \w+", result.stdout, re.MULTILINE)


def test_the_config_is_shown_at_once_and_nothing_is_run(tmp_path: Path) -> None:
    began = processor_seconds()
    result = command("+experiment=fmnist_acgan", "seed=7", "--cfg", "job", cwd=tmp_path)

    assert processor_seconds() - began < LIMIT_SECONDS
    assert result.returncode == 0
    assert "seed: 7\n" in result.stdout
    assert "name: report_e" in result.stdout
    assert not list(tmp_path.iterdir())
