"""Runs in W&B's own files, read back with its command line: separate, complete, marked as they ended."""

import functools
import io
import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import wandb
from hydra.conf import HydraConf
from hydra.core.hydra_config import HydraConfig
from launching import TINY, command, composed, launch, values_of
from omegaconf import OmegaConf
from PIL import Image
from safetensors.torch import load

from gan_experiments.runs.launch import plan_launch
from gan_experiments.runs.metrics_csv import read_metrics

GRIDS = ["sample_every_kimg=0.16"]
TRAINING = [key for key in TINY if key != "evaluation=none"]
MEASURED = [
    *("evaluation.num_samples=300", "evaluation.every_kimg=0.128"),
    "evaluation/metric=[fid,label_accuracy,discriminator_overfitting]",
]
FID = "fid/digits_classifier"
CLI = Path(sys.executable).with_name("wandb")


def tracked(directory: Path) -> Path:
    """Find the W&B run of a run directory; of a resumed one, the part of its last session."""
    return max((directory / "wandb").glob("*run-*-*"), key=lambda path: path.stat().st_mtime_ns)


def summary(directory: Path) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(_inspect("--summary", tracked(directory)))
    return result


def records(directory: Path, kind: str) -> list[Any]:
    lines = map(json.loads, _inspect("--json", tracked(directory)).splitlines())
    return [line[kind] for line in lines if line["type"] == kind]


def history(directory: Path) -> list[dict[str, Any]]:
    return [record["item"] for record in records(directory, "history")]


@functools.cache
def _inspect(option: str, run: Path) -> str:
    options = [option] if option == "--json" else [option, "--json"]
    arguments = [str(CLI), "leet", "inspect", *options, str(run)]
    return subprocess.run(arguments, capture_output=True, text=True, check=True, timeout=60).stdout


