"""`gan-experiments report` as it is typed."""

import json
import sys
from pathlib import Path

import pytest
from comparison_runs import NASTY
from report_runs import write_rich

from gan_experiments.cli import app as cli

MINIMAL = "%PDF-1.4\n%%EOF\n"


def report(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    monkeypatch.setattr(sys, "argv", ["gan-experiments", "report", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write two runs, and a directory that is no run; stand beside them."""
    monkeypatch.chdir(tmp_path)
    for seed in (0, 1):
        write_rich(tmp_path / "runs" / f"seed-{seed}", seed=seed)
    (tmp_path / "foreign").mkdir()
    return tmp_path / "runs"


def browser_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, does: str) -> None:
    """Put a program named chromium on PATH, and no other browser."""
    place = tmp_path / "bin"
    place.mkdir()
    (place / "chromium").write_text(f"#!/bin/sh\n{does}\n")
    (place / "chromium").chmod(0o755)
    monkeypatch.setenv("PATH", f"{place}:/bin:/usr/sbin")
    monkeypatch.setattr("gan_experiments.cli.report.BROWSERS", ("chromium",))


PRINTS = """for word in "$@"; do
    case "$word" in --print-to-pdf=*) printf '%%PDF-1.4\\n%s\\n%%%%EOF' "$*" > "${word#*=}";; esac
done"""
"""Writes the words it was given where a PDF is asked for."""


def test_one_run_has_its_report_in_itself(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report(monkeypatch, runs / "seed-0", "--title", NASTY) == 0

    page = runs / "seed-0" / "report.html"
    assert f"Report on 1 run: {page}, beside it report.md." in capsys.readouterr().out
    assert NASTY not in page.read_text()
    assert "&lt;/script&gt;" in page.read_text()
    assert "![samples/real.png](samples/real.png)" in page.with_suffix(".md").read_text()


def test_of_several_it_stands_here_and_lists_what_is_not_read(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report(monkeypatch, "runs/*", "foreign") == 0

    out = capsys.readouterr().out
    assert f"Report on 2 runs: {runs.parent / 'report.html'}, beside it report.md." in out
    assert f"Not read: {runs.parent / 'foreign'}: it holds no manifest.json." in out
    assert "![samples/kimg\\_" not in (runs.parent / "report.md").read_text()
    assert "(runs/seed-0/samples/kimg_000020.000.png)" in (runs.parent / "report.md").read_text()


def test_json(runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert report(monkeypatch, "runs", "foreign", "-o", "new/place.html", "--json") == 0

    found = json.loads(capsys.readouterr().out)
    assert found["written"] == [str(runs.parent / "new" / name) for name in ("place.html", "place.md")]
    assert all(Path(path).stat().st_size > 1000 for path in found["written"])
    assert found["unread"] == {str(runs.parent / "foreign"): "it holds no manifest.json"}


def test_pdf(runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    browser_that(tmp_path, monkeypatch, PRINTS)

    for _ in range(2):  # the second time over its own
        assert report(monkeypatch, "runs/seed-0", "-o", "a b.html", "--pdf") == 0

    content = (tmp_path / "a b.pdf").read_text()
    assert content.startswith("%PDF-1.4\n--headless")
    assert content.endswith("\n% report of gan-experiments\n")
    assert f"{tmp_path.as_uri()}/a%20b.html#print" in content
    assert "beside it a b.md and a b.pdf." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("does", "told"),
    [
        ("echo no display >&2; exit 3", "(exit code 3): no display"),
        ("exit 0", "could not print"),  # and writes nothing
    ],
)
def test_a_browser_that_fails(
    does: str,
    told: str,
    runs: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    browser_that(tmp_path, monkeypatch, does)

    assert report(monkeypatch, "runs/seed-0", "-o", "page.html", "--pdf") == 2

    assert told in capsys.readouterr().err
    assert not (tmp_path / "page.pdf").exists()
    assert (tmp_path / "page.html").exists()


def test_without_a_browser_nothing_is_written(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    assert report(monkeypatch, "runs/seed-0", "-o", "page.html", "--pdf") == 2

    said = capsys.readouterr().err
    assert "none of chromium, chromium-browser, google-chrome is on PATH. Install Chromium" in said
    assert not (tmp_path / "page.html").exists()


def test_a_pdf_that_is_no_report_is_left_alone(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    browser_that(tmp_path, monkeypatch, PRINTS)
    (tmp_path / "page.pdf").write_text(MINIMAL)

    assert report(monkeypatch, "runs/seed-0", "-o", "page.html", "--pdf") == 2

    assert "page.pdf exists and is not a report" in capsys.readouterr().err
    assert (tmp_path / "page.pdf").read_text() == MINIMAL
    assert not (tmp_path / "page.html").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["nowhere"], "nowhere names no directory"),
        (["foreign"], "there is no run to report on"),
        (["runs", "-o", "page.txt"], "name a file that ends in .html"),
        (["runs", "-o", "."], "name a file that ends in .html"),
        (["runs", "-o", "file/page.html"], "cannot be written"),
        (["runs", "-o", "mine.html"], "mine.html exists and is not a report"),
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

    assert report(monkeypatch, *words) == 2

    assert told in capsys.readouterr().err
