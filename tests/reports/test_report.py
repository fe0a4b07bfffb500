"""The report: what it says of one run and of several, in every state of their directories."""

import base64
import html
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from comparison_runs import NASTY, entry, records, write_picture, write_run
from report_runs import ALARM, write_rich

from gan_experiments.formatting import duration, moment
from gan_experiments.reports import html as html_page
from gan_experiments.reports import markdown as markdown_page
from gan_experiments.reports import terminal
from gan_experiments.reports.blocks import Block, Code, Section, Table
from gan_experiments.reports.lab_report import run_sections, write_report
from gan_experiments.reports.sections import metrics
from gan_experiments.reports.sections.curves import families
from gan_experiments.runs.run import Run, find_runs
from gan_experiments.types import UserError


def written(tmp_path: Path, *runs: Path, title: str | None = None) -> tuple[str, str]:
    """Write a report; give the page's text without its scripts and tags, and the Markdown."""
    target = tmp_path / "out" / "report.html"
    write_report(find_runs(runs), target, title)
    return said(target.read_text()), target.with_suffix(".md").read_text()


def said(page: str) -> str:
    """Return what a page says, as one line."""
    body = re.sub(r"<(script|style)\b.*?</\1>", " ", page[page.index("<body") :], flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


FACTS = [
    "python -m gan_experiments --config-dir 'my conf' +experiment=some seed=3 'name='\"'\"'a b'\"'\"''",
    "budget.epochs=MORE",
    "ba6cc54343be (with uncommitted changes)",
    "no git checkout",
    "f00dfeed",
    "297 (the test split)",
    "first_n (first_n.num_images=500)",
    "8×8, 1 channel",
    "zero, one",
    "ConvTranspose2d",
    "128×4×4",
    "310,005",
    "3.25 ± 0.25",
    "divergence",
    "generator/loss is nan: training diverges.",
    "1 h 5 min",
    "resume=x, budget.kimg=20",
    "an EPYC",
    "2026-01-02 00:05 UTC",
]


def test_both_files_tell_all_that_is_known(tmp_path: Path) -> None:
    page, markdown = written(tmp_path, write_rich(tmp_path / "run", manifest={"alarms": [ALARM]}))

    plain = re.sub(r"\\([\\`*\[\]|$~_])", r"\1", markdown)
    assert [fact for fact in FACTS if fact not in page or fact not in plain] == []


def test_the_page_holds_its_pictures_and_needs_no_other_file(tmp_path: Path) -> None:
    run = write_rich(tmp_path / "run", kimgs=(0, 10, 20))
    write_picture(run / "inspection" / "perturbation.png", shade=77)
    written(tmp_path, run)
    page = (tmp_path / "out" / "report.html").read_text()

    for name in ("samples/real.png", "samples/kimg_000010.000.png", "inspection/perturbation.png"):
        assert base64.b64encode((run / name).read_bytes()).decode() in page
    assert not re.findall(r"""(?:src|href)=["'](?!data:|#)""", page.partition("<script>")[0])
    assert "Inside the discriminator" in page


def test_without_inspections_there_is_no_such_section(tmp_path: Path) -> None:
    page, markdown = written(tmp_path, write_rich(tmp_path / "run", alarms={"mode_collapse": {"after_kimg": 400.0}}))

    assert "Inside the discriminator" not in page + markdown
    assert "No alarm was triggered." in page
    assert "No alarm was triggered." in markdown
    told = "mode_collapse has a threshold that counts from 400 kimg on, which was not reached"
    assert told in page
    assert told in markdown.replace("\\", "")


def test_links_of_the_markdown_lead_to_the_pictures(tmp_path: Path) -> None:
    run = write_rich(tmp_path / "a run (1)", kimgs=range(0, 200, 10))
    write_picture(run / "inspection" / "x y.png")
    target = tmp_path / "deep" / "er" / "report.html"
    write_report(records(run), target)

    links = re.findall(r"!\[[^]]*\]\(([^)\s]*)\)", target.with_suffix(".md").read_text())

    assert len(links) == 15  # the real images, the losses, twelve grids, one inspection
    assert all((target.parent / unquote(link)).resolve().is_file() for link in links)
    assert [link for link in links if "kimg_000000.000" in link or "kimg_000190.000" in link]


def test_metrics_stand_with_what_their_protocols_share(tmp_path: Path) -> None:
    run = write_rich(tmp_path / "run")
    (run / "evaluation").mkdir()
    newer: dict[str, Any] = {"kimg": 20.0, "values": {"fid/x_classifier": entry("fid", 2.0, 0.5, num_samples=50000)}}
    newer["values"]["fid/x_classifier"] |= {"floor": 0.125, "floor_count": 10000}
    (run / "evaluation" / "new.json").write_text(json.dumps(newer))

    found = metrics.read(Run.read(run))
    rows = [[str(cell) for cell in row] for row in metrics.table([*found.main, *found.parts, *found.others]).rows]

    assert [row[:2] for row in rows] == [
        ["fid ↓", "2 ± 0.5"],
        ["recall ↑", "0.5 ± 0.25"],
        ["fid_half ↓", "4.5 ± 0.25"],
        ["fid ↓", "3.25 ± 0.25"],
    ]
    assert [len(values) for values in (found.main, found.parts, found.others)] == [2, 1, 1]
    assert rows[0][2:7] == ["1.5 to 2.5", "0.125*", "", "50,000", "20"]
    _, markdown = written(tmp_path, run)
    assert "- extractor.name: x_classifier" in markdown
    assert "| recall, fid_half, fid (" in markdown
    assert "| num_samples: 10000 |" in markdown
    assert "| fid | num_samples: 50000 |" in markdown


def test_networks_of_an_older_run_are_shown_as_text(tmp_path: Path) -> None:
    run = write_rich(tmp_path / "run")
    for broken in ("[]", '{"generator": {"layers": [{"name": 1}]}}', "{"):
        (run / "networks.json").write_text(broken)
        page, markdown = written(tmp_path, run)
        assert "generator as text" in page
        assert "generator\nas text" in markdown
    (run / "networks.txt").unlink()
    assert "no layer table" in written(tmp_path, run)[0]


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ("failed", "The run FAILED"),
        ("interrupted", "The run was INTERRUPTED"),
        ("running", "The run was INTERRUPTED"),  # nobody holds its lock: it was killed
    ],
)
def test_a_run_without_an_end_says_so_plainly(state: str, told: str, tmp_path: Path) -> None:
    run = write_rich(tmp_path / "run", state=state, manifest={"error": "RuntimeError: <b>it</b> `broke` | so"})
    page, markdown = written(tmp_path, run)

    assert told in page
    assert told in markdown
    if state == "failed":
        assert "RuntimeError: <b>it</b> `broke` | so" in page
        assert "RuntimeError: <b>it</b> `broke` | so" in markdown  # in a block of code
    assert f"resume={run}" in page


