"""`clean`: only what is certainly no longer needed, and only after asking."""

import io
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.conftest import Verb
from gan_experiments.io import write_atomically
from gan_experiments.runs.clean import removable, remove
from gan_experiments.runs.run import Run, locked

Copy = Callable[..., Path]


def files(directory: Path) -> set[str]:
    found = {str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()}
    return {re.sub(r"\.pt\.[0-9a-f]{8}\.", ".pt.RANDOM.", name) for name in found}


@pytest.fixture
def outputs(copy_of: Copy, finished: Path, unconditional: Path, tmp_path: Path) -> Path:
    """Runs in every state; the finished ones are `done` (five checkpoints) and `best` (two and best.pt)."""
    done = copy_of(unconditional, "outputs/done")
    left: list[Path] = []  # by a kill while a checkpoint was written
    write_atomically(done / "checkpoints" / "iteration_000000013.pt", lambda file: left.append(Path(file.name)))
    (done / "checkpoints" / "iteration_000000013.pt").rename(left[0])
    (done / "checkpoints" / "diverged.pt").write_text("of a rollback")
    (done / "checkpoints" / "mine.pt").write_text("kept by hand")
    copy_of(finished, "outputs/best")
    copy_of(unconditional, "outputs/interrupted", status="interrupted")
    copy_of(unconditional, "outputs/failed late", status="failed", error="x")
    for name in ("failed early", "failed and more", "running"):
        run = copy_of(unconditional, f"outputs/{name}", status="failed" if "failed" in name else "running", error="x")
        for path in (run / "checkpoints").iterdir():
            path.unlink()
    (tmp_path / "outputs" / "failed and more" / "paper.tex").write_text("mine")
    (tmp_path / "outputs" / "foreign" / "checkpoints").mkdir(parents=True)
    (tmp_path / "outputs" / "foreign" / "checkpoints" / "iteration_000000001.pt").write_text("not ours")
    return tmp_path / "outputs"


DELETED = {
    *(f"done/checkpoints/iteration_{number:09d}.pt" for number in (4, 8, 12, 16)),
    "done/checkpoints/.iteration_000000013.pt.RANDOM.partial",
    "done/checkpoints/diverged.pt",
    "best/checkpoints/iteration_000000016.pt",
}


def test_old_checkpoints_and_early_failures_go_and_nothing_else(verb: Verb, outputs: Path) -> None:
    before = files(outputs)
    early = {name for name in before if name.startswith("failed early/")}

    with locked(outputs / "running"):
        said = verb("clean", "--yes")

    assert said.code == 0, said.err
    assert before - files(outputs) == DELETED | early
    assert not (outputs / "failed early").exists()
    assert "running (it is running)" in said.out
    assert "Deleted: " in said.out
    assert "There is nothing to delete." in verb("clean", "--yes").out


