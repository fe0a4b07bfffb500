"""The comparison as a table: columns by protocol, ranks, groups of seeds, exports, and whatever directories hold."""

import csv
import io
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from comparison_runs import NASTY, entry, records, write_picture, write_run

from gan_experiments.config.keys import short_keys
from gan_experiments.formatting import short
from gan_experiments.reports import charts
from gan_experiments.reports import images as grids
from gan_experiments.reports.comparison import write_comparison
from gan_experiments.reports.images import read_picture
from gan_experiments.reports.sections.tables import differences_of_protocols
from gan_experiments.reports.table import as_csv, compare, compare_groups, distinguishing_keys, to_json
from gan_experiments.runs.run import find_runs
from gan_experiments.types import UserError


def data(page: str, name: str) -> Any:
    """Read the JSON that a page holds under a name, as its scripts do."""
    found = re.search(rf'<script type="application/json" id="{name}">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return json.loads(found.group(1))


def page_of(tmp_path: Path, *directories: Path) -> str:
    target = tmp_path / "page" / "comparison.html"
    write_comparison(find_runs(directories), target, "Some runs")
    return target.read_text()


def test_values_by_different_protocols_never_share_a_column(tmp_path: Path) -> None:
    one = write_run(tmp_path / "one", values={"fid": 4.0})
    two = write_run(tmp_path / "two", values={"fid": 3.0}, facts={"num_samples": 5000})
    three = write_run(tmp_path / "three", values={"fid": 5.0})

    table = compare(records(one, two, three))

    assert [column.heading for column in table.columns] == ["fid/x_classifier", "fid/x_classifier · protocol 2"]
    for column in table.columns:
        assert {own[column].protocol_hash for own in table.values if column in own} == {column.protocol_hash}
    assert [table.number(at, table.columns[0]) for at in range(3)] == [4.0, 5.0, None]
    assert table.ranks == [1, 2, None]  # 3.0 is no better than 4.0: it is another measure
    assert differences_of_protocols(table) == [([table.columns[1]], {"num_samples": ("10000", "5000")})]
    page = page_of(tmp_path, one, two, three)
    assert "fid/\nx_classifier · protocol 2 ↓" in page
    assert "num_samples is 5000, not 10000" in page


def test_a_run_measured_twice_stands_in_both_columns(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", values={"fid": 4.0})
    write_run(tmp_path / "other", values={"fid": 5.0})
    (run / "evaluation").mkdir()
    later = {"kimg": 20.0, "values": {"fid/x_classifier": entry("fid", 6.0, 0.5, num_samples=5000)}}
    (run / "evaluation" / "iteration_1.json").write_text(json.dumps(later))

    table = compare(records(run, tmp_path / "other"))

    assert [table.number(at, table.columns[0]) for at in (0, 1)] == [4.0, 5.0]
    assert [table.number(at, table.columns[1]) for at in (0, 1)] == [6.0, None]


def test_higher_is_better_turns_the_ranking(tmp_path: Path) -> None:
    evaluation = {"best": "recall"}
    runs = [
        write_run(tmp_path / str(i), values={"fid": 3.0 - i, "recall": value}, evaluation=evaluation)
        for i, value in enumerate([0.2, 0.8, 0.5])
    ]

    table = compare(records(*runs))

    assert table.best is not None
    assert table.best.key == "recall/x_classifier"
    assert [run.directory.name for run in table.runs] == ["1", "2", "0"]
    assert page_of(tmp_path, *runs).count('<td class="number descending best" data-value="0.8"') == 1


def seeds(top: Path, loss: str, values: dict[int, float], **config: Any) -> list[Path]:
    """Write runs that differ in their seed alone, and in what is no part of the experiment."""
    return [
        write_run(
            top / f"{loss}-{seed}",
            seed=seed,
            values={"fid": value},
            choices={"loss": loss},
            loss={loss: {"weight": 1.0}},
            name=f"{loss} {seed}",
            notes="again" * seed,
            **config,
        )
        for seed, value in values.items()
    ]


def test_seeds_are_joined_and_the_groups_tested(tmp_path: Path) -> None:
    runs = [*seeds(tmp_path, "hinge", {0: 1.0, 1: 2.0, 2: 3.0}), *seeds(tmp_path, "bce", {0: 3.0, 1: 4.0, 2: 5.0})]
    table = compare(records(*runs))

    assert table.best is not None
    found = compare_groups(table, table.best)

    assert [(group["name"], len(group["runs"])) for group in found.groups] == [("loss=hinge", 3), ("loss=bce", 3)]
    assert [group["mean"] for group in found.groups] == [2.0, 4.0]
    assert found.groups[0]["half_width_95"] == pytest.approx(2.4841377)
    (test,) = found.tests
    assert test["p"] == test["p_holm"] == pytest.approx(0.0704840, rel=1e-5)


def test_only_finished_runs_count_and_each_seed_once(tmp_path: Path) -> None:
    seeds(tmp_path, "hinge", {0: 1.0, 1: 2.0})
    again = write_run(
        tmp_path / "hinge-0-again",
        values={"fid": 7.0},
        seed=0,
        choices={"loss": "hinge"},
        started="2026-02-01T00:00:00Z",
    )
    failed = write_run(tmp_path / "failed", values={"fid": 9.0}, seed=2, state="failed")
    (failed / "results.json").write_text((again / "results.json").read_text())
    table = compare(find_runs([tmp_path]))

    assert table.best is not None
    (group,) = compare_groups(table, table.best).groups

    assert sorted(group["values"]) == [2.0, 7.0]
    assert "2 of 4 runs" in group["note"]


def test_other_images_are_another_experiment(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / name, seed=i, fingerprint=name) for i, name in enumerate(["old", "new"])]

    table = compare(records(*runs))

    assert len(table.groups) == 2
    assert set(table.settings["data"]) == {"old", "new"}


def test_few_keys_tell_apart() -> None:
    settings = pd.DataFrame([{"loss": "a", "lr": "1", "width": "1"}, {"loss": "a", "lr": "2", "width": "2"}])

    assert distinguishing_keys(settings, ["loss", "lr", "width"]) == ["lr"]
    assert distinguishing_keys(settings[:1], ["loss", "lr"]) == []


def test_names_are_told_apart(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / place / "same", name="same") for place in ("a", "b")]

    assert set(compare(records(*runs)).names) == {"same (a/same)", "same (b/same)"}


