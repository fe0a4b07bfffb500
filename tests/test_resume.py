"""A run can be killed at any time and goes on bit for bit."""

import gc
import os
import random
import resource
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from launching import TINY, launch, launch_in_child, wait_until

from gan_experiments.callbacks.errors import DivergenceError
from gan_experiments.engine.gan import GAN
from gan_experiments.runs.metrics_csv import SPEED, Row, read_metrics
from gan_experiments.runs.run import Run, list_checkpoints, load_checkpoint, locked
from gan_experiments.types import UserError

EVERYTHING = [
    "dataset=npz",
    "model.discriminator.dropout=0.3",
    "augment=[flip,crop]",
    "loss=acgan",
    "+loss/term=[r1,lecam]",
    "loss.r1.every=4",
    "loss.lecam.start=5",
    "discriminator_augment=[translation,cutout]",
    "budget.kimg=0.96",
]
"""Sixty iterations with dropout, batch norm in both networks, augmentation of the data and of what the discriminator is
shown, a lazy term and one with a state."""

SCHEDULES = {
    "ratio": ["schedule.discriminator=2"],
    "loss_threshold": [
        "schedule=loss_threshold",
        "schedule.discriminator_above=3.55",
        "schedule.generator_above=1.8",
        "schedule.measure_every=3",
    ],
}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    stream = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("data") / "small.npz"
    arrays: dict[str, Any] = {
        "train_images": stream.integers(0, 256, (150, 16, 16), dtype=np.uint8),
        "train_labels": np.arange(150) % 3,
        "test_images": stream.integers(0, 256, (6, 16, 16), dtype=np.uint8),
        "test_labels": np.arange(6) % 3,
    }
    np.savez(path, **arrays)
    return [*TINY, *EVERYTHING, f"dataset.path={path}"]


def state_of(directory: Path) -> tuple[dict[str, Any], list[Row]]:
    rows = read_metrics(directory / "metrics.csv")
    for row in rows:
        row.pop(SPEED)
    return load_checkpoint(list_checkpoints(directory / "checkpoints")[-1]), rows


def assert_identical(ours: Any, theirs: Any, where: str = "") -> None:
    assert type(ours) is type(theirs), where
    if isinstance(ours, torch.Tensor):
        assert torch.equal(ours, theirs), where
    elif isinstance(ours, dict):
        assert list(ours) == list(theirs), where
        for key in ours:
            assert_identical(ours[key], theirs[key], f"{where}.{key}")
    elif isinstance(ours, list | tuple):
        assert len(ours) == len(theirs), where
        for index, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            assert_identical(one, other, f"{where}[{index}]")
    else:
        assert ours == theirs or (ours != ours and theirs != theirs), where


def rows_written(directory: Path) -> int:
    return len(read_metrics(directory / "metrics.csv"))


def end_at_row(directory: Path, arguments: list[str], row: int, number: signal.Signals) -> int | None:
    """Run in a child, and send it the signal once it has written so many rows; gives its exit code."""
    process = launch_in_child(directory, *arguments)
    wait_until(lambda: rows_written(directory) >= row or not process.is_alive())
    if process.is_alive() and process.pid is not None:
        os.kill(process.pid, number)
    process.join(60)
    return process.exitcode


@pytest.mark.slow
@pytest.mark.parametrize("schedule", ["ratio", "loss_threshold"])
def test_killed_several_times_the_run_ends_as_if_it_had_not_been(
    schedule: str, base: list[str], tmp_path: Path
) -> None:
    arguments = [*base, *SCHEDULES[schedule]]
    launch(tmp_path / "whole", *arguments)
    run = tmp_path / "killed"
    rows = sorted(random.SystemRandom().sample(range(3, 19), 3))
    exits = [end_at_row(run, arguments, rows[0], signal.SIGKILL)]
    exits += [end_at_row(run, [f"resume={run}"], row, signal.SIGKILL) for row in rows[1:]]
    assert -signal.SIGKILL in exits, f"no kill met a running process: rows {rows}, exits {exits}"
    launch(tmp_path / "unused", f"resume={run}")
    assert_identical(state_of(run), state_of(tmp_path / "whole"))
    assert not (tmp_path / "unused").exists()
    clock = state_of(run)[0]["clock"]
    if schedule == "loss_threshold":
        assert min(clock["discriminator_steps"], clock["generator_steps"]) < 60, "the thresholds paused nothing"


