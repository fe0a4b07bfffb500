"""`gan-experiments compare` as it is typed."""

import json
import sys
from pathlib import Path

import pytest
from comparison_runs import NASTY, write_run

from gan_experiments.cli import app as cli


def compare(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    monkeypatch.setattr(sys, "argv", ["gan-experiments", "compare", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write two losses with two seeds each, and a directory that is no run; stand beside them."""
    monkeypatch.chdir(tmp_path)
    for i, (loss, seed) in enumerate([("hinge", 0), ("hinge", 1), ("bce", 0), ("bce", 1)]):
        write_run(
            tmp_path / "runs" / f"{loss}-{seed}",
            seed=seed,
            values={"fid": 4.0 - i},
            half=0.2,
            choices={"loss": loss},
            loss={loss: {"weight": 1.0}},
        )
    (tmp_path / "foreign").mkdir()
    return tmp_path / "runs"


def test_the_page_and_its_tables_are_written(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare(monkeypatch, runs, "foreign") == 0

    said = capsys.readouterr().out
    assert max(map(len, said.splitlines()[:7])) <= 80
    assert "1 ± 0.2" in said
    assert "loss=bce" in said
    assert "1.5 ± 6.4" in said  # the mean of two seeds
    assert "Pairs that differ at 5%: 0 of 1" in said
    assert f"Not read: {runs.parent / 'foreign'}: it holds no manifest.json." in said
    assert sorted(path.name for path in runs.parent.glob("comparison.*")) == [
        "comparison.csv",
        "comparison.html",
        "comparison.md",
    ]
    assert "Comparison of 4 runs" in (runs.parent / "comparison.html").read_text()


def test_json(runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert compare(monkeypatch, runs / "*-0", "-o", "new/place.html", "--json") == 0

    found = json.loads(capsys.readouterr().out)
    assert [run["settings"] for run in found["runs"]] == [{"loss": "bce"}, {"loss": "hinge"}]
    assert [Path(file).exists() for file in found["written"]] == [True] * 3
    assert found["written"][0] == str(runs.parent / "new" / "place.html")


def test_names_are_not_markup(runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    write_run(runs / "red", name="[red]name[/red]", seed=5)
    write_run(runs / "nasty", name=NASTY, seed=6)

    assert compare(monkeypatch, runs, "--title", NASTY) == 0

    assert "[red]name[/red]" in capsys.readouterr().out
    assert NASTY not in (runs.parent / "comparison.html").read_text()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["nowhere"], "nowhere names no directory"),
        (["foreign"], "there is no run to compare"),
        (["runs", "-o", "page.txt"], "name a file that ends in .html"),
        (["runs", "-o", "."], "name a file that ends in .html"),
        (["runs", "-o", "file/page.html"], "cannot be written"),
        (["runs", "-o", "mine.html"], "mine.html exists and is not a comparison"),
    ],
)
def test_mistakes_end_with_2(
    words: list[str],
    told: str,
    runs: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (runs.parent / "file").write_text("x")
    (runs.parent / "mine.html").write_text("x")

    assert compare(monkeypatch, *words) == 2

    assert told in capsys.readouterr().err