def test_one_run_is_enough(tmp_path: Path) -> None:
    page = page_of(tmp_path, write_run(tmp_path / "only", values={"fid": 2.5}, half=0.25))

    assert "1 run" in page
    assert "± 0.25" in page
    assert "Parallel coordinates" not in page


def test_nothing_measured_yet(tmp_path: Path) -> None:
    page = page_of(tmp_path, write_run(tmp_path / "young", state="interrupted", values={}))

    assert "Nothing was measured yet" in page
    assert "it was stopped before its end" in page


def test_no_run_at_all(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    with pytest.raises(UserError, match=r"no run to compare.*holds no manifest\.json"):
        write_comparison(find_runs([tmp_path / "empty"]), tmp_path / "c.html", "")

    assert not (tmp_path / "c.html").exists()


@pytest.mark.parametrize("name", ["c.html", "c.csv", "c.md"])
def test_a_file_that_is_no_comparison_is_left_alone(name: str, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    (tmp_path / name).write_text("mine")

    with pytest.raises(UserError, match=f"{name} exists and is not a comparison"):
        write_comparison(records(run), tmp_path / "c.html", "")

    assert (tmp_path / name).read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, "run"])


def test_a_comparison_is_written_over(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    for title in ("first", "second"):
        write_comparison(records(run), tmp_path / "c.html", title)

    assert "<title>second</title>" in (tmp_path / "c.html").read_text()


def break_manifest(text: str) -> Callable[[Path], object]:
    return lambda run: (run / "manifest.json").write_text(text)


def edit_manifest(**changes: Any) -> Callable[[Path], object]:
    def edit(run: Path) -> None:
        manifest = json.loads((run / "manifest.json").read_text())
        (run / "manifest.json").write_text(json.dumps(manifest | changes))

    return edit


def append(name: str, text: bytes) -> Callable[[Path], object]:
    def write(run: Path) -> None:
        with (run / name).open("ab") as file:
            file.write(text)

    return write


def remove(*names: str) -> Callable[[Path], object]:
    def unlink(run: Path) -> None:
        for name in names:
            place = run / name
            shutil.rmtree(place) if place.is_dir() else place.unlink()

    return unlink


def results(content: Any) -> Callable[[Path], object]:
    return lambda run: (run / "results.json").write_text(json.dumps(content))


def cut_pictures(run: Path) -> None:
    for picture in (run / "samples").glob("*.png"):
        picture.write_bytes(picture.read_bytes()[:60])


def directory_as_manifest(run: Path) -> None:
    (run / "manifest.json").unlink()
    (run / "manifest.json").mkdir()


def odd_pictures(run: Path) -> None:
    for name in ("kimg_nan.png", "kimg_inf.png", "kimg_.png", "kimg_x.png"):
        write_picture(run / "samples" / name)


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty": (remove("manifest.json", "samples", "metrics.csv", "results.json"), "it holds no manifest.json"),
    "half a manifest": (break_manifest('{"status": "fin'), "cannot be read"),
    "no object": (break_manifest("[1, 2]"), "is not one of this framework"),
    "not text": (lambda run: (run / "manifest.json").write_bytes(b"\xff\xfe\x00"), "cannot be read"),
    "a directory as manifest": (directory_as_manifest, "cannot be read"),
    "another program's": (edit_manifest(config="none"), "is not one of this framework"),
    "unknown status": (edit_manifest(status=None), "unknown status None"),
    "failed": (edit_manifest(status="failed", error="RuntimeError: it broke"), "RuntimeError: it broke"),
    "killed": (edit_manifest(status="running"), "it was stopped before its end"),
    "choices and data of other kinds": (edit_manifest(choices=None, data=3, sessions=[None], versions=[]), ""),
    "a line cut off": (append("metrics.csv", b"11,1.1,0.5"), "1 line of metrics.csv cannot be read"),
    "a word for a number": (append("metrics.csv", b"a,b,c,d,e,f\n1,2\n"), "2 lines of metrics.csv cannot be read"),
    "bytes for numbers": (append("metrics.csv", b"\x00\xff\xfe\n"), "1 line of metrics.csv cannot be read"),
    "numbers without end": (append("metrics.csv", b"training,nan,nan,inf,nan,-inf,inf\n"), ""),
    "no metrics": (remove("metrics.csv"), "it holds no metrics.csv"),
    "no results": (remove("results.json"), "it holds no results.json"),
    "half of the results": (append("results.json", b"}"), "results.json cannot be read"),
    "results of other kinds": (results({"evaluation": [1], "kimg": "far"}), ""),
    "values of other kinds": (
        results({"evaluation": {"values": {"a": 1, "b": {"value": "x", "protocol": 3}, "c": None}}}),
        "",
    ),
    "values that are no numbers": (
        results({"evaluation": {"values": {"fid/x_classifier": entry("fid", float("nan"), 1.0)}}}),
        "",
    ),
    "no pictures": (remove("samples"), ""),
    "pictures cut off": (cut_pictures, "cannot be read"),
    "pictures of odd names": (odd_pictures, ""),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_directory_is_told_and_the_others_compared(damage: str, tmp_path: Path) -> None:
    good = [write_run(tmp_path / name, values={"fid": value}, seed=3) for name, value in (("a", 1.5), ("b", 2.5))]
    bad = write_run(tmp_path / "bad", seed=4)
    harm, told = DAMAGE[damage]
    harm(bad)

    page = page_of(tmp_path, *good, bad)

    assert 'data-value="1.5"' in page
    assert 'data-value="2.5"' in page
    problems = page.partition("<h2>Samples</h2>")[2].partition("<footer")[0]
    assert told in problems
    assert (str(bad) in problems) == bool(told)


def test_a_directory_that_vanishes_while_it_is_compared(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / name, values={"fid": 1.5}) for name in ("stays", "goes")]
    found = find_runs(runs)
    assert found[1].grids
    shutil.rmtree(tmp_path / "goes")

    write_comparison(found, tmp_path / "c.html", "")

    page = (tmp_path / "c.html").read_text()
    assert 'data-value="1.5"' in page
    assert "it holds no results.json" in page