@pytest.mark.parametrize(
    ("number", "schedule"),
    [
        (signal.SIGTERM, "ratio"),
        pytest.param(signal.SIGTERM, "loss_threshold", marks=pytest.mark.slow),
        pytest.param(signal.SIGINT, "ratio", marks=pytest.mark.slow),
    ],
)
def test_stopped_by_a_signal_it_saves_says_how_to_go_on_and_goes_on_exactly(
    number: signal.Signals, schedule: str, base: list[str], tmp_path: Path
) -> None:
    arguments = [*base, *SCHEDULES[schedule]]
    launch(tmp_path / "whole", *arguments)
    run = tmp_path / "stopped"
    row = random.SystemRandom().randrange(1, 18)
    assert end_at_row(run, arguments, row, number) == 128 + number
    assert Run.read(run).manifest.status == "interrupted"
    log = (run / "run.log").read_text()
    assert f"resume={run}" in log
    assert number.name in log
    stopped_at = state_of(run)[0]["clock"]["iterations"]
    assert stopped_at >= 3 * row, "nothing is lost between the signal and the checkpoint"
    launch(tmp_path / "unused", f"resume={run}")
    assert_identical(state_of(run), state_of(tmp_path / "whole"))
    assert Run.read(run).manifest.status == "finished"


@pytest.mark.slow
def test_two_epochs_extended_to_four_equal_four(base: list[str], tmp_path: Path) -> None:
    launch(tmp_path / "four", *base, "budget.kimg=null", "budget.epochs=4")
    launch(tmp_path / "two", *base, "budget.kimg=null", "budget.epochs=2")
    launch(tmp_path / "unused", f"resume={tmp_path / 'two'}", "budget.epochs=4")
    assert state_of(tmp_path / "two")[0]["clock"]["iterations"] == 36
    assert_identical(state_of(tmp_path / "two"), state_of(tmp_path / "four"))


@pytest.mark.slow
def test_pictures_logging_and_checkpoints_change_nothing_in_training(base: list[str], tmp_path: Path) -> None:
    launch(tmp_path / "plain", *base)
    launch(tmp_path / "busy", *base, "sample_every_kimg=0.05", "checkpoint_every_kimg=0.016", "log_every_iterations=1")
    plain, busy = state_of(tmp_path / "plain")[0], state_of(tmp_path / "busy")[0]
    for part in ("networks", "optimizers", "clock", "callback random"):
        assert_identical(plain[part], busy[part], part)


@pytest.mark.slow
def test_data_too_large_for_memory_train_to_the_same_bits_and_resume(base: list[str], tmp_path: Path) -> None:
    through_loader = [*base, "data.in_memory_gib=1e-9", "data.num_workers=0"]
    launch(tmp_path / "memory", *base)
    assert end_at_row(tmp_path / "loader", through_loader, 7, signal.SIGKILL) == -signal.SIGKILL
    launch(tmp_path / "unused", f"resume={tmp_path / 'loader'}")
    assert_identical(state_of(tmp_path / "memory"), state_of(tmp_path / "loader"))


@pytest.mark.slow
def test_a_damaged_newest_checkpoint_costs_one_interval_only(base: list[str], tmp_path: Path) -> None:
    launch(tmp_path / "whole", *base)
    run = tmp_path / "damaged"
    launch(run, *base)
    newest = list_checkpoints(run / "checkpoints")[-1]
    newest.write_bytes(newest.read_bytes()[:1000])
    launch(tmp_path / "unused", f"resume={run}")
    assert_identical(state_of(run), state_of(tmp_path / "whole"))


def test_weights_of_another_run_start_a_new_one(base: list[str], tmp_path: Path) -> None:
    launch(tmp_path / "first", *base)
    launch(tmp_path / "second", *base, f"init_from={tmp_path / 'first'}", "budget.kimg=0.016", "seed=5")
    first, second = state_of(tmp_path / "first")[0], state_of(tmp_path / "second")[0]
    assert second["clock"]["iterations"] == 1
    name = "generator.layers.0.0.weight"
    step = (first["networks"][name] - second["networks"][name]).abs().max()
    assert 0 < step < 1e-3, "one Adam step of 2e-4 away from the first run's weights"


@pytest.mark.slow
def test_a_full_disk_stops_the_run_and_leaves_the_last_good_checkpoint(base: list[str], tmp_path: Path) -> None:
    run = tmp_path / "full"
    launch(run, *base, "budget.kimg=0.064")
    good = list_checkpoints(run / "checkpoints")[-1].read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(good) // 2, limits[1]))  # a checkpoint no longer fits
    try:
        with pytest.raises(OSError, match="File too large"):
            launch(tmp_path / "unused", f"resume={run}", "budget.kimg=0.96")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert [path.read_bytes() for path in list_checkpoints(run / "checkpoints")][-1] == good
    assert not list(run.rglob("*.partial"))
    assert Run.read(run).manifest.status == "failed"
    launch(tmp_path / "unused", f"resume={run}", "budget.kimg=0.96")
    launch(tmp_path / "whole", *base)
    assert_identical(state_of(run), state_of(tmp_path / "whole"))


def test_losses_that_are_no_numbers_stop_the_run_with_a_diagnosis(base: list[str], tmp_path: Path) -> None:
    run = tmp_path / "diverging"
    arguments = [*base, "optimizer.discriminator.lr=1e30", "optimizer.generator.lr=1e30"]
    with pytest.raises(Exception, match="discriminator/"):
        launch(run, *arguments)
    manifest = Run.read(run).manifest
    assert manifest.status == "failed"
    assert "weight tensors are not finite" in str(manifest.error)
    assert "Lower the learning rates" in (run / "run.log").read_text()
    assert (run / "checkpoints" / "diverged.pt").exists()
    assert all(
        torch.isfinite(value).all()
        for path in list_checkpoints(run / "checkpoints")
        for value in load_checkpoint(path)["networks"].values()
    )


