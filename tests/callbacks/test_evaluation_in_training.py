"""Evaluation, the best checkpoint, alarms and rollbacks inside real runs."""

import itertools
import json
import math
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from launching import TINY, launch
from torch import Tensor
from typer.testing import CliRunner

from gan_experiments.callbacks.errors import AlarmError, DivergenceError
from gan_experiments.cli.app import app
from gan_experiments.cli.evaluate import _print
from gan_experiments.formatting import short
from gan_experiments.losses.objective import LossTerm
from gan_experiments.losses.step import Step
from gan_experiments.runs.metrics_csv import SPEED, read_metrics
from gan_experiments.runs.run import load_checkpoint
from gan_experiments.types import MetricValue, UserError

TRAINING = [key for key in TINY if key != "evaluation=none"]
KID = "evaluation.metrics.kid.subset_size=100"
MEASURED = [
    "evaluation.num_samples=300",
    "evaluation.every_kimg=0.128",
    "evaluation/metric=[fid,label_accuracy,class_balance,diversity,discriminator_overfitting]",
]


DEAD = ["model.initialization.std=0", "alarms.dead_generator.every_kimg=0.1", "optimizer.generator.lr=1e-30"]


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GAN_EXPERIMENTS_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that measures nothing. Tests that write into a run copy it."""
    run = tmp_path_factory.mktemp("plain") / "run"
    launch(run, *TINY)
    return run


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same run, measured three times."""
    run = tmp_path_factory.mktemp("measured") / "run"
    launch(run, *TRAINING, *MEASURED)
    return run


def manifest_of(run: Path) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads((run / "manifest.json").read_text())
    return manifest


def weights(run: Path, name: str = "iteration_000000020.pt") -> dict[str, Any]:
    networks: dict[str, Any] = load_checkpoint(run / "checkpoints" / name)["networks"]
    return networks


def rows(run: Path, losses: bool) -> list[dict[str, float]]:
    found = read_metrics(run / "metrics.csv")
    return [
        {key: value for key, value in row.items() if key != SPEED}
        for row in found
        if (row.kind == "training") == losses
    ]


def test_evaluating_changes_nothing_in_training(plain: Path, measured: Path) -> None:
    before, after = weights(plain), weights(measured)
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert rows(plain, losses=True) == rows(measured, losses=True)


def test_values_and_their_protocol_are_written_and_the_best_checkpoint_is_the_best(measured: Path) -> None:
    results = json.loads((measured / "results.json").read_text())

    evaluated = [row["fid/digits_classifier"] for row in rows(measured, losses=False)]
    assert len(evaluated) == 3  # at 8 and 16 iterations, and at the end
    entry = results["evaluation"]["values"]["fid/digits_classifier"]
    assert entry["value"] == results["fid/digits_classifier"] == evaluated[-1]
    assert entry["protocol"]["num_samples"] == 300
    assert len(entry["protocol"]["extractor"]["weights"]) == 16
    chosen = load_checkpoint(measured / "checkpoints" / "best.pt")["chosen_by"]
    assert chosen["value"] == min(evaluated)
    assert chosen["protocol"] == entry["protocol"]


