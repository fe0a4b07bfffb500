"""The comparison page as a reader has it: opened from the disk in a real browser, sorted, filtered, looked at."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browsing import Reader, open_browser
from comparison_runs import NASTY, write_many, write_picture, write_run

from gan_experiments.reports.comparison import write_comparison
from gan_experiments.runs.run import find_runs

pytestmark = pytest.mark.slow  # a browser takes seconds to start


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with open_browser() as opened:
        yield opened


class ComparisonReader(Reader):
    """The comparison page, and what it shows."""

    def shown(self) -> list[str]:
        """Return the names of the rows that are shown, from above."""
        rows = self.page.locator("#runs tbody tr:visible .first")
        return [text.strip() for text in rows.all_inner_texts()]

    def curves(self) -> list[dict[str, Any]]:
        """Return what plotly draws: name, whether it is visible, the points."""
        self.page.locator("#curves-section").scroll_into_view_if_needed()
        self.page.wait_for_function("document.querySelector('#curves .figure').data")
        found: list[dict[str, Any]] = self.page.evaluate(
            "document.querySelector('#curves .figure').data.map(({name, visible, x, y}) => ({name, visible, x, y}))"
        )
        return found

    def captions(self) -> list[str]:
        return [text.replace("\n", " ") for text in self.page.locator("#pictures figcaption").all_inner_texts()]


@pytest.fixture
def reader(browser: Any, tmp_path: Path) -> Iterator[ComparisonReader]:
    """Open a page of five runs: two losses with two seeds each, and one that failed."""
    for i, (loss, seed) in enumerate([("hinge", 0), ("hinge", 1), ("bce", 0), ("bce", 1)]):
        write_run(
            tmp_path / f"{loss}-{seed}",
            seed=seed,
            values={"fid": 4.0 - i, "recall": 0.1 * (i + 1)},
            choices={"loss": loss},
            loss={loss: {"weight": 1.0}},
            half=0.2,
            num_rows=20 + i,
            speed=100,
        )
    write_run(tmp_path / "broken", state="failed", seed=9, name=NASTY)
    (tmp_path / "hinge-1" / "samples" / "kimg_000010.000.png").unlink()
    write_comparison(find_runs([tmp_path]), tmp_path / "page.html", NASTY)
    opened = ComparisonReader(browser, tmp_path / "page.html")
    yield opened
    assert opened.wrong == []
    assert opened.page.evaluate("window.broken === undefined")
    opened.page.close()


def test_headings_sort(reader: ComparisonReader) -> None:
    names = ["bce-1", "bce-0", "hinge-1", "hinge-0"]
    ends = [name.rpartition("/")[2] for name in reader.shown()]
    assert ends[:4] == names  # by rank: fid 1, 2, 3, 4
    assert ends[4].endswith("}")  # the failed one, by its name

    reader.page.get_by_role("button", name="recall/").click()
    best_first = [name.rpartition("/")[2] for name in reader.shown()]
    reader.page.get_by_role("button", name="recall/").click()
    best_last = [name.rpartition("/")[2] for name in reader.shown()]

    assert best_first[:4] == names  # recall 0.4, 0.3, 0.2, 0.1: higher is better
    assert best_last[:4] == names[::-1]
    assert best_first[4] == best_last[4] == ends[4]  # without a value: last either way
    assert reader.page.locator("#runs th[aria-sort=ascending]").inner_text().startswith("recall/")


def test_words_filter(reader: ComparisonReader) -> None:
    search = reader.page.locator("#filter")

    search.fill("loss=hinge seed=1")
    assert [name.rpartition("/")[2] for name in reader.shown()] == ["hinge-1"]
    assert reader.page.locator("#count").inner_text() == "1 of 5 runs"
    search.fill("failed")
    assert len(reader.shown()) == 1
    search.fill("")
    assert len(reader.shown()) == 5


def test_checked_runs_are_drawn_and_the_legend_hides_a_curve(reader: ComparisonReader) -> None:
    assert len(reader.curves()) == 5
    fid = reader.curves()[0]
    assert fid["x"] == [10, 20, 23]
    assert fid["y"] == pytest.approx([1.5, 1.25, 1 + 5 / 23], rel=1e-4)

    reader.page.locator("#curves .legend button").first.click()
    assert [curve["visible"] for curve in reader.curves()] == [False, True, True, True, True]
    reader.page.locator("#curves .legend button").first.click()
    assert all(curve["visible"] for curve in reader.curves())

    reader.page.locator("#runs tbody .pick").first.uncheck()
    assert len(reader.curves()) == 4
    reader.page.locator("#filter").fill("loss=hinge finished")
    reader.page.get_by_role("button", name="check those shown").click()
    assert len(reader.curves()) == 2
    reader.page.get_by_role("button", name="uncheck all").click()
    assert reader.curves() == []


def test_curves_over_time_smoothed_and_logarithmic(reader: ComparisonReader) -> None:
    reader.curves()
    panel = reader.page.locator("#curves")

    panel.locator("select[name=scalar]").select_option("generator/loss")
    raw = reader.curves()[0]
    panel.locator("select[name=axis]").select_option("seconds")
    assert reader.curves()[0]["x"][:3] == [10, 20, 30]  # a thousand images at a hundred a second
    title = reader.page.evaluate("document.querySelector('#curves .figure').layout.xaxis.title.text")
    assert title.startswith("training seconds")

    panel.locator("input[name=log]").check()
    assert reader.page.evaluate("document.querySelector('#curves .figure').layout.yaxis.type") == "log"

    panel.locator("input[name=smoothing]").fill("0.5")
    behind, smooth = reader.curves()[:2]
    assert behind["y"] == raw["y"]
    # Weights 1/2 and 1/4, of what is there so far.
    assert smooth["y"][1] == pytest.approx((raw["y"][0] / 4 + raw["y"][1] / 2) / 0.75)


def test_the_slider_moves_all_grids(reader: ComparisonReader, tmp_path: Path) -> None:
    reader.page.locator("#grids").scroll_into_view_if_needed()
    assert reader.page.locator("#stop-label").inner_text() == "20 kimg"
    assert all(caption.endswith("20 kimg") for caption in reader.captions())

    reader.page.locator("#stop").fill("1")

    assert reader.page.locator("#stop-label").inner_text() == "10 kimg"
    kimgs = {caption.split()[-3].split("/")[-1]: caption.split()[-2] for caption in reader.captions()}
    assert reader.captions()[0].endswith("10 kimg")
    shown = reader.page.locator("#pictures img").first.get_attribute("src")
    own = (tmp_path / "bce-1" / "samples" / "kimg_000010.000.png").read_bytes()
    assert base64.b64decode(shown.partition(",")[2]) == own
    assert len(reader.captions()) == 5
    # The one whose grid is missing shows the nearest that it has, and says so.
    assert sorted(kimgs.values()) != ["10"] * 5
    assert sum(not caption.endswith("10 kimg") for caption in reader.captions()) == 1

    reader.page.locator("#pictures img").first.click()
    assert reader.page.locator("#zoom img").get_attribute("src") == shown
    reader.page.locator("#zoom").click()
    assert reader.page.locator("#zoom").is_hidden()


def test_settings_are_those_of_the_checked_runs(reader: ComparisonReader) -> None:
    settings = reader.page.locator("#settings")
    assert "loss.hinge.weight" in settings.inner_text()

    reader.page.locator("#filter").fill("loss=bce finished")
    reader.page.get_by_role("button", name="check those shown").click()

    assert settings.locator("tbody tr").all_inner_texts() == ["seed\t1\t0"]


def test_columns_can_be_shown_and_hidden(reader: ComparisonReader) -> None:
    heading = reader.page.locator("#runs th", has_text="recall/")
    assert heading.is_visible()

    reader.page.get_by_text("Columns:").click()
    reader.page.get_by_role("checkbox", name="recall/x_classifier").uncheck()
    assert heading.is_hidden()
    assert reader.page.locator("#column-count").inner_text() == "3"
    reader.page.get_by_role("checkbox", name="recall/x_classifier").check()
    assert heading.is_visible()


def test_seeds_joined_by_another_metric(reader: ComparisonReader) -> None:
    groups = reader.page.locator(".choice > .option:visible")
    assert "1.5 ± 6.4" in groups.inner_text()  # 1 and 2: t(0.975; 1) / 2
    assert "2.5 ± 6.4" not in groups.inner_text()

    reader.page.locator(".choice select").select_option(label="recall/x_classifier ↑")

    assert "0.35 ± 0.64" in groups.inner_text()


def test_parallel_coordinates_are_drawn(reader: ComparisonReader) -> None:
    reader.page.locator("#parallel").scroll_into_view_if_needed()
    reader.page.wait_for_selector("#parallel .parcoords")

    texts = reader.page.locator("#parallel .axis-title").all_text_contents()

    assert texts == ["loss", "recall ↑", "fid ↓"]


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_wider_than_the_window(width: int, browser: Any, tmp_path: Path) -> None:
    for i in range(3):
        write_run(
            tmp_path / f"a_long_name_without_any_place_to_break_it_that_goes_on_and_on_{i}",
            values={f"metric{j}": float(i + j) for j in range(20)},
            facts={"num_samples": i},
            choices={f"group{j}": f"choice{i}" for j in range(12)},
            path="/a/very/long/path" * 10 + str(i),
        )
    write_picture(tmp_path / "x" / "samples.png")
    write_comparison(find_runs([tmp_path]), tmp_path / "page.html", "word" * 60)
    reader = ComparisonReader(browser, tmp_path / "page.html", width)

    for section in reader.page.locator("section").all():
        section.scroll_into_view_if_needed()
    reader.curves()

    assert reader.page.evaluate("document.documentElement.scrollWidth") == width
    assert reader.wrong == []
    reader.page.close()


def test_five_hundred_runs_open_at_once(browser: Any, tmp_path: Path) -> None:
    runs = write_many(tmp_path / "sweep", 500)
    page = tmp_path / "page.html"
    write_comparison(find_runs(runs), page, "five hundred")
    assert page.stat().st_size < 25e6

    reader = ComparisonReader(browser, page)
    opened = reader.busy()

    assert opened < 3
    assert len(reader.curves()) == 12
    assert len(reader.shown()) == 500
    assert len(reader.captions()) == 12
    assert reader.page.locator("#runs th:visible").count() == 13  # check, run, rank, state, kimg, 3 settings, 5 metrics
    assert "no room for 25 metrics" in reader.page.locator("#runs-section").inner_text()
    assert reader.wrong == []
    reader.page.close()
