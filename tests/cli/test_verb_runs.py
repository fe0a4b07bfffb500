"""`list`, `runs`, `show` and `diff` over runs in every state, and over what is none."""

import json
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from launching import values_of

from cli.conftest import Verb, change_manifest
from gan_experiments.runs.run import Run, locked

Copy = Callable[..., Path]
ODD = "a b=c <script> [red]x[bold]"
WIDTH = 80


@pytest.fixture
def states(copy_of: Copy, finished: Path, unconditional: Path, tmp_path: Path) -> Path:
    """A directory of runs in every state, with odd names, and things that are none."""
    copy_of(finished, f"outputs/{ODD}", started="2026-01-01T00:00:00Z", config={"name": "[green]my <b>run</b>"})
    copy_of(unconditional, "outputs/failed", status="failed", error="it broke [/red]", started="2026-01-02T00:00:00Z")
    copy_of(finished, "outputs/interrupted", status="interrupted", started="2026-01-03T00:00:00Z", seed=3)
    copy_of(finished, "outputs/killed", status="running", started="2026-01-04T00:00:00Z")
    copy_of(finished, "outputs/running", status="running", started="2026-01-05T00:00:00Z")
    outputs = tmp_path / "outputs"
    (outputs / "running" / "results.json").unlink()
    (outputs / "empty").mkdir()
    for name, content in {
        "truncated": '{"config": {',
        "foreign": '{"name": "of a browser", "config": {}}',
        "list": "[1, 2]",
        "odd": '{"status": "finished", "config": {"dataset": 3, "evaluation": []}, "overrides": 3, "seed": {}}',
    }.items():
        (outputs / name).mkdir()
        (outputs / name / "manifest.json").write_text(content)
    odd = {"evaluation": {"best": {"key": 3, "value": "x"}, "values": []}, "kimg": []}
    (outputs / "odd" / "results.json").write_text(json.dumps(odd))
    (outputs / "odd" / "metrics.csv").write_bytes(b"\xff\x00,kimg\n1,2\n")
    return outputs


def assert_narrow(text: str) -> None:
    assert max(len(line) for line in text.splitlines()) <= WIDTH