def test_names_and_values_are_text_and_nothing_else(tmp_path: Path) -> None:
    one = write_run(tmp_path / "one", name=NASTY, values={"fid": 1.0})
    two = write_run(tmp_path / "two <b>&", notes=NASTY, loss={NASTY: NASTY}, choices={"loss": NASTY})
    broken = tmp_path / "<i>broken"
    broken.mkdir()

    write_comparison(find_runs([one, two, broken]), tmp_path / "c.html", NASTY)

    page = (tmp_path / "c.html").read_text()
    assert "window.broken = true</script>" not in page
    assert "<img src=x" not in page
    assert "<i>broken" not in page
    names = [run["title"] for run in data(page, "run-data")]
    assert NASTY in names
    assert any(NASTY in option for options in data(page, "settings-data")["options"] for option in options)
    assert "<script>" not in (tmp_path / "c.md").read_text()
    assert NASTY in next(csv.reader((tmp_path / "c.csv").read_text().splitlines()[1:]))


def test_names_that_are_no_unicode(tmp_path: Path) -> None:
    page = page_of(tmp_path, write_run(tmp_path / "run", name="half \ud800 a pair"))

    assert "half ? a pair" in page


def test_csv(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", values={"fid": 2.0}, half=0.5)
    write_run(tmp_path / "other", values={}, seed=1, state="failed")
    (tmp_path / "empty").mkdir()

    lines = list(csv.DictReader(io.StringIO(as_csv(compare(find_runs([run, *tmp_path.glob("[eo]*")]))))))

    assert lines[0]["fid/x_classifier"] == "2.0"
    assert lines[0]["fid/x_classifier low"] == "1.5"
    assert lines[0]["seed"] == "0"
    assert {line["state"] for line in lines} == {"finished", "failed", "unreadable"}


def test_markdown(tmp_path: Path) -> None:
    runs = [
        write_run(tmp_path / f"a|b{seed}", values={"fid": 2.0 + seed, "recall": 0.5}, half=0.5, seed=seed)
        for seed in (0, 1)
    ]

    write_comparison(records(*runs), tmp_path / "c.html", "Two | runs")
    text = (tmp_path / "c.md").read_text()

    assert "# Two \\| runs" in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    widths = [len(re.findall(r"(?<!\\)\|", row)) for row in rows]
    assert widths[:7] == [8] * 4 + [6] * 3  # the runs, then the seeds joined
    assert "**2 ± 0.5**" in text
    assert "| all runs | 2 | **2.5 ± 6.4** | 2, 3 |" in text


def test_json_round_trip(tmp_path: Path) -> None:
    runs = [*seeds(tmp_path, "hinge", {0: 1.0, 1: 2.0}), *seeds(tmp_path, "bce", {0: 3.0, 1: 4.5})]

    found = json.loads(json.dumps(to_json(compare(records(*runs)), []), allow_nan=False))

    assert [run["rank"] for run in found["runs"]] == [1, 2, 3, 4]
    assert found["runs"][0]["settings"] == {"loss": "hinge", "seed": "0"}
    assert [group["mean"] for group in found["groups"]] == [1.5, 3.75]
    assert found["tests"][0]["groups"] == ["loss=hinge", "loss=bce"]
    key = found["runs"][0]["values"][0]["protocol"]
    assert found["protocols"][key]["num_samples"] == 10000


def test_curves_keep_ends_and_spikes() -> None:
    rows = [{"kimg": float(i), "iteration": 10.0 * i, "loss": 1.0, "images_per_second": 500.0} for i in range(1, 2001)]
    rows[777]["loss"] = 50.0
    rows[1234]["loss"] = -50.0
    rows[5]["loss"] = float("nan")

    found = charts.curves(rows, 100)

    position, values = found["scalars"]["loss"]
    places = found["places"][position]
    assert len(places) <= 100
    assert (places[0], places[-1]) == (1.0, 2000.0)
    assert max(values) == 50.0
    assert min(values) == -50.0
    assert all(value == value for value in values)


def test_training_time_is_images_over_speed() -> None:
    rows = [
        {"kimg": 1.0, "iteration": 10.0, "images_per_second": 100.0},
        {"kimg": 1.0, "iteration": 10.0, "fid": 3.0},
        {"kimg": 3.0, "iteration": 30.0, "images_per_second": 500.0},
    ]

    clock = charts.curves(rows)["clock"]

    assert clock == {"kimg": [0, 1, 3], "iterations": [0, 10, 30], "seconds": [0, 10, 14]}
    assert charts.curves([{"kimg": 2.0, "loss": 1.0}])["clock"]["seconds"] is None
    assert charts.curves([])["clock"]["kimg"] is None


def test_parallel_coordinates_are_a_figure_that_plotly_takes() -> None:
    from plotly.graph_objects import Figure  # type: ignore[import-untyped]

    dimensions: list[charts.Dimension] = [
        ("loss", ["hinge", "<b>", "hinge"]),
        ("lr", [1e-4, 1e-2, 1e-3]),
        ("fid ↓", [3.0, 1.0, 2.0]),
    ]

    spec = charts.parallel_coordinates(dimensions, higher_is_better=False)

    figure = Figure(spec)
    loss, rate, fid = figure.data[0].dimensions
    assert list(loss.ticktext) == ["&lt;b&gt;", "hinge"]
    assert list(loss["values"]) == [1, 0, 1]
    assert list(rate["values"]) == pytest.approx([-4, -2, -3])  # two decades: a logarithmic axis
    assert list(rate.ticktext) == ["0.0001", "0.001", "0.01"]
    assert list(fid["values"]) == [3.0, 1.0, 2.0]


def test_short_names_stay_apart() -> None:
    assert short_keys(["optimizer.generator.lr", "optimizer.discriminator.lr", "loss"]) == [
        "generator.lr",
        "discriminator.lr",
        "loss",
    ]


def test_slider_stops_join_near_places_and_keep_the_ends() -> None:
    assert grids.choose_stops([[0, 25.02, 50.04], [0, 25.08, 50.0]], 9) == [0, 25.08, 50.04]
    assert grids.choose_stops([[float(i) for i in range(100)]], 4) == [0, 33, 66, 99]
    assert grids.choose_stops([], 9) == []


def test_a_page_holds_pictures_as_they_are_while_there_is_room(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / str(i), values={"fid": i}, kimgs=(0, 5, 10), seed=i) for i in (1, 2, 3)]
    rows = records(*runs)
    own = (runs[0] / "samples" / "kimg_000005.000.png").read_bytes()

    found = grids.gather(rows)
    assert found.stops == [0, 5, 10]
    assert [picture["kimg"] for picture in found.pictures[2]] == [0, 5, 10]
    assert found.pictures[0][1]["uri"] == read_picture(runs[0] / "samples" / "kimg_000005.000.png").uri
    assert len(found.pictures[0][1]["uri"]) >= len(own)

    few = grids.gather(rows, most_runs=1)
    assert list(few.pictures) == [0]
    assert few.left_out == 2

    cramped = grids.gather(rows, budget=400)
    assert sum(len(picture["uri"]) for pictures in cramped.pictures.values() for picture in pictures) <= 400


def test_large_pictures_are_reduced(tmp_path: Path) -> None:
    write_picture(tmp_path / "large.png", side=300)

    found = read_picture(tmp_path / "large.png", longest_side=100)

    assert (found.width, found.reduced) == (100, True)
    assert not read_picture(tmp_path / "large.png").reduced


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.21485, "0.2149"), (12345.6, "12,346"), (1e20, "1e+20"), (None, ""), (0.0, "0"), (-0.0, "0"), (7, "7"),
        (float("nan"), "nan"), ("a word", "a word"),
    ],
)  # fmt: skip
def test_numbers_for_reading(value: object, text: str) -> None:
    assert short(value) == text
