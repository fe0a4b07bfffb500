"""A sweep is found again by its command; a job by what it is; both have names that need no quotes."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from launching import composed

from gan_experiments.config.compose import prepare, register_schema
from gan_experiments.config.suggestions import CONFIG_DIR
from gan_experiments.sweeps.directories import Sweep, find_sweep, identify, job_name, varying_values
from gan_experiments.types import UserError

SWEEPS = sorted(path.stem for path in (CONFIG_DIR / "sweep").glob("*.yaml"))


def found(*words: str) -> Sweep:
    sweep = find_sweep(words)
    assert sweep is not None
    return sweep


def test_the_same_command_finds_the_same_directory_whatever_does_not_matter() -> None:
    base = found("-m", "+experiment=digits_acgan", "seed=0,1", "loss=hinge")

    assert re.fullmatch(r"outputs/sweeps/digits_acgan-[0-9a-f]{8}", str(base.directory))
    for words in (
        ("loss=hinge", "+experiment=digits_acgan", "seed=0,1", "--multirun"),
        ("-m", "+experiment=digits_acgan", "seed=0,1", "loss=hinge", "logger=wandb", "data_dir=/elsewhere", "tags=[a]"),
        (
            "-m",
            "+experiment=digits_acgan",
            "seed=0,1",
            "loss=hinge",
            "hydra/launcher=joblib",
            "hydra.launcher.n_jobs=2",
        ),
    ):
        assert found(*words).directory == base.directory
    for other in ("loss=hinge seed=0,2", "loss=hinge seed=0,1 budget.epochs=3", "loss=hinge seed=0,1 name=a,b"):
        assert found("-m", "+experiment=digits_acgan", *other.split()).directory != base.directory


def test_hydra_is_given_the_directory_and_told_that_it_is_a_sweep() -> None:
    sweep = found("+experiment=digits_acgan", "+sweep=seeds", "--config-dir", "mine")

    assert sweep.directory.name.startswith("digits_acgan-seeds-")
    assert sweep.arguments[0] == "--multirun"
    assert sweep.arguments[-2:] == ["--config-dir", "mine"]
    assert f"hydra.sweep.dir={sweep.directory}" in sweep.arguments[1:-2]
    assert sweep.overrides == ["+experiment=digits_acgan", "+sweep=seeds"]

    own = found("-m", "seed=0,1", "hydra.sweep.dir='my sweeps/first'")
    assert own.directory == Path("my sweeps/first")
    assert own.arguments == ["-m", "seed=0,1", "hydra.sweep.dir='my sweeps/first'"]
    assert found("seed=0,1", "hydra.mode=MULTIRUN").directory == found("seed=0,1", "-m").directory


@pytest.mark.parametrize(
    "words", [["seed=0"], ["-m", "seed=0,1", "--cfg", "job"], ["--help", "+sweep=seeds"], ["-m", "seed"], ["-m", "=["]]
)
def test_what_is_no_sweep_or_cannot_be_read_is_left_to_hydra(words: list[str]) -> None:
    assert find_sweep(words) is None


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-m", "resume=run", "seed=0,1"], "start the sweep's own command again"),
        (["+sweep=seeds,learning_rates"], r"\+sweep=\[one,other\]"),
        (["sweep=seeds"], r"write \+sweep=seeds"),
        (["-m", "seed=0,1", "hydra.sweep.dir=${now:%H}"], "plain path"),
    ],
)
def test_words_that_do_not_go_together_are_refused(words: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        find_sweep(words)


def test_what_varies_is_what_the_sweep_does_not_fix() -> None:
    job = ["+experiment=digits_acgan", "seed=1", "loss=hinge", "+loss/term=r1", "optimizer.generator.lr=0.1"]
    command = ["+experiment=digits_acgan", "loss=hinge", "+loss/term=r1,r2"]
    params = {"seed": "0,1", "loss": "hinge,r1", "optimizer.generator.lr": "interval(0,1)"}

    assert varying_values(job, command, params) == {"seed": "1", "loss/term": "r1", "optimizer.generator.lr": "0.1"}
    assert varying_values(["a=1", "b=2"], ["a=1"], None) == {"b": "2"}, "a sampler may add keys of its own"


def identity(*overrides: str, **varying: str) -> str:
    config, _ = composed(*overrides)
    from omegaconf import OmegaConf

    content = OmegaConf.to_container(prepare(config)[0])
    assert isinstance(content, dict)
    return identify({str(key): value for key, value in content.items()}, varying)


@pytest.mark.slow
def test_a_job_is_what_comes_out_of_it_not_where_it_lies() -> None:
    base = identity()

    for same in ("data_dir=/elsewhere", "cache_dir=/there", "code_dirs=[/mine]", "logger=wandb", "notes=a", "seed=0"):
        assert identity(same) == base
    assert identity("checkpoint_every_kimg=3", "budget.epochs=150.0") == base
    for other in ("budget.epochs=3", "seed=1", "loss=acgan", "evaluation.num_samples=99", "batch_size=65"):
        assert identity(other) != base
    assert identity(name="a") != identity(name="b"), "what varies counts, whatever it is"


def test_of_a_path_the_name_counts_but_a_data_set_is_told_by_the_whole() -> None:
    config = {"dataset": {"path": "/here/a.npz", "source": {"path": "/here/a.npz"}}, "init_from": "/runs/1"}
    moved = config | {"init_from": "/there/1"}
    other = config | {"dataset": {"path": "/there/a.npz", "source": {"path": "/there/a.npz"}}}

    assert identify(config, {}) == identify(moved, {}) != identify(other, {})


@given(st.dictionaries(st.text(min_size=1), st.text(), max_size=4))
def test_a_readable_name_needs_no_quotes(varying: dict[str, str]) -> None:
    assert re.fullmatch(r"[A-Za-z0-9._+-]{1,80}", job_name(varying))


@pytest.mark.parametrize("name", SWEEPS)
def test_a_ready_sweep_is_one_and_its_values_fit_the_example(name: str) -> None:
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
    from hydra.core.override_parser.overrides_parser import OverridesParser

    sweep = found(f"+sweep={name}", "+experiment=digits_acgan")
    params = composed_hydra(*sweep.overrides)
    words = OverridesParser.create().parse_overrides([f"{key}={value}" for key, value in params.items()])
    discrete = [word for word in words if word.is_discrete_sweep() or not word.is_sweep_override()]
    (jobs,) = BasicSweeper.split_arguments(discrete, None)
    first = jobs[0]
    in_turn = [job for job in jobs if sum(one != other for one, other in zip(job, first, strict=True)) < 2]
    identities = {identity("+experiment=digits_acgan", *job) for job in in_turn}

    assert len(identities) == len(in_turn) >= (1 if name.startswith("optuna") else 3)


def composed_hydra(*overrides: str) -> dict[str, str]:
    """Return the parameters that a ready sweep puts into Hydra's sweeper."""
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    register_schema()
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
        config = compose("config", list(overrides), return_hydra_config=True)
    assert config.hydra.mode.name == "MULTIRUN"
    return dict(config.hydra.sweeper.params)