@pytest.mark.slow
def test_the_verb_gives_the_same_values_as_training(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = launch(tmp_path / "run", *TRAINING, *MEASURED, "evaluation.num_seeds=2")

    verb = [sys.executable, "-c", "from gan_experiments.cli.app import main; main()", "evaluate", str(tmp_path / "run")]
    made = subprocess.run([*verb, "--json"], capture_output=True, text=True, check=True, cwd=tmp_path)

    content = json.loads(made.stdout)
    found = content["values"]
    for key in ("fid/digits_classifier", "label_accuracy/digits_classifier", "discriminator_overfitting/discriminator"):
        assert math.isclose(found[key]["by_seed"][0], results[key], rel_tol=1e-5)
        assert len(found[key]["by_seed"]) == 2
        low, high = found[key]["interval"]
        assert low <= found[key]["value"] <= high
    fid = found["fid/digits_classifier"]
    assert fid["floor"] < fid["ceiling"]
    assert fid["floor_count"] == 297
    odd = {"run": "/runs/[red] x", "not_applicable": {"kid/digits_classifier": "it has [bold]no[/bold] images"}}
    values = [MetricValue.from_json(key, entry) for key, entry in found.items()]
    _print(content | odd, values, parts=False)
    printed = capsys.readouterr().out
    (row,) = (line.split() for line in printed.splitlines() if line.split()[:1] == ["fid"])
    low, high = fid["interval"]
    cells = [short(fid["value"]), short((high - low) / 2, 2), f"{short(fid['floor'])}*", short(fid["ceiling"]), "lower"]
    assert row == ["fid", *cells]
    assert ["kid", "n/a"] in [line.split() for line in printed.splitlines()]
    for part in ("/runs/[red] x, ", "is not applicable: it has [bold]no[/bold] images.", "* of fewer images", "297"):
        assert part in printed, part


@pytest.mark.slow
def test_a_run_that_is_extended_equals_a_longer_one(measured: Path, tmp_path: Path) -> None:
    launch(tmp_path / "long", *TRAINING, *MEASURED, "budget.kimg=0.64")
    shutil.copytree(measured, tmp_path / "short")
    launch(tmp_path / "short", f"resume={tmp_path / 'short'}", "budget.kimg=0.64")

    for losses in (True, False):
        assert rows(tmp_path / "long", losses) == rows(tmp_path / "short", losses)


def test_training_stops_when_the_chosen_value_no_longer_improves(tmp_path: Path) -> None:
    stuck = ["optimizer.generator.lr=1e-30", "optimizer.discriminator.lr=1e-30", "evaluation.patience_kimg=0.1"]
    results = launch(tmp_path / "run", *TRAINING, *MEASURED, *stuck, "budget.kimg=3.2")

    evaluated = [row["fid/digits_classifier"] for row in rows(tmp_path / "run", losses=False)]
    assert results["kimg"] < 3.2
    assert evaluated[-1] >= min(evaluated[:-1])


def test_an_unknown_choice_of_the_best_names_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"evaluation.best=fidd is no value .*'fid'.*'label_accuracy'"):
        launch(tmp_path / "run", *TRAINING, *MEASURED, "evaluation.best=fidd")

    assert not (tmp_path / "run").exists()


def test_exploding_weights_stop_the_run_with_a_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(AlarmError, match=r"Alarm divergence at .* training diverges"):
        launch(tmp_path / "run", *TINY, "loss=wgan_gp", "optimizer.discriminator.lr=10")

    assert list((tmp_path / "run" / "checkpoints").glob("iteration_*.pt"))
    manifest = manifest_of(tmp_path / "run")
    assert [entry["alarm"] for entry in manifest["alarms"]] == ["divergence"]


def test_a_dead_generator_is_reported_once_also_when_the_run_goes_on(tmp_path: Path) -> None:
    launch(tmp_path / "run", *TINY, *DEAD)
    assert [entry["alarm"] for entry in manifest_of(tmp_path / "run")["alarms"]] == ["dead_generator"]

    launch(tmp_path / "run", f"resume={tmp_path / 'run'}", "budget.kimg=0.64")
    assert [entry["alarm"] for entry in manifest_of(tmp_path / "run")["alarms"]] == ["dead_generator"]


def test_a_rollback_goes_back_to_the_best_and_on_with_another_stream_then_stops(tmp_path: Path) -> None:
    diverging = ["alarms.divergence.action=rollback", "alarms.divergence.max_rollbacks=2", "budget.kimg=0.64"]
    always = ["alarms.divergence.loss_limit=0.0001", "log_every_iterations=15"]  # at iteration 15, whatever the loss is

    with pytest.raises(AlarmError, match="rolled back 2 times already"):
        launch(tmp_path / "run", *TRAINING, *MEASURED, *diverging, *always)

    manifest = manifest_of(tmp_path / "run")
    assert [back["from"] for back in manifest["rollbacks"]] == [15, 15]
    assert [back["to"] for back in manifest["rollbacks"]] == [8, 8]
    losses = [row["discriminator/loss"] for row in rows(tmp_path / "run", losses=True)]
    assert len(losses) == 1  # rows of what was rolled back are gone
    assert load_checkpoint(tmp_path / "run" / "checkpoints" / "iteration_000000015.pt")["clock"]["rollbacks"] == 2


