"""The pages of studies: what is decided, and what is not."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

DOCS = Path(__file__).parents[1] / "docs"


@pytest.fixture
def sections(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(DOCS)
    import study_sections

    monkeypatch.setattr(study_sections, "DOCS", tmp_path)
    monkeypatch.setattr(study_sections, "STUDIES", tmp_path)
    return study_sections


def write(directory: Path, values: dict[str, list[float | None]], claims: list[Any]) -> None:
    study = {"seeds": [0, 1, 2], "variants": {name: [] for name in values}, "claims": claims}
    (directory / "toy.yaml").write_text(OmegaConf.to_yaml(OmegaConf.create(study)))
    (directory / "results" / "toy").mkdir(parents=True)
    for name, of_seeds in values.items():
        for seed, value in enumerate(of_seeds):
            entry = {"value": value, "num_seeds": 4, "higher_is_better": False, "protocol": "p", "floor": 1.0}
            run = {
                "status": "finished", "commit": "c" * 40, "date": "2026-01-01", "machine": "m", "torch": "t",
                "seconds": 60.0, "alarms": [], "num_samples": 100, "not_applicable": {}, "at_the_end": {},
                "values": {"fid/x": entry},
            }  # fmt: skip
            (directory / "results" / "toy" / f"{name}-s{seed}.json").write_text(json.dumps(run))


def claim(lower: str, than: str) -> dict[str, Any]:
    return {"claim": f"{lower} is better", "lower": [lower, "fid/x"], "than": [than, "fid/x"]}


def test_claims_are_decided_by_welch_and_holm(tmp_path: Path, sections: Any) -> None:
    values: dict[str, list[float | None]] = {"a": [1.0, 1.1, 0.9], "b": [5.0, 5.1, 4.9], "c": [1.0, 9.0, 5.0]}
    write(tmp_path, values, [claim("a", "b"), claim("b", "a"), claim("a", "c")])

    page = sections.study_section("toy")
    assert "| `fid` | 1 ± 0.25 | 5 ± 0.25 | 5 ± 9.9 | 1 |" in page  # t(2) = 4.303, standard error 0.1 / sqrt 3
    verdicts = [line.split("|")[-2].strip() for line in page.splitlines() if "is better |" in line]
    assert verdicts == ["holds", "the opposite holds", "inconclusive"]


def test_a_value_that_is_undefined_decides_nothing(tmp_path: Path, sections: Any) -> None:
    write(tmp_path, {"a": [1.0, None, 1.0], "b": [5.0, 5.0, 5.1]}, [claim("a", "b"), claim("b", "a")])

    page = sections.study_section("toy")
    assert page.count("inconclusive") == 2
    assert "| undefined |" in page


def test_holm_stops_at_the_first_that_is_not_significant(sections: Any) -> None:
    assert sections.holm([0.01, 0.04, 0.03]) == [True, False, False]
    assert sections.holm([0.01, 0.02, 0.03]) == [True, True, True]
    assert sections.holm([math.inf, 0.01]) == [False, True]


def test_a_study_without_results_says_so(tmp_path: Path, sections: Any) -> None:
    write(tmp_path, {"a": []}, [])
    assert "No run has ended yet" in sections.study_section("toy")
    assert "No run has ended yet" in sections.alarms_section("toy")
