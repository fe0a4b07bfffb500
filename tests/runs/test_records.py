"""Records of runs: found wherever they lie, read in whatever state, with what they differ in."""

import fcntl
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from launching import values_of

from gan_experiments.runs.manifest import Manifest
from gan_experiments.runs.run import Run, differing_keys, find_runs
from gan_experiments.types import UserError


def write(directory: Path, status: str = "finished", choices: dict[str, Any] | None = None, **config: Any) -> Path:
    directory.mkdir(parents=True)
    manifest = {"status": status, "choices": choices or {}, "config": {"seed": 0} | config}
    (directory / "manifest.json").write_text(json.dumps(manifest))
    return directory


def entry(value: Any, num_samples: int = 100, **more: Any) -> dict[str, Any]:
    return {"value": value, "protocol": {"num_samples": num_samples}, "higher_is_better": True} | more


def record(config: dict[str, Any], choices: Any = None) -> Run:
    return Run(Path("/runs/x"), "finished", "", Manifest.model_validate({"config": config, "choices": choices or {}}))


def test_runs_are_found_below_what_is_named(tmp_path: Path) -> None:
    for name in ("sweep/0", "sweep/1", "single"):
        write(tmp_path / name)
    (tmp_path / "sweep" / "0" / "inner").mkdir()
    (tmp_path / "sweep" / "notes.txt").write_text("x")

    found = find_runs([tmp_path / "sweep", str(tmp_path / "s*"), tmp_path / "single"])

    assert [one.directory for one in found] == [tmp_path / "sweep" / "0", tmp_path / "sweep" / "1", tmp_path / "single"]


def test_a_link_to_a_run_is_that_run(tmp_path: Path) -> None:
    run = write(tmp_path / "run")
    (tmp_path / "latest").symlink_to(run)

    assert len(find_runs([tmp_path / "latest", run])) == 1


def test_names_with_brackets_are_names(tmp_path: Path) -> None:
    for name in ("run[1]", "run1"):
        write(tmp_path / name)

    assert [one.directory.name for one in find_runs([tmp_path / "run[1]"])] == ["run[1]"]
    assert [one.directory.name for one in find_runs([tmp_path / "run?"])] == ["run1"]