def test_a_run_leaves_no_signal_handler_and_no_network_behind(base: list[str], tmp_path: Path) -> None:
    numbers = (signal.SIGINT, signal.SIGTERM)
    handlers = [signal.getsignal(number) for number in numbers]
    launch(tmp_path / "run", *base)
    with pytest.raises(DivergenceError):
        launch(tmp_path / "broken", *base, "optimizer.discriminator.lr=1e30")
    gc.collect()
    assert [signal.getsignal(number) for number in numbers] == handlers
    assert not [thing for thing in gc.get_objects() if type(thing) is GAN]


def test_resuming_a_finished_run_leaves_it_as_it_is(base: list[str], tmp_path: Path) -> None:
    run = tmp_path / "run"
    results = launch(run, *base)
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    assert launch(tmp_path / "unused", f"resume={run}") == results
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


@pytest.mark.slow
def test_a_resumed_run_shows_its_progress_on_a_terminal(
    base: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    launch(tmp_path / "run", *base, "budget.kimg=0.112")
    launch(tmp_path / "unused", f"resume={tmp_path / 'run'}", "budget.kimg=0.32")
    shown = capsys.readouterr().err
    for part in ("epoch ", " kimg", "D ", "G ", "images/s", "left"):
        assert part in shown


def test_what_a_resumed_run_may_change_takes_effect(base: list[str], tmp_path: Path) -> None:
    run = tmp_path / "run"
    launch(run, *base, "budget.kimg=0.064")
    changes = ["optimizer.generator.betas=[0.1,0.9]", "schedule=loss_threshold"]
    launch(tmp_path / "unused", f"resume={run}", "budget.kimg=0.128", *changes, "allow_changes=[optimizer,schedule]")
    state = state_of(run)[0]
    assert list(state["optimizers"]["generator"]["param_groups"][0]["betas"]) == [0.1, 0.9]
    assert any(name.startswith("schedule ") and name.endswith(".LossThreshold") for name in state)


@pytest.mark.slow
def test_a_killed_session_leaves_its_trace_and_goes_on_in_the_same_wandb_run(base: list[str], tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert end_at_row(run, [*base, "logger=wandb_offline"], 8, signal.SIGKILL) == -signal.SIGKILL
    killed = Run.read(run).manifest
    assert killed.status == "running"
    assert len(killed.sessions) == 1
    launch(tmp_path / "unused", f"resume={run}", "budget.kimg=0.96")
    manifest = Run.read(run).manifest
    assert manifest.tracker_ids == killed.tracker_ids
    assert [session.status for session in manifest.sessions] == ["running", "finished"]
    names = [path.name.split("-")[3] for path in (run / "wandb").glob("offline-run-*")]
    assert set(names) == {manifest.tracker_ids["wandb"]}


def test_a_lazy_term_is_logged_at_its_own_size_and_its_weight_counts_every_times(
    base: list[str], tmp_path: Path
) -> None:
    launch(tmp_path / "run", *base, "log_every_iterations=1", "budget.kimg=0.08", "ema_half_life_kimg=null")
    rows = read_metrics(tmp_path / "run" / "metrics.csv")
    terms = ("discriminator/non_saturating", "discriminator/auxiliary_class")
    for number, row in enumerate(rows):
        assert ("discriminator/r1" in row) == (number % 4 == 0)
        total = sum(row[term] for term in terms) + 4 * row.get("discriminator/r1", 0)
        assert row["discriminator/loss"] == pytest.approx(total, rel=1e-5)


@pytest.mark.slow
def test_a_second_process_is_kept_from_a_run_that_is_going_on(base: list[str], tmp_path: Path) -> None:
    run = tmp_path / "run"
    launch(run, *base)
    with locked(run), pytest.raises(UserError, match="another process"):
        launch(tmp_path / "unused", f"resume={run}", "budget.kimg=1.5")
    launch(tmp_path / "unused", f"resume={run}", "budget.kimg=1.0")


def test_a_budget_below_what_is_reached_is_refused_and_nothing_changes(base: list[str], tmp_path: Path) -> None:
    run = tmp_path / "run"
    launch(run, *base, "budget.kimg=0.16")
    before = (run / "manifest.json").read_bytes()
    with pytest.raises(UserError, match=r"budget\.epochs.*spent already: the run stands at iteration 10"):
        launch(tmp_path / "unused", f"resume={run}", "budget.epochs=1")
    assert (run / "manifest.json").read_bytes() == before
    launch(tmp_path / "unused", f"resume={run}", "budget.generator_steps=12")
    assert state_of(run)[0]["clock"]["generator_steps"] == 12