def test_runs_are_listed_in_every_state_newest_first(verb: Verb, states: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with locked(states / "running"):
        said = verb("runs")
        monkeypatch.setenv("COLUMNS", "200")
        wide = verb("runs").out
        listed = json.loads(verb("runs", "--json").out)

    assert said.code == 0, said.err
    assert_narrow(said.out)
    found = {Path(row["path"]).name: row for row in listed}
    assert {name: row["state"] for name, row in found.items()} == {
        ODD: "finished",
        "failed": "failed",
        "interrupted": "interrupted",
        "killed": "interrupted",
        "running": "running",
        "truncated": "unreadable",
        "foreign": "unreadable",
        "list": "unreadable",
        "odd": "finished",
    }
    order = [Path(row["path"]).name for row in listed if row["started"]]
    assert order == ["running", "killed", "interrupted", "failed", ODD]
    for part in (ODD, "[green]my <b>run</b>", "it broke [/red]", "manifest.json cannot be read"):
        assert part in wide, part
    best = found[ODD]["best"]
    assert best["which"] == "best"
    assert best["key"] == "fid/digits_classifier"
    assert best["value"] == Run.read(states / ODD).results["evaluation"]["best"]["value"]
    assert best["protocol"] == values_of(states / ODD)["fid/digits_classifier"].protocol_hash
    assert found["running"]["best"]["which"] == "newest"
    assert found["failed"]["best"] is None
    assert (found["failed"]["kimg"], found["interrupted"]["seed"]) == (0.32, 3)
    assert found[ODD]["age_seconds"] > found["running"]["age_seconds"] > 0


def test_runs_differ_from_those_of_their_experiment_or_from_what_the_yaml_says(
    verb: Verb, copy_of: Copy, finished: Path, unconditional: Path
) -> None:
    config = Run.read(finished).config
    copy_of(finished, "outputs/one", config={"batch_size": 32, "seed": 5, "data_dir": "/elsewhere"})
    copy_of(finished, "outputs/two", config={"optimizer": {**config["optimizer"], "gradient_clip": {"generator": 1}}})
    copy_of(unconditional, "outputs/alone", overrides=["loss=hinge", "seed=3", "data_dir=/x"], experiment="alone")

    found = {Path(row["path"]).name: row["differs"] for row in json.loads(verb("runs", "--json").out)}

    assert found["one"]["batch_size"] == 32
    assert found["two"]["batch_size"] == 16
    assert set(found["one"]) == {"batch_size", "optimizer.gradient_clip.generator"}
    assert found["alone"] == {"loss": "hinge"}


def test_values_of_different_protocols_are_marked(verb: Verb, copy_of: Copy, finished: Path) -> None:
    copy_of(finished, "outputs/one")
    assert "(1)" not in verb("runs").out
    two = copy_of(finished, "outputs/two")
    results = json.loads((two / "results.json").read_text())
    results["evaluation"]["values"]["fid/digits_classifier"]["protocol"]["num_samples"] = 7
    (two / "results.json").write_text(json.dumps(results))

    said = verb("runs").out

    assert "(1) fid" in said
    assert "(2) fid" in said
    assert "cannot be compared" in said


def test_nothing_to_list(verb: Verb, tmp_path: Path) -> None:
    assert "There are no runs in outputs/ yet" in verb("runs").out
    assert json.loads(verb("runs", "--json").out) == []
    said = verb("runs", "nowhere/*")
    assert said.code == 2
    assert "nowhere/* names no directory" in said.err
    (tmp_path / "foreign").mkdir()
    (tmp_path / "file").write_text("")
    assert "holds no manifest.json" in verb("runs", "foreign", "file").out


def test_a_run_is_shown_whatever_its_state(verb: Verb, states: Path) -> None:
    with locked(states / "running"):
        for name in ("failed", "interrupted", "killed", "running", "odd", ODD):
            said = verb("show", states / name)
            assert said.code == 0, said.err
            assert verb("show", states / name, "--json").code == 0
        assert "It cannot be resumed while it is running." in verb("show", states / "running").out
    (line,) = (line for line in verb("show", states / ODD).out.splitlines() if "resume=" in line)
    assert f"resume='{states / ODD}'" in shlex.split(line)  # as the shell hands it to Hydra, which unquotes it again
    assert "it broke [/red]" in verb("show", states / "failed").out
    for name in ("truncated", "foreign", "list", "empty", "nothing"):
        said = verb("show", states / name)
        assert said.code == 2
        assert "is not a run directory" in said.err


def test_all_that_is_known_of_a_run_is_shown(verb: Verb, copy_of: Copy, finished: Path) -> None:
    alarms = [{"alarm": "collapse", "iteration": 8, "kimg": 0.128, "action": "warn", "message": "[b]all alike"}]
    run = copy_of(finished, "run", alarms=alarms)
    record = Run.read(run)

    said = verb("show", run)
    facts = json.loads(verb("show", run, "--json").out)

    value = values_of(run)["fid/digits_classifier"]
    loss = next(row["generator/loss"] for row in reversed(record.rows) if "generator/loss" in row)
    for part in (
        "finished", "notes: a <b>note</b>", "1,500", "torch: ", f"generator/loss: {loss:.4g}",
        f"generator {record.manifest.parameters['generator']:,}", f"{value.value:.4g}", value.protocol_hash,
        "[b]all alike", str(run / "checkpoints" / "best.pt"),
        str(run / "samples" / "real.png"), "20 iterations, 0.32 kimg", f"resume={run}", "budget.kimg=MORE",
    ):  # fmt: skip
        assert part in said.out, part
    assert facts["losses"]["generator/loss"] == loss
    assert facts["metrics"][0]["value"] == value.value
    assert facts["metrics"][0]["protocol"]["num_samples"] == 300
    assert set(facts["checkpoints"]) == {str(path) for path in (run / "checkpoints").glob("*.pt")}


def test_a_run_without_checkpoints_of_its_state_cannot_go_on(verb: Verb, copy_of: Copy, unconditional: Path) -> None:
    run = copy_of(unconditional, "run", status="failed", error="early")
    for path in (run / "checkpoints").iterdir():
        path.unlink()

    said = verb("show", run).out

    assert ".pt" not in said
    assert "It has no checkpoint of its last state, so it cannot be resumed" in said
    assert "Nothing was measured." in said
    for name in ("best.pt", "diverged.pt"):  # weights to use and to look at, from which no run can go on
        (run / "checkpoints" / name).touch()
    said = verb("show", run).out
    assert "diverged.pt" in said
    assert "It has no checkpoint of its last state, so it cannot be resumed" in said
    assert "resume=" not in said


def test_two_runs_are_compared(verb: Verb, copy_of: Copy, finished: Path) -> None:
    config = Run.read(finished).config
    first = copy_of(finished, f"{ODD} 1")
    model = {**config["model"], "name": "[red]other"}
    data = {"fingerprint": "other", "num_train": 9}
    second = copy_of(finished, "second", config={"batch_size": 32, "model": model}, data=data)
    versions = {**Run.read(first).manifest.versions, "torch": "1.0"}
    change_manifest(second, versions=versions)
    results = json.loads((second / "results.json").read_text())
    values = results["evaluation"]["values"]
    values["fid/digits_classifier"]["protocol"]["num_samples"] = 7
    values["only/here"] = {**values["fid_half/digits_classifier"], "part_of": None}
    (second / "results.json").write_text(json.dumps(results))

    said = verb("diff", first, second)
    found: dict[str, Any] = json.loads(verb("diff", first, second, "--json").out)

    assert said.code == 0, said.err
    assert_narrow("\n".join(line for line in said.out.splitlines() if not line.startswith(("A: ", "B: ", "(", "Of "))))
    assert found["config"] == {"batch_size": [16, 32], "model.name": [config["model"]["name"], "[red]other"]}
    assert found["environment"]["versions.torch"][1] == "1.0"
    assert found["environment"]["data.fingerprint"][1] == "other"
    metrics = {row["key"]: row for row in found["metrics"]}
    assert not metrics["fid/digits_classifier"]["comparable"]
    assert metrics["fid/digits_classifier"]["note"] == "not comparable, protocols differ: num_samples 300 / 7"
    assert metrics["fid_half/digits_classifier"]["comparable"]
    assert metrics["only/here"]["measured_of"] == ["B"]
    for part in ("[red]other", "num_samples 300 / 7", "Of B alone: only/here", str(first)):
        assert part in said.out, part


def test_a_shared_protocol_is_compared_rather_than_the_newest(verb: Verb, copy_of: Copy, finished: Path) -> None:
    first, second = copy_of(finished, "first"), copy_of(finished, "second")
    entry = dict(json.loads((first / "results.json").read_text())["evaluation"]["values"]["fid/digits_classifier"])
    entry |= {"value": 1e9, "protocol": {**entry["protocol"], "num_samples": 9}}
    (first / "evaluation").mkdir()
    (first / "evaluation" / "new.json").write_text(json.dumps({"values": {"fid/digits_classifier": entry}}))

    (row, *_) = json.loads(verb("diff", first, second, "--json").out)["metrics"]

    assert row["comparable"]
    assert row["values"][0] == row["values"][1] < 1e9


def test_equal_runs_have_no_difference(verb: Verb, finished: Path, unconditional: Path) -> None:
    said = verb("diff", finished, finished).out

    assert "config: no difference" in said
    assert "data, versions: no difference" in said
    assert "Neither has measured anything." in verb("diff", unconditional, unconditional).out
    assert verb("diff", finished, "nowhere").code == 2


def test_experiments_and_parts_are_listed_with_what_their_yaml_says(verb: Verb, tmp_path: Path) -> None:
    own = tmp_path / "my conf"
    for path, text in {
        "experiment/mine.yaml": "# @package _global_\n#\n# Mine: [red]a <b>\n# second line.\n\n# not this\nseed: 1\n",
        "loss/hinge.yaml": "# Hidden by the package's own.\n",
        "loss/none_said.yaml": "a: 1\n# too late\n",
        "group of mine/part.yaml": "# Part.\n",
    }.items():
        (own / path).parent.mkdir(parents=True, exist_ok=True)
        (own / path).write_text(text)
    (own / "loss" / "broken.yaml").write_bytes(b"# \xff\xfe no text\n")
    (own / "loss" / "gone.yaml").symlink_to("nowhere")

    said = verb("list", "--config-dir", own)
    assert said.code == 0
    assert_narrow(said.out)
    assert "fmnist_acgan" in said.out
    assert "Report E: DCGAN with a class head" in said.out
    assert "Mine: [red]a <b> second line." in said.out
    assert "loss/term" in said.out
    assert "group of mine" in said.out
    losses = json.loads(verb("list", "loss", "--config-dir", own, "--json").out)
    assert losses["hinge"]["about"].startswith("Lim & Ye 2017")
    assert losses["none_said"]["about"] == ""
    assert "gone" in losses
    assert json.loads(verb("list", "loss/term", "--json").out)["r1"]["about"].startswith("Mescheder")
    said = verb("list", "los")
    assert said.code == 2
    assert "there is no config group 'los'; did you mean 'loss'?" in said.err
    assert verb("list", "--config-dir", "nowhere").code == 2


def test_a_run_that_is_training_says_for_how_long(verb: Verb, copy_of: Copy, unconditional: Path) -> None:
    run = copy_of(unconditional, "run", status="running")

    with locked(run):
        assert "time: this session has been running for " in verb("show", run).out
    assert "in 1 session\n" in verb("show", run).out


def test_completion_can_be_installed(verb: Verb) -> None:
    assert "--install-completion" in verb("--help").out


def test_help_needs_no_torch() -> None:
    code = "import sys; from gan_experiments import cli; assert not {'torch', 'pytorch_lightning'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", ["list", "runs", "show", "diff", "sample", "export", "clean"])
def test_each_verb_has_help(verb: Verb, name: str) -> None:
    said = verb(name, "--help")

    assert said.code == 0
    assert "Usage" in said.out
