"""`evaluate` and `fit-extractor`: mistakes in what they override."""

from pathlib import Path

import pytest

from cli.conftest import Verb


@pytest.mark.parametrize(
    ("override", "part"),
    [
        ("evaluation=3", "write group=NAME; `gan-experiments list GROUP` lists the names"),
        ("evaluation.num_sampels=3", "did you mean 'num_samples'"),
        ("seed=3", "only evaluation and data_dir, cache_dir, dataset.path can be given here"),
    ],
)
def test_a_mistake_in_an_override_is_told(verb: Verb, finished: Path, override: str, part: str, tmp_path: Path) -> None:
    said = verb("evaluate", finished, override)
    assert said.code == 2
    assert part in said.err
    assert not list(tmp_path.iterdir())


def test_so_is_one_of_a_data_set(verb: Verb, tmp_path: Path) -> None:
    said = verb("fit-extractor", "weights.safetensors", "dataset=3")
    assert said.code == 2
    assert "write group=NAME" in said.err
    assert not list(tmp_path.iterdir())