@pytest.mark.parametrize("count", [1, 2])
def test_names_and_notes_are_text_only(count: int, tmp_path: Path) -> None:
    for i in range(count):
        write_rich(
            tmp_path / "runs" / str(i),
            name=f"{NASTY} {i}",
            notes=NASTY,
            seed=i,
            manifest={"overrides": [NASTY], "command": [NASTY], "alarms": [ALARM | {"message": NASTY}]},
        )
    page, markdown = written(tmp_path, tmp_path / "runs", title=NASTY)

    raw = (tmp_path / "out" / "report.html").read_text()
    assert NASTY not in raw
    assert raw.count("<script>window") == 0
    assert NASTY in page
    outside = re.sub(r"^(`{3,})\w*\n.*?\n\1$", "", markdown, flags=re.DOTALL | re.MULTILINE)
    assert not re.findall(r"<(?!!--)", outside)


def no_file(name: str) -> Callable[[Path], object]:
    def remove(run: Path) -> None:
        path = run / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    return remove


def content(name: str, text: str) -> Callable[[Path], object]:
    return lambda run: (run / name).write_text(text)


def manifest(**changes: Any) -> Callable[[Path], object]:
    def change(run: Path) -> None:
        found = json.loads((run / "manifest.json").read_text())
        (run / "manifest.json").write_text(json.dumps(found | changes))

    return change