@pytest.mark.parametrize("path", ["~nobody_of_this_name/runs", "x" * 5000, "loop/run", ""])
def test_paths_that_lead_nowhere(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("loop").symlink_to("loop")

    with pytest.raises(UserError, match="names no directory"):
        find_runs([path])


def test_a_link_that_leads_nowhere_is_told(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")

    (found,) = find_runs([tmp_path / "loop"])

    assert found.state == "unreadable"


def test_a_path_that_names_nothing(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere/\* names no directory"):
        find_runs([tmp_path / "nowhere" / "*"])


def test_what_is_no_run_is_told(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x")
    (tmp_path / "sweep").mkdir()
    (tmp_path / "sweep" / "sweep.json").write_text("{}")

    found = find_runs([tmp_path / name for name in ("empty", "file", "sweep")])

    assert {one.directory.name: one.problem for one in found} == {
        "empty": "it holds no manifest.json",
        "file": "it is a file",
        "sweep": "it is a sweep of which no job has begun",
    }
    assert Run.read(tmp_path / "gone").problem == "it does not exist"
    assert Run.read(tmp_path / "gone").problems == ["it does not exist"]


@pytest.mark.parametrize("status", ["odd", None, 3])
def test_an_unknown_status_is_told(status: Any, tmp_path: Path) -> None:
    found = Run.read(write(tmp_path / "run", status))

    assert found.state == "unreadable"
    assert f"unknown status {status!r}" in found.problem


def test_a_run_of_an_older_version_is_listed_but_not_opened(tmp_path: Path) -> None:
    run = write(tmp_path / "run")
    manifest = json.loads((run / "manifest.json").read_text())
    older = {"format": 1, "experiment": "some", "versions": {"gan_experiments": "0.1.0"}}
    (run / "manifest.json").write_text(json.dumps(manifest | older))

    found = Run.read(run)

    assert (found.state, found.manifest.experiment) == ("unreadable", "some")
    assert "made by gan_experiments 0.1.0" in found.problem
    with pytest.raises(UserError, match=r"resume=.* cannot be used: it was made by gan_experiments 0\.1\.0"):
        Run.open(run, f"resume={run}")


def test_a_run_may_be_moved(tmp_path: Path) -> None:
    run = write(tmp_path / "run")
    (run / "checkpoints").mkdir()
    (run / "checkpoints" / "iteration_000000020.pt").touch()

    moved = Run.read(run.rename(tmp_path / "moved"))

    assert moved.go_on.startswith(f"python -m gan_experiments resume={tmp_path / 'moved'} ")


def test_a_run_is_running_while_a_process_holds_it(tmp_path: Path) -> None:
    run = write(tmp_path / "run", "running")
    assert Run.read(run).state == "interrupted"
    descriptor = os.open(run, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)

    assert Run.read(run).state == "running"

    os.close(descriptor)
    assert Run.read(run).state == "interrupted"


def test_values_by_protocol_the_newest_first_of_all(tmp_path: Path) -> None:
    run = write(tmp_path / "run")
    (run / "evaluation").mkdir()
    training = {"kimg": 5.0, "evaluation": {"values": {"fid/x": entry(1.0), "kid/x": entry(0.1)}}}
    (run / "results.json").write_text(json.dumps(training))
    again = {"kimg": 4.0, "values": {"fid/x": entry(2.0, interval=[1.5, 2.5])}}
    other = {"kimg": 3.0, "values": {"fid/x": entry(3.0, num_samples=50)}}
    for age, (name, content) in enumerate({"b": again, "a": other}.items()):
        (run / "evaluation" / f"{name}.json").write_text(json.dumps(content))
        os.utime(run / "evaluation" / f"{name}.json", (age, age))

    found = Run.read(run)

    assert [(key, value.value, value.kimg) for (key, _), value in found.measured().items()] == [
        ("fid/x", 3.0, 3.0),  # of fewer samples
        ("kid/x", 0.1, 5.0),
        ("fid/x", 2.0, 4.0),  # of the same protocol as in training, and newer
    ]
    assert values_of(run)["kid/x"].interval is None
    assert len({protocol for _, protocol in found.measured()}) == 2


def test_of_two_values_by_one_protocol_the_later_iteration_counts(tmp_path: Path) -> None:
    """A run that was evaluated and then trained on has newer values than its evaluation, whatever the files' times."""
    run = write(tmp_path / "run")
    (run / "evaluation").mkdir()
    training = {"iterations": 30, "kimg": 3.0, "evaluation": {"values": {"fid/x": entry(1.0)}}}
    (run / "results.json").write_text(json.dumps(training))
    for iteration, value in ((10, 5.0), (20, 4.0)):
        content = {"iteration": iteration, "kimg": iteration / 10, "values": {"fid/x": entry(value)}}
        (run / "evaluation" / f"{iteration}.json").write_text(json.dumps(content))

    assert (values_of(run)["fid/x"].value, values_of(run)["fid/x"].kimg) == (1.0, 3.0)
    assert [value.value for value in Run.read(run).measured(20).values()] == [4.0]

    write_again = {"iteration": 30, "kimg": 3.0, "values": {"fid/x": entry(1.5, interval=[1.0, 2.0])}}
    (run / "evaluation" / "30.json").write_text(json.dumps(write_again))
    assert values_of(run)["fid/x"].value == 1.5


def test_the_command_of_a_job_begins_no_sweep() -> None:
    words = ["+experiment=some", "+sweep=seeds", "seed=1", "hydra.sweep.dir=x", "name=a b"]
    started = ["python", "-m", "gan_experiments", "--config-dir", "mine", "+sweep=seeds"]
    job = Run(
        Path("/runs/x"), "finished", "", Manifest.model_validate({"config": {}, "overrides": words, "command": started})
    )

    assert job.command == "python -m gan_experiments --config-dir mine +experiment=some seed=1 'name=a b'"


def test_a_finished_run_goes_on_by_the_kind_of_budget_that_it_had(tmp_path: Path) -> None:
    run = write(tmp_path / "run", budget={"epochs": None, "kimg": 2.0, "generator_steps": None})
    (run / "checkpoints").mkdir()
    (run / "checkpoints" / "iteration_000000020.pt").touch()
    assert Run.read(run).go_on.endswith(" budget.kimg=MORE")


@pytest.mark.parametrize(
    ("state", "checkpoints", "ending"),
    [
        ("finished", ["iteration_000000020.pt", "best.pt"], " budget.epochs=MORE"),
        ("failed", ["iteration_000000020.pt", "diverged.pt"], ""),
        ("interrupted", ["iteration_000000020.pt"], ""),
        ("failed", ["diverged.pt", "best.pt"], None),
        ("interrupted", ["best.pt"], None),
        ("finished", [], None),
    ],
)
def test_only_a_checkpoint_of_a_runs_own_state_is_gone_on_from(
    state: str, checkpoints: list[str], ending: str | None, tmp_path: Path
) -> None:
    run = write(tmp_path / "run", state)
    (run / "checkpoints").mkdir()
    for name in checkpoints:
        (run / "checkpoints" / name).touch()

    found = Run.read(run)

    assert found.go_on == ("" if ending is None else f"python -m gan_experiments resume={run}{ending}")
    assert any("resume=RUN" in problem for problem in found.problems) == (state == "interrupted" and bool(found.go_on))


def test_what_runs_say_of_their_training_is_read_whatever_else_stands_there(tmp_path: Path) -> None:
    run = write(tmp_path / "run")
    manifest = json.loads((run / "manifest.json").read_text())
    sessions = [{"seconds": 2.5}, 7, {"seconds": "long"}, {"seconds": float("nan")}, {"seconds": 4}]
    git = {"git": {"commit": "ba6c", "dirty": True}, "user_git": {"commit": "f00d"}, "alarms": 3}
    (run / "manifest.json").write_text(json.dumps(manifest | git | {"sessions": sessions}))
    (run / "metrics.csv").write_text("kimg,iteration,generator_steps,loss\n1,2,2,5\n3,4,,\n")
    (run / "results.json").write_text('{"evaluation": {"best": {"key": "fid/x", "value": 3.5}}}')

    found = Run.read(run)

    assert found.seconds == 6.5
    assert found.manifest.alarms == []
    assert [found.commit(), found.commit("user_git")] == [
        "ba6c (with uncommitted changes)", "f00d",
    ]  # fmt: skip
    assert found.reached == {"iteration": 4, "kimg": 3, "generator_steps": 2}
    assert found.best == {"key": "fid/x", "value": 3.5}
    for broken in ('{"evaluation": {"best": [1]}}', '{"evaluation": 3}', "{"):
        (run / "results.json").write_text(broken)
        assert Run.read(run).best == {}


def test_metrics_that_cannot_be_opened_leave_the_rest_readable(tmp_path: Path) -> None:
    run = write(tmp_path / "run")
    (run / "metrics.csv").mkdir()

    assert Run.read(run).rows == []


@pytest.mark.parametrize(
    ("value", "read"), [(None, None), (float("nan"), None), (float("inf"), None), (3, 3.0), ("3", "left out")]
)
def test_values_that_are_no_numbers(value: Any, read: Any, tmp_path: Path) -> None:
    run = write(tmp_path / "run")
    values = {"a/x": entry(value), "b/x": entry(1.0, interval=[float("nan"), 2.0])}
    (run / "results.json").write_text(json.dumps({"evaluation": {"values": values}}))

    found = values_of(run)

    assert ("a/x" in found) == (read != "left out")
    assert read == "left out" or found["a/x"].value == read
    assert found["b/x"].interval is None


@pytest.mark.parametrize(
    ("text", "kimgs", "damaged"),
    [
        ("kimg,loss\n1,2\n2,\n3,4", [1, 2], 1),
        ("kimg,loss\n1,2\nx,2\n3,4\n", [1, 3], 1),
        ("kimg,loss\n1,2\n1,2,3\n1\n3,4\n", [1, 3], 2),
        ("kimg,loss\n", [], 0),
        ("kimg", [], 1),
        ("", [], 0),
        ('kimg,loss\n"1,2\n3,4\n', [3], 1),
        ("a\0b\n1\n", [None], 0),
    ],
)
def test_lines_that_cannot_be_read_are_counted(
    text: str, kimgs: list[float | None], damaged: int, tmp_path: Path
) -> None:
    run = write(tmp_path / "run")
    (run / "metrics.csv").write_text(text)
    (run / "results.json").write_text('{"kimg": 1}')

    found = Run.read(run)

    assert [row.get("kimg") for row in found.rows] == kimgs
    told = [problem for problem in found.problems if "metrics.csv cannot be read" in problem]
    assert told == ([f"{damaged} line{'s' * (damaged > 1)} of metrics.csv cannot be read"] if damaged else [])


def test_a_running_run_may_be_writing_a_line(tmp_path: Path) -> None:
    run = write(tmp_path / "run", "running")
    (run / "metrics.csv").write_text("kimg\n1\n2")
    descriptor = os.open(run, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)

    assert Run.read(run).problems == []
    os.close(descriptor)


def test_a_record_of_a_vanished_run_is_empty(tmp_path: Path) -> None:
    found = Run.read(write(tmp_path / "run"))
    shutil.rmtree(tmp_path / "run")

    assert (found.rows, found.results, found.measured(), found.grids) == ([], {}, {}, [])
    assert found.problems == ["it holds no results.json", "it holds no metrics.csv"]


def test_a_choice_stands_for_the_keys_that_follow_from_it() -> None:
    first = record({"loss": {"hinge": {"weight": 1}}, "lr": 1, "augment": {}}, {"loss": "hinge", "augment": "none"})
    second = record(
        {"loss": {"bce": {"weight": 1}}, "lr": 2, "augment": {"flip": {"p": 0.5}}}, {"loss": "bce", "augment": "flip"}
    )

    assert differing_keys([first, second]) == ["loss", "augment", "lr"]
    assert [first.settings[key] for key in ("loss", "augment", "lr")] == ["hinge", "none", 1]


def test_a_key_set_besides_its_choice_is_named() -> None:
    runs = [
        record({"loss": {name: {"weight": weight}}}, {"loss": name})
        for name, weight in (("hinge", 1), ("hinge", 2), ("bce", 1))
    ]

    assert differing_keys(runs) == ["loss", "loss.hinge.weight"]


def test_a_choice_inside_a_group_stands_for_its_keys() -> None:
    runs = [
        record({"optimizer": {"learning_rate": {"kind": name}}}, {"optimizer/learning_rate": name})
        for name in ("constant", "linear")
    ]

    assert differing_keys(runs) == ["optimizer/learning_rate"]


def test_places_do_not_differ() -> None:
    runs = [record({"data_dir": f"/{i}", "dataset": {"path": f"/{i}/x"}, "seed": i}) for i in range(2)]

    assert differing_keys(runs) == ["seed"]
    assert differing_keys([record({"seed": 0}), Run(Path("/"), "unreadable")]) == []


def test_odd_manifests_have_empty_parts() -> None:
    odd = Run(Path("/runs/x"), "finished", "", Manifest.model_validate({"config": {"name": 3}, "choices": ["a"]}))

    assert odd.choices == {}
    assert odd.name == "3"
    assert differing_keys([odd, record({"name": "b"})]) == ["name"]
