import math
import os
from pathlib import Path

import pytest
from PIL import Image

from gan_experiments.io import write_atomically, write_json
from gan_experiments.loggers.csv import LocalRecord
from gan_experiments.reports.losses import COLOURS, plot_losses
from gan_experiments.runs.metrics_csv import Row, read_metrics


def test_rows_come_back_and_a_new_column_keeps_the_old_rows(tmp_path: Path) -> None:
    record = LocalRecord(tmp_path / "metrics.csv")
    record.log_metrics({"iteration": 1, "a": 0.1})
    record.log_metrics({"iteration": 2, "a": 0.2, "b": 1e-300})
    record.log_metrics({"iteration": 3, "b": -5})
    rows = [{"iteration": 1, "a": 0.1}, {"iteration": 2, "a": 0.2, "b": 1e-300}, {"iteration": 3, "b": -5}]
    assert read_metrics(tmp_path / "metrics.csv") == rows


def test_a_truncated_last_line_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    record = LocalRecord(path)
    for iteration in range(3):
        record.log_metrics({"iteration": iteration, "value": 123456.5})
    path.write_text(path.read_text()[:-4])
    assert [row["iteration"] for row in read_metrics(path)] == [0, 1]
    again = LocalRecord(path)
    again.cut_back(1, 1)
    again.log_metrics({"iteration": 2, "value": 7})
    assert [row["value"] for row in read_metrics(path)] == [123456.5, 123456.5, 7]


def test_a_file_that_cannot_be_read_is_not_written_over_as_if_it_were_empty(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").mkdir()
    with pytest.raises(IsADirectoryError):
        LocalRecord(tmp_path / "metrics.csv").cut_back(1, 1)


def test_a_damaged_line_costs_no_other(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text("iteration,a\n1,2\n2,3,4\n3,x\n4,5\n")
    LocalRecord(path).log_metrics({"iteration": 5, "b": 6})
    assert [row["iteration"] for row in read_metrics(path)] == [1, 4, 5]


def test_cutting_back_keeps_evaluations_up_to_the_checkpoint_and_whole_loss_intervals(tmp_path: Path) -> None:
    record = LocalRecord(tmp_path / "metrics.csv")
    for iteration in (10, 20, 25):
        record.log_metrics({"iteration": iteration, "discriminator/loss": 1.0})
    for iteration in (22, 30):
        record.log_metrics(Row({"iteration": iteration, "fid/x": 2.0}, "evaluation"))
    record.cut_back(last_evaluation=25, last_row=20)
    rows = read_metrics(tmp_path / "metrics.csv")
    assert [(row["iteration"], row.kind) for row in rows] == [(10, "training"), (20, "training"), (22, "evaluation")]


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "value.json"
    write_json(path, {"a": 1})

    def broken(file: object) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_atomically(path, broken)
    assert os.listdir(tmp_path) == ["value.json"]  # noqa: PTH208 - names suffice
    assert '"a": 1' in path.read_text()


def test_losses_are_drawn_also_when_one_network_was_never_trained(tmp_path: Path) -> None:
    rows = [{"kimg": k / 10, "discriminator_steps": k, "generator_steps": 0, "discriminator/loss": k} for k in range(5)]
    both = [{**row, "generator_steps": row["discriminator_steps"], "generator/loss": 1.0} for row in rows]
    for name, of, width in (("one", rows, 700), ("both", both, 1300)):  # without an empty panel
        plot_losses(of, tmp_path / f"{name}.png", "title")
        with Image.open(tmp_path / f"{name}.png") as image:
            assert image.width == width


def test_a_curve_has_a_gap_where_its_network_paused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also a pause of one interval, and turns at each."""
    from matplotlib.axes import Axes

    drawn: dict[str, list[float]] = {}
    monkeypatch.setattr(Axes, "plot", lambda axes, x, y, label="", **look: drawn.update({label: y}))
    monkeypatch.setattr(Axes, "legend", lambda axes: None)
    trained = [("discriminator", "generator"), ("generator",), ("discriminator",), ()]
    rows = [
        {"kimg": k / 10, **{f"{name}_steps": k for name in COLOURS}, **{f"{name}/loss": 1.0 for name in names}}
        for k, names in enumerate(trained)
    ]

    plot_losses(rows, tmp_path / "losses.png", "title")

    gaps = {name: [math.isnan(loss) for loss in drawn[name]] for name in COLOURS}
    assert gaps == {"discriminator": [False, True, False], "generator": [False, False, True]}