STRANGE: Any = [
    7, None, "text", {"alarm": {}, "kimg": "x", "seconds": "long", "overrides": 3}, {"seconds": float("inf")},
]  # fmt: skip
DAMAGES: list[Callable[[Path], object]] = [
    *map(no_file, ("samples", "metrics.csv", "results.json", "networks.json", "checkpoints", "losses.png")),
    *(content(name, "{") for name in ("results.json", "networks.json", "metrics.csv", "samples/real.png")),
    content("results.json", '{"evaluation": {"values": 3, "best": [1], "not_applicable": "no"}}'),
    content("results.json", '{"evaluation": {"values": {"fid/x": {"value": "a"}}, "best": {"value": NaN}}}'),
    content("samples/kimg_000020.000.png", "half a picture"),
    content("metrics.csv", "iteration,kimg,generator/loss\n10,nan,inf\n20,1\n"),
    manifest(alarms=STRANGE, sessions=STRANGE, rollbacks=STRANGE, overrides=STRANGE, command=STRANGE),
    manifest(
        alarms=3, sessions={}, data=[], git="x", user_git=None, versions=1, machine="m", parameters=[1], choices=2
    ),
    manifest(config={"dataset": 3, "regime": [], "name": ["x"], "notes": {"a": 1}}),
    manifest(config={"dataset": {"class_names": 4, "image_size": [8], "num_train": "many"}, "seed": None}),
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_never_the_end(damage: Callable[[Path], object], tmp_path: Path) -> None:
    for name in ("run", "other"):
        damage(write_rich(tmp_path / "runs" / name, seed=len(name)))

    page, markdown = written(tmp_path, tmp_path / "runs" / "run")
    assert "What was run" in page
    assert "## Networks" in markdown
    page, markdown = written(tmp_path, tmp_path / "runs")
    assert "Report on 2 runs" in page
    assert "## Runs" in markdown


def test_several_runs_are_one_report_with_their_comparison(tmp_path: Path) -> None:
    for loss in ("hinge", "minimax"):
        for seed in (0, 1):
            values = {"fid": 1.0 + seed + 3 * (loss == "hinge")}
            write_rich(tmp_path / "runs" / f"{loss}-{seed}", choices={"loss": loss}, seed=seed, values=values)
    broken = tmp_path / "runs" / "minimax-1"
    manifest(status="failed", error="RuntimeError: burst")(broken)
    (tmp_path / "foreign").mkdir()

    page, markdown = written(tmp_path, tmp_path / "runs", tmp_path / "foreign")

    raw = (tmp_path / "out" / "report.html").read_text()
    assert raw.count('<details class="run"') == 4
    for heading in ("What differs", "Seeds joined", "Curves", "Samples", "Settings", "Each run"):
        assert f"<h2>{heading}</h2>" in raw
    assert "hinge; minimax" in page or "minimax; hinge" in page
    assert "RuntimeError: burst" in page
    for text in (page, markdown):
        assert "4.5 ± 6.4" in text  # the mean of two seeds of hinge
        assert str(tmp_path / "foreign") in re.sub(r"\\", "", text)
        assert "it holds no manifest.json" in text
    assert markdown.count("## Run ") == 4


def test_of_several_without_room_for_pictures_the_rest_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(html_page, "PICTURES_BUDGET", 10)
    for i in range(2):
        write_rich(tmp_path / "runs" / str(i), seed=i)

    assert "Not shown here: " in written(tmp_path, tmp_path / "runs")[0]


def test_runs_that_cannot_be_read_are_listed_beside_one_that_can(tmp_path: Path) -> None:
    write_rich(tmp_path / "runs" / "run")
    (tmp_path / "foreign").mkdir()

    page, markdown = written(tmp_path, tmp_path / "runs", tmp_path / "foreign")

    assert "Directories with problems" in page
    assert "## Directories with problems" in markdown
    assert "it holds no manifest.json" in page


def test_without_any_readable_run_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "foreign").mkdir()

    with pytest.raises(UserError, match=r"there is no run to report on .*it holds no manifest\.json"):
        written(tmp_path, tmp_path / "foreign")

    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["r.html", "r.md"])