def test_nothing_goes_without_a_yes(verb: Verb, outputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = files(outputs)
    monkeypatch.setenv("COLUMNS", "200")

    said = verb("clean", "--dry-run")
    assert said.code == 0
    assert "outputs/done/checkpoints/iteration_000000004.pt " in said.out
    assert "Nothing was deleted (--dry-run)." in said.out
    for answer in ("n\n", "\n", ""):
        monkeypatch.setattr(sys, "stdin", io.StringIO(answer))
        said = verb("clean")
        assert said.code == 1
        assert "Delete them?" in said.out
    assert files(outputs) == before
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert verb("clean", outputs / "best").code == 0
    assert before - files(outputs) == {"best/checkpoints/iteration_000000016.pt"}


def test_a_run_that_was_cleaned_can_still_be_drawn_from(verb: Verb, outputs: Path) -> None:
    assert verb("clean", "--yes").code == 0

    for run, checkpoint in (("done", "last"), ("best", "last"), ("best", "best")):
        assert verb("sample", outputs / run, "--checkpoint", checkpoint, "-n", 1, "-o", "x.png", "--force").code == 0


def test_the_newest_whole_checkpoint_stays_where_newer_ones_are_damaged(copy_of: Copy, unconditional: Path) -> None:
    run = copy_of(unconditional, "run")
    for number in (16, 20):
        path = run / "checkpoints" / f"iteration_{number:09d}.pt"
        path.write_bytes(path.read_bytes()[:-100])

    assert [removal.path.name for removal in removable(Run.read(run))] == [
        "iteration_000000004.pt",
        "iteration_000000008.pt",
    ]
    for path in (run / "checkpoints").iterdir():
        path.write_bytes(b"broken")
    assert removable(Run.read(run)) == []


def test_links_are_not_followed(copy_of: Copy, unconditional: Path, tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    linked = copy_of(unconditional, "linked")
    (linked / "checkpoints").rename(tmp_path / "precious" / "checkpoints")
    (linked / "checkpoints").symlink_to(tmp_path / "precious" / "checkpoints")
    early = copy_of(unconditional, "early", status="failed")
    for path in (early / "checkpoints").iterdir():
        path.unlink()
    (early / "wandb").symlink_to(tmp_path / "precious")

    assert removable(Run.read(linked)) == []
    assert removable(Run.read(early)) == []


def test_a_run_that_is_resumed_after_it_was_listed_is_left_alone(outputs: Path) -> None:
    planned = removable(Run.read(outputs / "done"))

    with locked(outputs / "done"):
        assert all("another process" in prevented for _, prevented in remove(planned))
    manifest = json.loads((outputs / "done" / "manifest.json").read_text())
    (outputs / "done" / "manifest.json").write_text(json.dumps(manifest | {"status": "interrupted"}))
    assert {prevented for _, prevented in remove(planned)} == {"it has changed meanwhile"}
    assert all(removal.path.exists() for removal in planned)


def test_a_run_that_vanishes_meanwhile_is_no_error(outputs: Path) -> None:
    planned = removable(Run.read(outputs / "failed early"))
    (outputs / "failed early").rename(outputs / "moved")

    assert [prevented != "" for _, prevented in remove(planned)] == [True]


def test_caches_go_only_when_asked_for_and_only_files_that_measuring_writes(
    verb: Verb, outputs: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    ours = [
        "features-digits_classifier-0123456789abcdef.safetensors",
        "anchors-0123456789abcdef.json",
    ]
    theirs = [
        "notes.txt",
        "my_data_classifier-v1-0123456789abcdef.safetensors",
        "model.safetensors",
        ".features-x-0123456789abcdef.safetensors.partial",
    ]
    for name in (*ours, *theirs):
        (cache / name).write_text("x")

    assert verb("clean", outputs / "best", "--yes").code == 0
    assert len(files(cache)) == 6
    said = verb("clean", outputs / "best", "--yes", "--cache")
    assert said.code == 0
    assert "2files" in said.unfolded
    assert files(cache) == set(theirs)


def test_the_cache_of_a_run_that_is_running_is_left_alone(
    verb: Verb, copy_of: Copy, finished: Path, tmp_path: Path
) -> None:
    run = copy_of(finished, "outputs/run", status="running", config={"cache_dir": str(tmp_path / "cache")})
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "anchors-0123456789abcdef.json").write_text("x")

    with locked(run):
        said = verb("clean", "--cache", "--yes")
    assert "may read it" in said.out
    assert files(tmp_path / "cache")
    assert verb("clean", "--cache", "--yes").code == 0
    assert not files(tmp_path / "cache")


def test_what_is_no_run_is_left_alone(verb: Verb, tmp_path: Path) -> None:
    (tmp_path / "thesis" / "checkpoints").mkdir(parents=True)
    (tmp_path / "thesis" / "manifest.json").write_text('{"config": {}, "status": "done"}')
    (tmp_path / "thesis" / "checkpoints" / "iteration_000000001.pt").write_text("x")

    said = verb("clean", "thesis", "--yes")

    assert "Left alone" in said.out
    assert len(files(tmp_path / "thesis")) == 2
    assert verb("clean", "nowhere").code == 2
    assert "There is nothing to delete." in verb("clean").out
