"""Values of metrics, and how they are stored."""

import json
import math

import pytest

from gan_experiments.types import MetricSpec, MetricValue

PROTOCOL = {"metric": "FrechetDistance", "parameters": {}, "num_samples": 300}
FULL = MetricValue(
    key="fid_half/digits_classifier",
    value=2.0,
    spec=MetricSpec("fid_half", higher_is_better=True, part_of="fid"),
    protocol=PROTOCOL,
    interval=(1.5, 2.5),
    by_seed=(1.0, 3.0),
    floor=0.25,
    floor_count=297,
    ceiling=99.0,
    kimg=12.5,
)
UNDEFINED = MetricValue("class_fid/x", None, MetricSpec("class_fid"), PROTOCOL, by_seed=(1.0, None))


@pytest.mark.parametrize("value", [FULL, UNDEFINED])
def test_a_value_survives_json(value: MetricValue) -> None:
    entry = json.loads(json.dumps(value.to_json(), allow_nan=False))
    assert MetricValue.from_json(value.key, entry) == value
    assert entry["num_seeds"] == 2


def test_a_value_knows_its_parts() -> None:
    assert (FULL.name, FULL.extractor, FULL.half_width) == ("fid_half", "digits_classifier", 0.5)
    assert FULL.floor_of_fewer
    assert not UNDEFINED.floor_of_fewer
    assert FULL.protocol_hash == UNDEFINED.protocol_hash
    assert len(FULL.protocol_hash) == 8


def test_entries_of_older_runs_are_read() -> None:
    found = MetricValue.from_json("fid/x", {"value": math.nan, "protocol": {}})
    assert found == MetricValue("fid/x", None, MetricSpec("fid"), {})


@pytest.mark.parametrize("entry", [{"value": 1.0}, {"protocol": {}}, {"value": "x", "protocol": {}}, 3])
def test_damaged_entries_are_refused(entry: object) -> None:
    with pytest.raises((TypeError, KeyError, ValueError, AttributeError)):
        MetricValue.from_json("fid/x", entry)  # type: ignore[arg-type]  # as a damaged file has it
