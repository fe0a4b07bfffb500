"""Runs in TensorBoard's event files, read back with its own reader."""

import logging
import struct
from pathlib import Path
from typing import Any

import pytest
from launching import TINY, launch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from gan_experiments.runs.metrics_csv import read_metrics

FID = "fid/digits_classifier"
EVERYTHING = {"scalars": 0, "images": 0, "histograms": 0, "tensors": 0}
ARGUMENTS = [
    *(key for key in TINY if key != "evaluation=none"),
    *("evaluation.num_samples=300", "evaluation.every_kimg=0.128", "evaluation/metric=[fid,label_accuracy]"),
    *("sample_every_kimg=0.16", "logger=tensorboard", "seed=3", "notes='is <b>bold</b>'", "tags=[one]"),
]


def events(run: Path) -> Any:
    """Read a run as TensorBoard shows it."""
    found: Any = EventAccumulator(str(run / "tensorboard"), size_guidance=EVERYTHING)
    return found.Reload()


def shown(found: Any, tag: str) -> str:
    (event,) = found.Tensors(f"{tag}/text_summary")
    text: bytes = event.tensor_proto.string_val[0]
    return text.decode()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("tensorboard")
    launch(directory / "run", *ARGUMENTS, f"cache_dir={directory / 'cache'}")
    return directory / "run"


def assert_same(found: Any, run: Path) -> None:
    """Compare with the run's own record: values of single precision, over images seen."""
    rows = read_metrics(run / "metrics.csv")
    for tag in {key for row in rows for key in row} - {"kimg"}:
        points = [(event.step, event.value) for event in found.Scalars(tag)]
        expected = [(round(row["kimg"] * 1000), row[tag]) for row in rows if tag in row]
        assert [step for step, _ in points] == [step for step, _ in expected], tag
        assert [value for _, value in points] == pytest.approx([value for _, value in expected], rel=1e-6), tag


def test_scalars_are_those_of_the_runs_own_record_over_images_seen(run: Path) -> None:
    found = events(run)

    assert_same(found, run)
    assert [event.step for event in found.Scalars(FID)] == [128, 256, 320]
    assert "kimg" not in found.Tags()["scalars"]


def test_grids_are_the_files_of_the_run(run: Path) -> None:
    found = events(run)

    assert [event.step for event in found.Images("samples")] == [0, 160, 320]
    for event in found.Images("samples"):
        path = run / "samples" / f"kimg_{event.step / 1000:010.3f}.png"
        assert event.encoded_image_string == path.read_bytes()
        assert (event.width, event.height) == struct.unpack(">II", path.read_bytes()[16:24])
    assert len(found.Images("real")) == 1


def test_each_evaluation_shows_the_scores_of_real_and_generated_images(run: Path) -> None:
    found = events(run)

    for name, count in (("training", 1000), ("held_out", 297), ("generated", 300)):
        histograms = found.Histograms(f"scores/{name}")
        assert [event.step for event in histograms] == [128, 256, 320]
        assert [event.histogram_value.num for event in histograms] == [count] * 3
        assert all(sum(event.histogram_value.bucket) == count for event in histograms)


def test_the_config_what_the_run_is_and_its_choices_are_shown(run: Path) -> None:
    found = events(run)

    assert "\n    seed: 3\n" in f"\n{shown(found, 'config')}"
    assert "_target_: gan_experiments.models.dcgan.Generator" in shown(found, "config")
    name, tags, notes = shown(found, "about").split("\n\n")
    assert name.startswith("digits-")
    assert name.endswith("-s3")
    assert (tags, notes) == ("one", "is <b>bold</b>")
    plugin = found.SummaryMetadata("_hparams_/session_start_info").plugin_data
    parameters = HParamsPluginData.FromString(plugin.content).session_start_info.hparams
    assert parameters["loss"].string_value == "acgan_real"
    assert parameters["seed"].number_value == 3
    plugin = found.SummaryMetadata("_hparams_/experiment").plugin_data
    metrics = {info.name.tag for info in HParamsPluginData.FromString(plugin.content).experiment.metric_infos}
    assert {FID, "generator/loss"} <= metrics <= set(found.Tags()["scalars"])


@pytest.mark.slow
def test_a_resumed_run_goes_on_where_its_checkpoint_was(tmp_path: Path) -> None:
    cache = f"cache_dir={tmp_path / 'cache'}"
    every = ["checkpoint_every_kimg=0.192", "keep_checkpoints=9", "log_every_iterations=4"]
    launch(tmp_path / "run", *ARGUMENTS, *every, cache)
    (tmp_path / "run" / "checkpoints" / "iteration_000000020.pt").unlink()  # as if killed after that of 12
    launch(tmp_path / "unused", f"resume={tmp_path / 'run'}", "budget.kimg=0.384")

    found = events(tmp_path / "run")
    assert len(list((tmp_path / "run" / "tensorboard").iterdir())) == 2
    assert_same(found, tmp_path / "run")
    assert [event.step for event in found.Scalars("generator/loss")] == [64 * row for row in range(1, 7)]
    assert [event.step for event in found.Images("samples")] == [0, 160, 320, 384]


def test_after_a_rollback_what_was_rolled_back_is_taken_back(tmp_path: Path) -> None:
    from gan_experiments.callbacks.errors import AlarmError

    always = ["alarms.divergence.loss_limit=0.0001", "log_every_iterations=15", "sample_every_kimg=null"]
    diverging = ["alarms.divergence.action=rollback", "alarms.divergence.max_rollbacks=1", "budget.kimg=0.64"]
    with pytest.raises(AlarmError):
        launch(tmp_path / "run", *ARGUMENTS, *always, *diverging, f"cache_dir={tmp_path / 'cache'}")

    found = events(tmp_path / "run")
    assert [event.step for event in found.Scalars(FID)] == [128]
    assert [event.step for event in found.Scalars("generator/loss")][-1] == 240
    said = [event.tensor_proto.string_val[0].decode() for event in found.Tensors("alarms/divergence/text_summary")]
    assert "rolled back 1 times already" in said[-1]


def test_where_no_file_can_be_written_the_run_goes_on_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "tensorboard").write_text("in the way")
    with caplog.at_level(logging.WARNING):
        launch(tmp_path / "run", *TINY, "logger=tensorboard")

    assert "TensorBoard could not start" in caplog.text
    assert (tmp_path / "run" / "results.json").exists()
