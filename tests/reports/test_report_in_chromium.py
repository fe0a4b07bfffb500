"""The report as a reader has it: opened from the disk in a real browser, moved, printed."""

import base64
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browsing import Reader, open_browser
from comparison_runs import NASTY, write_picture
from report_runs import ALARM, write_rich

from gan_experiments.cli.report import find_browser, print_page
from gan_experiments.reports.lab_report import write_report
from gan_experiments.runs.run import find_runs

pytestmark = pytest.mark.slow  # a browser takes seconds to start


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with open_browser() as opened:
        yield opened


@pytest.fixture
def single(tmp_path: Path) -> Path:
    """Write the report of one run with all that there can be."""
    run = write_rich(tmp_path / "run", name=NASTY, notes=NASTY, manifest={"alarms": [ALARM]}, kimgs=(0, 5, 10, 15, 20))
    write_picture(run / "inspection" / "looked at.png")
    write_report(find_runs([run]), tmp_path / "report.html")
    return tmp_path / "report.html"


@pytest.fixture
def several(tmp_path: Path) -> Path:
    """Write the report of four runs, one of which has failed."""
    for i, loss in enumerate(("hinge", "hinge", "minimax", "minimax")):
        write_rich(tmp_path / "runs" / f"{loss}-{i}", choices={"loss": loss}, seed=i % 2, values={"fid": 1.0 + i})
    write_rich(tmp_path / "runs" / "failed", name=NASTY, seed=9, state="failed", manifest={"error": NASTY})
    write_report(find_runs([tmp_path / "runs"]), tmp_path / "report.html")
    return tmp_path / "report.html"


def close(reader: Reader) -> None:
    """Make sure that nothing was wrong."""
    assert reader.wrong == []
    assert reader.page.evaluate("window.broken === undefined")
    reader.page.close()


def drawn(reader: Reader, panel: str) -> list[dict[str, Any]]:
    reader.page.locator(panel).scroll_into_view_if_needed()
    reader.page.wait_for_function(f"document.querySelector('{panel} .figure').data")
    found: list[dict[str, Any]] = reader.page.evaluate(
        f"document.querySelector('{panel} .figure').data.map(({{name, visible, x, y}}) => ({{name, visible, x, y}}))"
    )
    return found


def test_the_slider_moves_the_samples(single: Path, browser: Any, tmp_path: Path) -> None:
    reader = Reader(browser, single)
    sample = reader.page.locator("#sample")

    for stop, kimg in (("4", "20"), ("1", "5"), ("0", "0")):
        reader.page.locator("#stop").fill(stop)
        assert reader.page.locator("#stop-label").inner_text() == f"{kimg} kimg"
        own = (tmp_path / "run" / "samples" / f"kimg_{float(kimg):010.3f}.png").read_bytes()
        assert base64.b64decode(sample.get_attribute("src").partition(",")[2]) == own

    sample.click()
    assert reader.page.locator("#zoom img").get_attribute("src") == sample.get_attribute("src")
    close(reader)


def test_curves_are_chosen_and_hidden(single: Path, browser: Any) -> None:
    reader = Reader(browser, single)
    panel = reader.page.locator("#run-curves")

    curves = drawn(reader, "#run-curves")
    assert [curve["name"] for curve in curves] == ["discriminator/loss", "generator/loss"]
    assert curves[0]["x"][:3] == [10, 20, 30]  # iterations
    panel.locator(".legend button").first.click()
    assert [curve["visible"] for curve in drawn(reader, "#run-curves")] == [False, True]

    panel.locator("select[name=scalar]").select_option("fid/x_classifier")
    panel.locator("select[name=axis]").select_option("kimg")
    (fid,) = drawn(reader, "#run-curves")
    assert fid["x"] == [10, 20]
    assert fid["y"] == pytest.approx([3.25 * 1.5, 3.25 * 1.25])
    close(reader)


def test_runs_of_several_open_with_their_own_curves(several: Path, browser: Any) -> None:
    reader = Reader(browser, several)
    assert reader.page.locator("#run-curves-1").is_hidden()

    reader.page.locator("#run-1 > summary").click()

    assert len(drawn(reader, "#run-curves-1")) == 2
    assert reader.page.locator("#run-1").get_by_text("hinge-1").first.is_visible()
    assert reader.page.locator("#run-0 .figure").first.is_hidden()
    reader.page.locator("#stop").fill("0")
    assert all("0 kimg" in text for text in reader.page.locator("#pictures figcaption").all_inner_texts())
    close(reader)


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("kind", ["single", "several"])
def test_nothing_is_wider_than_the_window(kind: str, width: int, browser: Any, request: pytest.FixtureRequest) -> None:
    reader = Reader(browser, request.getfixturevalue(kind), width)

    for folded in reader.page.locator("details").all():
        folded.evaluate("details => { details.open = true; }")
    for section in reader.page.locator("section").all():
        section.scroll_into_view_if_needed()
    drawn(reader, "#curves-section")

    assert reader.page.evaluate("document.documentElement.scrollWidth") == width
    close(reader)


@pytest.mark.parametrize("kind", ["single", "several"])
def test_for_paper_everything_is_drawn_and_unfolded(kind: str, browser: Any, request: pytest.FixtureRequest) -> None:
    reader = Reader(browser, request.getfixturevalue(kind), 800, "#print")
    reader.page.emulate_media(media="print")
    reader.page.wait_for_function(
        "[...document.querySelectorAll('.curve-panel .figure, [data-figure]')].every((figure) => figure.data)"
    )

    assert reader.page.locator("details:not([open]):not(.screen-only)").count() == 0
    assert not reader.page.locator("input:visible, select:visible").count()
    ends = "[...document.querySelectorAll('table, .main-svg, img, pre')].map((e) => e.getBoundingClientRect().right)"
    assert max(reader.page.evaluate(ends)) <= 701
    if kind == "single":
        captions = reader.page.locator("#print-samples figcaption").all_inner_texts()
        assert captions == ["Generated, 0 kimg", "Generated, 10 kimg", "Generated, 20 kimg"]
        assert reader.page.locator("#print-samples").is_visible()
    close(reader)


def test_printing_by_hand_leaves_the_page_as_it_was(single: Path, browser: Any) -> None:
    reader = Reader(browser, single)
    folded = reader.page.locator("details:not([open])").count()

    reader.page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert reader.page.locator("#print-samples img").count() == 3
    assert reader.page.locator("details:not([open])").count() < folded
    reader.page.evaluate("window.dispatchEvent(new Event('afterprint'))")

    assert reader.page.locator("details:not([open])").count() == folded
    assert reader.page.locator("#print-samples").is_hidden()
    close(reader)


@pytest.mark.parametrize("kind", ["single", "several"])
def test_the_pdf_holds_figures_and_pictures(kind: str, request: pytest.FixtureRequest, browser: Any) -> None:
    page = request.getfixturevalue(kind)
    pdf = page.with_suffix(".pdf")
    print_page(page, pdf, find_browser())

    content = pdf.read_bytes()
    assert content.startswith(b"%PDF")
    assert len(re.findall(rb"/Type\s*/Page\b", content)) >= 3
    assert content.count(b"/Subtype /Image") >= 4  # real, first, middle and last; of several, each run's
    assert strokes(content) > 30  # of curves and their axes


def strokes(pdf: bytes) -> int:
    """Count the lines of several points that a PDF draws."""
    found = 0
    for stream in re.findall(rb"stream\r?\n(.*?)\r?\nendstream", pdf, re.DOTALL):
        try:
            found += len(re.findall(rb"\bS\n", zlib.decompress(stream)))
        except zlib.error:
            continue
    return found