def test_a_file_that_is_no_report_is_left_alone(name: str, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    (tmp_path / name).write_text("mine")

    with pytest.raises(UserError, match=f"{name} exists and is not a report"):
        write_report(records(run), tmp_path / "r.html")

    assert (tmp_path / name).read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, "run"])


def test_a_report_is_written_over(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    for title in ("first", "second"):
        write_report(records(run), tmp_path / "r.html", title)

    assert "<title>second</title>" in (tmp_path / "r.html").read_text()


def test_curves_are_drawn_together_by_family() -> None:
    names = ["discriminator/a", "discriminator/loss", "generator/loss", "fid/x", "images_per_second"]

    assert families(names) == {
        "losses of both networks": ["discriminator/loss", "generator/loss"],
        "discriminator: all terms": ["discriminator/a", "discriminator/loss"],
        "fid/x": ["fid/x"],
        "images_per_second": ["images_per_second"],
    }
    assert families([]) == {}


def markdown_of(*blocks: Block) -> str:
    return markdown_page.render("a*b", [], [Section("s", "S", blocks)], Path("page.md")).partition("## S\n")[2].strip()


def test_markdown_shows_texts_as_they_are() -> None:
    assert markdown_page.escape("a*b_c_ [x](y) <i> & `z` $1$ ~~no~~\nnew | line") == (
        r"a\*b_c\_ \[x\](y) &lt;i&gt; &amp; \`z\` \$1\$ \~\~no\~\~ new \| line"
    )
    assert markdown_of(Table([("a", "")], [])) == ""
    assert markdown_of(Table([("a|b", "")], [["c|d"]])) == "| a\\|b |\n|---|\n| c\\|d |"
    assert markdown_of(Code("```\nx")) == "````\n```\nx\n````"


def test_a_terminal_shows_the_same_without_control_characters(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = write_rich(
        tmp_path / "run",
        notes="\x1b[31mred\x07",
        manifest={"alarms": [ALARM | {"message": f"{ALARM['message']}\x1b[2J"}]},
    )
    monkeypatch.delenv("COLUMNS", raising=False)
    sections = run_sections(Run.read(run))

    terminal.show(sections)
    brief = capsys.readouterr().out
    terminal.show(sections, everything=True)
    whole = capsys.readouterr().out

    assert not re.findall(r"[\x00-\x09\x0b-\x1f]", brief + whole)
    assert r"notes: \x1b[31mred\x07" in brief
    assert "What all these protocols share" not in brief
    assert [fact for fact in FACTS if fact not in whole] == []


def test_times_are_written_for_reading() -> None:
    assert [duration(seconds) for seconds in (0.2, 59.6, 3600, 5400, 90061)] == [
        "0 s", "1 min 0 s", "1 h", "1 h 30 min", "1 d 1 h",
    ]  # fmt: skip
    assert [duration(seconds, units=1) for seconds in (-3, 45, 5400, 90061)] == ["0 s", "45 s", "1 h", "1 d"]
    assert moment("2026-01-02T03:04:05Z") == "2026-01-02 03:04 UTC"
    assert moment("yesterday") == "yesterday"
    assert moment(None) == "–"
