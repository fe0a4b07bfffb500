"""Runs in W&B's own files, read back with its command line: separate, complete, marked as they ended."""

import functools
import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from launching import TINY, composed, launch

from gan_experiments.runs import plan_launch

GRIDS = ["sample_every_kimg=0.16"]
CLI = Path(sys.executable).with_name("wandb")


def tracked(directory: Path) -> Path:
    """Find the one W&B run of a run directory."""
    (found,) = (directory / "wandb").glob("*run-*-*")
    return found


def summary(directory: Path) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(_inspect("--summary", directory))
    return result


def records(directory: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in _inspect("--json", directory).splitlines()]


@functools.cache
def _inspect(option: str, directory: Path) -> str:
    options = [option] if option == "--json" else [option, "--json"]
    command = [str(CLI), "leet", "inspect", *options, str(tracked(directory))]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two runs one after the other in this process, as the jobs of a Hydra multirun are."""
    directories = [tmp_path_factory.mktemp("sweep") / str(job) for job in range(2)]
    for seed, directory in enumerate(directories):
        about = ["logger=wandb_offline", "logger.wandb.group=sweep", "tags=[a,b]", f"name=run-{seed}", f"seed={seed}"]
        cfg, choices = composed("+experiment=digits_acgan", "loss=acgan", *TINY, *GRIDS, *about)
        from gan_experiments.train import run

        run(plan_launch(cfg, directory, [], choices))
    return directories


def test_runs_in_one_process_are_separate(runs: list[Path]) -> None:
    first, second = map(summary, runs)

    assert first["run_id"] != second["run_id"]
    assert (first["name"], second["name"]) == ("run-0", "run-1")
    assert (first["config"]["seed"], second["config"]["seed"]) == (0, 1)
    assert first["summary"]["generator/loss"] != second["summary"]["generator/loss"]


def without_empty(value: Any) -> Any:
    """Leave out empty mappings at every depth."""
    if not isinstance(value, dict):
        return value
    kept = {key: without_empty(inner) for key, inner in value.items()}
    return {key: inner for key, inner in kept.items() if inner != {}}


def test_a_run_shows_its_resolved_config_its_choices_tags_and_group(runs: list[Path]) -> None:
    found, (manifest, run) = summary(runs[0]), _manifest_and_run(runs[0])

    shown = {**manifest["config"], "choices": manifest["choices"]}
    assert found["config"] == without_empty(shown)  # as W&B shows it
    assert found["config"]["choices"]["loss"] == "acgan"
    assert found["config"]["choices"]["experiment"] == "digits_acgan"
    assert found["config"]["model"]["generator"]["image_size"] == 8
    assert "${" not in json.dumps(found["config"])
    assert found["tags"] == ["a", "b"]
    assert run["run_group"] == "sweep"
    assert found["run_id"] == manifest["tracker_ids"]["wandb"]


def _manifest_and_run(directory: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    manifest: dict[str, Any] = json.loads((directory / "manifest.json").read_text())
    (run,) = (record["run"] for record in records(directory) if record["type"] == "run")
    return manifest, run


def test_the_summary_is_the_runs_own_results_and_the_exit_code_0(runs: list[Path]) -> None:
    for directory in runs:
        found = summary(directory)
        results = json.loads((directory / "results.json").read_text())

        assert {key: found["summary"][key] for key in results} == pytest.approx(results)
        assert (found["state"], found["exit_code"]) == ("finished", 0)


def test_scalars_are_those_of_the_runs_own_record_over_kimg(runs: list[Path]) -> None:
    from gan_experiments.tracking.rows import read_metrics

    found = records(runs[0])
    history = [record["history"]["item"] for record in found if record["type"] == "history"]
    rows = [row for row in history if "iteration" in row]
    own = read_metrics(runs[0] / "metrics.csv")

    assert [{key: row[key] for key in own[0]} for row in rows] == [pytest.approx(row) for row in own]
    axes = [record["metric"] for record in found if record["type"] == "metric"]
    assert {"glob_name": "*", "step_metric": "kimg"}.items() <= axes[-1].items()


def test_every_sample_grid_is_logged_with_its_kimg(runs: list[Path]) -> None:
    history = [record["history"]["item"] for record in records(runs[0]) if record["type"] == "history"]
    grids = {row["kimg"]: tracked(runs[0]) / "files" / row["samples.path"] for row in history if "samples.path" in row}

    assert list(grids) == pytest.approx([0, 0.16, 0.32])
    for kimg, path in grids.items():
        assert path.read_bytes() == (runs[0] / "samples" / f"kimg_{kimg:010.3f}.png").read_bytes()


def test_a_run_that_fails_is_marked_as_failed(tmp_path: Path) -> None:
    from gan_experiments.callbacks.record import DivergenceError

    with pytest.raises(DivergenceError):
        launch(tmp_path / "run", *TINY, *GRIDS, "logger=wandb_offline", "optimizer.generator.lr=1e38")

    found = summary(tmp_path / "run")
    assert found["exit_code"] == 1
    assert found["state"] != "finished"
    assert json.loads((tmp_path / "run" / "manifest.json").read_text())["status"] == "failed"


@pytest.mark.parametrize(
    "key",
    [
        pytest.param("0123456789" * 4, id="server unreachable", marks=pytest.mark.slow),  # W&B waits for 10 s
        pytest.param(None, id="no account"),
    ],
)
def test_without_a_server_or_an_account_the_run_goes_on_offline_and_says_so(
    key: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")  # a closed port
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    if key is not None:
        monkeypatch.setenv("WANDB_API_KEY", key)

    with caplog.at_level(logging.WARNING):
        launch(tmp_path / "run", *TINY, *GRIDS, "logger=wandb", "logger.wandb.timeout_seconds=3")

    assert "going on offline" in caplog.text
    assert "wandb sync" in caplog.text
    assert tracked(tmp_path / "run").name.startswith("offline-run-")
    assert summary(tmp_path / "run")["exit_code"] == 0


def test_loggers_are_combined(tmp_path: Path) -> None:
    launch(tmp_path / "run", *TINY, *GRIDS, "logger=[csv,wandb_offline]")

    assert (tmp_path / "run" / "metrics.csv").exists()
    assert summary(tmp_path / "run")["exit_code"] == 0