class SometimesNan(LossTerm):
    """No number at every sixth step of the generator."""

    calls: ClassVar[Iterator[int]] = itertools.count(1)

    def generator_loss(self, step: Step) -> Tensor:
        return step.fake.images.mean() * (math.nan if next(self.calls) % 6 == 0 else 0.0)


def test_a_loss_that_is_no_number_is_rolled_back_and_reported(tmp_path: Path) -> None:
    fault = [f"+loss.fault._target_={__name__}.SometimesNan", "log_every_iterations=1", "checkpoint_every_kimg=0.016"]
    rollback = ["alarms.divergence.action=rollback", "alarms.divergence.max_rollbacks=1"]
    with pytest.raises(DivergenceError, match="generator/fault became nan"):
        launch(tmp_path / "run", *TINY, *fault, *rollback)

    manifest = manifest_of(tmp_path / "run")
    assert [(entry["alarm"], entry["action"]) for entry in manifest["alarms"]] == [
        ("divergence", "rollback"),
        ("divergence", "stop"),
    ]
    assert len(manifest["rollbacks"]) == 1


def test_a_best_by_another_measure_is_not_compared_with(measured: Path, tmp_path: Path) -> None:
    shutil.copytree(measured, tmp_path / "run")
    results = launch(
        tmp_path / "run", f"resume={tmp_path / 'run'}", "budget.kimg=0.64", "evaluation.best=feature_diversity"
    )

    assert results["evaluation"]["best"]["key"] == "feature_diversity/digits_classifier"
    assert load_checkpoint(tmp_path / "run" / "checkpoints" / "best.pt")["chosen_by"] == results["evaluation"]["best"]


def test_a_regime_leaves_the_images_that_samples_are_compared_with(tmp_path: Path) -> None:
    few = ["regime=first_n", "regime.first_n.num_images=100", "evaluation/metric=[fid,memorization]"]
    results = launch(tmp_path / "run", *TRAINING, *MEASURED, *few)

    protocols = {key: entry["protocol"] for key, entry in results["evaluation"]["values"].items()}
    assert protocols["fid/digits_classifier"]["reference"]["count"] == 1500
    assert protocols["memorization_ratio/digits_classifier"]["training"]["count"] == 100
    assert manifest_of(tmp_path / "run")["data"]["num_train"] == 100


def test_a_regime_of_more_images_than_there_are(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"regime.first_n.num_images=2000, but there are 1500 training images"):
        launch(tmp_path / "run", *TINY, "regime=first_n", "regime.first_n.num_images=2000")


def test_the_verb_measures_the_best_checkpoint_by_other_metrics(measured: Path, tmp_path: Path) -> None:
    run = shutil.copytree(measured, tmp_path / "run")

    chosen = load_checkpoint(run / "checkpoints" / "best.pt")["chosen_by"]["iteration"]
    answer = CliRunner().invoke(
        app, ["evaluate", str(run), "--checkpoint=best", "--json", "evaluation/metric=[kid]", KID]
    )
    assert answer.exit_code == 0, answer.exception
    content = json.loads(answer.stdout)
    assert content["iteration"] == chosen
    assert content["num_samples"] == 300  # as the run has it
    assert content["values"].keys() == {"kid/digits_classifier"}


@pytest.mark.parametrize("override", ["seed=1", "evaluation.num_samples=-5", "evaluation.num_seeds=0"])
def test_the_verb_refuses_what_cannot_be_measured(override: str, plain: Path) -> None:
    answer = CliRunner().invoke(app, ["evaluate", str(plain), override])

    assert isinstance(answer.exception, UserError)
    assert override.partition("=")[0] in str(answer.exception)
    assert not (plain / "evaluation").exists()
