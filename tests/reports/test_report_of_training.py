"""Training ends with the report, unless it is told not to."""

from pathlib import Path

import pytest
from launching import TINY, launch

from gan_experiments.reports import lab_report as report
from gan_experiments.runs.run import Run
from gan_experiments.types import RunFailedError

DEFAULT = [word for word in TINY if word != "report=false"]


def test_by_default_a_run_ends_with_its_report(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    launch(tmp_path / "run", *DEFAULT)

    page = (tmp_path / "run" / "report.html").read_text()
    assert "The run reached its end." in page
    assert "PointConvTranspose2d" in page
    assert (tmp_path / "run" / "report.md").exists()
    assert f"Report: {tmp_path / 'run' / 'report.html'}" in caplog.text


def test_a_run_that_diverges_ends_with_its_report_too(tmp_path: Path) -> None:
    with pytest.raises(RunFailedError):
        launch(
            tmp_path / "run", *DEFAULT, "loss=wgan_gp", "loss.gradient_penalty.weight=0", "optimizer.discriminator.lr=5"
        )

    page = (tmp_path / "run" / "report.html").read_text()
    assert "The run FAILED" in page
    assert "training diverges" in page
    assert '<b>Alarm</b> <a href="#alarms">divergence</a>' in page


def test_a_report_that_cannot_be_written_is_no_failure_of_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(report, "write_text", full)

    results = launch(tmp_path / "run", *DEFAULT)

    assert results["iterations"] == 20
    assert Run.read(tmp_path / "run").state == "finished"
    assert "The report could not be written (OSError: [Errno 28] No space left on device)" in caplog.text


def test_a_resumed_run_may_leave_its_report_out(tmp_path: Path) -> None:
    launch(tmp_path / "run", *TINY)

    launch(tmp_path / "run", *TINY[:3], f"resume={tmp_path / 'run'}", "budget.kimg=0.4", "report=true")

    assert (tmp_path / "run" / "report.html").exists()