def artifact(directory: Path, kind: str) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Return the one artifact of a type, and the contents that wait for `wandb sync`."""
    (found,) = (record for record in records(directory, "artifact") if record["type"] == kind)
    staged = {entry["path"]: Path(entry["local_path"]) for entry in found["manifest"]["contents"]}
    assert all(path.is_relative_to(directory) for path in staged.values()), "nothing fills the user's home"
    return found, {name: path.read_bytes() for name, path in staged.items()}


def manifest_of(directory: Path) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads((directory / "manifest.json").read_text())
    return manifest


def overrides_of(seed: int) -> list[str]:
    return ["+experiment=digits_acgan", "loss=acgan", *TRAINING, *MEASURED, *GRIDS, f"seed={seed}"]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"cache_dir={tmp_path_factory.mktemp('cache')}"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, cache: str) -> list[Path]:
    """Two runs one after the other in this process, as the jobs of a Hydra multirun are."""
    directories = [tmp_path_factory.mktemp("runs") / str(job) for job in range(2)]
    for seed, directory in enumerate(directories):
        about = ["logger=wandb_offline", "logger.wandb.group=mine", "tags=[a,b]", f"name=run-{seed}", cache]
        cfg, choices = composed(*overrides_of(seed), *about)
        from gan_experiments.training import run

        run(plan_launch(cfg, directory, [], choices))
    return directories


def test_runs_in_one_process_are_separate(runs: list[Path]) -> None:
    first, second = map(summary, runs)

    assert first["run_id"] != second["run_id"]
    assert (first["name"], second["name"]) == ("run-0", "run-1")
    assert (first["config"]["seed"], second["config"]["seed"]) == (0, 1)
    assert first["summary"]["generator/loss"] != second["summary"]["generator/loss"]
    assert "WANDB_DATA_DIR" not in os.environ


def without_empty(value: Any) -> Any:
    """Leave out empty mappings at every depth."""
    if not isinstance(value, dict):
        return value
    kept = {key: without_empty(inner) for key, inner in value.items()}
    return {key: inner for key, inner in kept.items() if inner != {}}


def test_a_run_shows_its_resolved_config_its_choices_tags_and_group(runs: list[Path]) -> None:
    found, manifest = summary(runs[0]), manifest_of(runs[0])

    shown = {**manifest["config"], "choices": manifest["choices"]}
    assert found["config"] == without_empty(shown)  # as W&B shows it
    assert found["config"]["choices"]["loss"] == "acgan"
    assert found["config"]["choices"]["experiment"] == "digits_acgan"
    assert found["config"]["model"]["generator"]["image_size"] == 8
    assert "${" not in json.dumps(found["config"])
    assert found["tags"] == ["a", "b"]
    assert found["run_id"] == manifest["tracker_ids"]["wandb"]
    (run,) = records(runs[0], "run")
    assert run["run_group"] == "mine"
    assert run["job_type"] == "train"


def test_the_summary_is_the_runs_own_results_with_protocols_and_the_exit_code_0(runs: list[Path]) -> None:
    for directory in runs:
        found = summary(directory)
        results = json.loads((directory / "results.json").read_text())
        values = values_of(directory)

        del results["evaluation"]  # whole protocols would be hundreds of columns
        assert {key: found["summary"][key] for key in results} == pytest.approx(results)
        assert found["summary"]["protocol"] == {key: value.protocol_hash for key, value in values.items()}
        assert "evaluation" not in found["summary"]
        assert (found["state"], found["exit_code"]) == ("finished", 0)


def test_the_summary_holds_the_best_of_each_value_the_way_it_is_good(runs: list[Path]) -> None:
    rows = [row for row in read_metrics(runs[0] / "metrics.csv") if FID in row]
    directions = {key: value.spec.higher_is_better for key, value in values_of(runs[0]).items()}

    best = summary(runs[0])["summary"]["best"]
    assert len(rows) == 3
    assert directions[FID] is False
    assert directions["label_accuracy/digits_classifier"] is True
    expected = {key: (max if higher else min)(row[key] for row in rows) for key, higher in directions.items()}
    assert best == pytest.approx(expected)


def test_scalars_are_those_of_the_runs_own_record_over_kimg(runs: list[Path]) -> None:
    rows = [row for row in history(runs[0]) if "iteration" in row]
    own = read_metrics(runs[0] / "metrics.csv")

    assert len(rows) == len(own)
    for row, ours in zip(rows, own, strict=True):
        assert {key: row[key] for key in ours} == pytest.approx(ours)
    assert {"glob_name": "*", "step_metric": "kimg"}.items() <= records(runs[0], "metric")[-1].items()


def test_every_sample_grid_is_logged_with_its_kimg(runs: list[Path]) -> None:
    found = [row for row in history(runs[0]) if "samples.path" in row]
    grids = {row["kimg"]: tracked(runs[0]) / "files" / row["samples.path"] for row in found}

    assert list(grids) == pytest.approx([0, 0.16, 0.32])
    for kimg, path in grids.items():
        assert path.read_bytes() == (runs[0] / "samples" / f"kimg_{kimg:010.3f}.png").read_bytes()


def test_each_evaluation_logs_the_scores_of_real_and_generated_images_in_the_same_bins(runs: list[Path]) -> None:
    sets = {"training": 1000, "held_out": 297, "generated": 300}

    rows = [row for row in history(runs[0]) if "scores/training.bins" in row]
    assert [row["kimg"] for row in rows] == pytest.approx([0.128, 0.256, 0.32])
    for row in rows:
        edges = row["scores/training.bins"]
        assert len(edges) == 65
        for name, count in sets.items():
            assert row[f"scores/{name}._type"] == "histogram"
            assert row[f"scores/{name}.bins"] == edges
            assert sum(row[f"scores/{name}.values"]) == count
    assert rows[0]["scores/training.values"] != rows[0]["scores/generated.values"]


def pixels(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)).convert("L"))


def test_a_table_at_the_end_shows_the_samples_of_each_class(runs: list[Path]) -> None:
    found, contents = artifact(runs[0], "run_table")

    table = json.loads(contents["samples_by_class.table.json"])
    assert found["name"].endswith("samples_by_class")
    assert table["columns"] == ["class", "name", "samples"]
    assert [row[:2] for row in table["data"]] == [[label, str(label)] for label in range(10)]
    grid = pixels((runs[0] / "samples" / "kimg_000000.320.png").read_bytes())
    for label, row in enumerate(table["data"]):
        strip = pixels(contents[row[2]["path"]])
        assert strip.shape == (40, 400)
        for place in range(10):
            top, left = 2 + 42 * label, 2 + 42 * place  # the grid has borders of two pixels
            shown = strip[:, 40 * place : 40 * place + 40]
            assert (shown == grid[top : top + 40, left : left + 40]).all()


def test_the_best_generator_is_an_artifact_with_its_config_and_what_was_measured(runs: list[Path]) -> None:
    found, contents = artifact(runs[0], "model")
    state = torch.load(runs[0] / "checkpoints" / "best.pt", weights_only=True)
    rows = {row["iteration"]: row for row in read_metrics(runs[0] / "metrics.csv") if FID in row}

    assert "best" in found["aliases"]
    weights, ema = load(contents["generator.safetensors"]), "ema.network."
    assert {f"{ema}{name}" for name in weights} == {name for name in state["networks"] if name.startswith(ema)}
    assert all(torch.equal(value, state["networks"][f"{ema}{name}"]) for name, value in weights.items())
    assert json.loads(contents["config.json"]) == manifest_of(runs[0])["config"]
    facts = json.loads(found["metadata"])
    best = min(rows.values(), key=lambda row: row[FID])
    assert (facts["key"], facts["value"], facts["iteration"]) == (FID, best[FID], best["iteration"])
    assert facts["values"] == {key: value for key, value in best.items() if key in facts["values"]}
    assert facts["protocol"]["num_samples"] == 300
    measured = json.loads(contents["metrics.json"])["values"]
    assert measured.keys() == facts["values"].keys()
    assert measured["label_accuracy/digits_classifier"]["protocol"]["metric"] == "LabelAccuracy"


@pytest.mark.slow
def test_trackers_change_nothing_in_training(runs: list[Path], cache: str, tmp_path: Path) -> None:
    launch(tmp_path / "plain", *overrides_of(0), cache)
    launch(tmp_path / "both", *overrides_of(0), cache, "logger=[wandb_offline,tensorboard]")

    name = "checkpoints/iteration_000000020.pt"
    plain = torch.load(tmp_path / "plain" / name, weights_only=True)
    for other in (runs[0], tmp_path / "both"):
        state = torch.load(other / name, weights_only=True)
        for key, value in plain["networks"].items():
            assert torch.equal(value, state["networks"][key])
        assert state["callback random"] == plain["callback random"]
    both = summary(tmp_path / "both")
    assert both["exit_code"] == 0
    assert both["summary"]["best"] == summary(runs[0])["summary"]["best"]
    assert list((tmp_path / "both" / "tensorboard").iterdir())


def test_by_itself_a_run_is_called_after_what_differs_and_alarms_are_alerts(tmp_path: Path) -> None:
    dead = ["model.initialization.std=0", "alarms.dead_generator.every_kimg=0.1", "optimizer.generator.lr=1e-30"]
    plain = ["model=dcgan", "loss=non_saturating", "logger=[csv,wandb_offline]"]
    launch(tmp_path / "run", *plain, *TINY, *dead, "seed=5")

    (run,) = records(tmp_path / "run", "run")
    assert run["run_group"] == "digits"
    assert run["display_name"].startswith("digits-dcgan-non_saturating-")
    assert run["display_name"].endswith("-s5")
    assert len(run["display_name"]) <= 64
    (alert,) = records(tmp_path / "run", "alert")
    (said,) = manifest_of(tmp_path / "run")["alarms"]
    assert (alert["title"], alert["text"]) == ("dead_generator", said["message"])
    _, contents = artifact(tmp_path / "run", "run_table")
    table = json.loads(contents["single_samples.table.json"])  # it knows no classes
    assert table["columns"] == ["sample", "picture"]
    assert len(table["data"]) == 100
    kinds = {record["type"] for record in records(tmp_path / "run", "artifact")}
    assert "model" not in kinds, "nothing was measured, so none is the best"


@pytest.mark.slow
def test_a_job_of_a_sweep_belongs_to_its_group_also_when_it_goes_on_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = OmegaConf.create({"hydra": {"mode": "MULTIRUN", "sweep": {"dir": "outputs/sweeps/mine"}}})
    schema = OmegaConf.create({"hydra": OmegaConf.structured(HydraConf)})
    monkeypatch.setattr(HydraConfig.instance(), "cfg", OmegaConf.merge(schema, sweep))
    launch(tmp_path / "run", *TINY, "budget.kimg=0.032", "logger=wandb_offline")
    assert records(tmp_path / "run", "run")[0]["run_group"] == "mine"
    monkeypatch.undo()

    launch(tmp_path / "unused", f"resume={tmp_path / 'run'}", "budget.kimg=0.064")
    assert records(tmp_path / "run", "run")[0]["run_group"] == "mine"


@pytest.mark.slow
def test_the_jobs_of_a_sweep_are_a_group(tmp_path: Path) -> None:
    swept = ["-m", *TINY, "budget.kimg=0.032", "logger=wandb_offline", "seed=0,1", "hydra.sweep.dir=sweeps/mine"]
    done = command(*swept, cwd=tmp_path, timeout=300, WANDB_SILENT="true", OMP_NUM_THREADS="1")

    assert done.returncode == 0, done.stderr
    jobs = sorted(path.parent for path in (tmp_path / "sweeps" / "mine").glob("*/manifest.json"))
    found = [records(job, "run")[0] for job in jobs]
    assert [run["run_group"] for run in found] == ["mine", "mine"]
    assert [run["display_name"][-3:] for run in found] == ["-s0", "-s1"]
    assert found[0]["run_id"] != found[1]["run_id"]


@pytest.mark.slow
def test_a_resumed_run_goes_on_as_the_same_run_and_knows_its_best(cache: str, tmp_path: Path) -> None:
    run = tmp_path / "run"
    arguments = [*overrides_of(0), cache, "logger=wandb_offline", "evaluation.best=label_accuracy"]
    launch(run, *arguments)
    first = tracked(run)
    launch(tmp_path / "unused", f"resume={run}", "budget.kimg=0.48")

    assert first != tracked(run)
    assert first.name.rpartition("-")[2] == tracked(run).name.rpartition("-")[2] == summary(run)["run_id"]
    assert json.loads(_inspect("--summary", first))["name"] == summary(run)["name"]
    assert history(run)[0]["kimg"] > 0.32
    rows = [row for row in read_metrics(run / "metrics.csv") if FID in row]
    assert [row["iteration"] for row in rows] == [8, 16, 24, 30]
    assert summary(run)["summary"]["best"][FID] == pytest.approx(min(row[FID] for row in rows))


def test_a_run_that_fails_is_marked_as_failed(tmp_path: Path) -> None:
    from gan_experiments.callbacks.errors import DivergenceError

    with pytest.raises(DivergenceError):
        launch(tmp_path / "run", *TINY, *GRIDS, "logger=wandb_offline", "optimizer.generator.lr=1e38")

    found = summary(tmp_path / "run")
    assert found["exit_code"] == 1
    assert found["state"] != "finished"
    assert manifest_of(tmp_path / "run")["status"] == "failed"


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


def test_what_wandb_does_not_take_is_said_and_the_run_goes_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        launch(tmp_path / "run", *TINY, "logger=wandb_offline", f"tags=[{'x' * 65}]")

    assert "Tags must be between 1 and 64 characters" in caplog.text
    assert manifest_of(tmp_path / "run")["status"] == "finished"


@pytest.mark.slow
def test_what_wandb_refuses_is_said_once_and_costs_nothing_else(
    cache: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*arguments: Any, **named: Any) -> None:
        raise ConnectionResetError("Connection lost")

    for kind in (wandb.Histogram, wandb.Table):
        monkeypatch.setattr(kind, "__init__", refuse)
    with caplog.at_level(logging.WARNING):
        results = launch(tmp_path / "run", *overrides_of(0), cache, "logger=wandb_offline")

    said = [record.getMessage() for record in caplog.records if "Connection lost" in record.getMessage()]
    assert [line.partition(" ")[0] for line in said] == ["WandbTracker.log_scores", "WandbTracker.log_samples"]
    assert summary(tmp_path / "run")["summary"][FID] == pytest.approx(results[FID])
    assert summary(tmp_path / "run")["exit_code"] == 0
    assert "best" in artifact(tmp_path / "run", "model")[0]["aliases"]
