"""The pages of studies: what is decided, and what is not."""

import json
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


def test_a_study_without_results_says_so(tmp_path: Path, sections: Any) -> None:
    write(tmp_path, {"a": []}, [])
    assert "No run has ended yet" in sections.study_section("toy")
    assert "No run has ended yet" in sections.alarms_section("toy")


def write_curves(directory: Path, values: dict[str, list[float]], steps: dict[str, list[int]]) -> None:
    write(directory, {name: list(of_seeds) for name, of_seeds in values.items()}, [])
    (directory / "toy.yaml").write_text((directory / "toy.yaml").read_text() + "curves: [fid/x]\n")
    for path in (directory / "results" / "toy").glob("*.json"):
        run = json.loads(path.read_text())
        variant, value = path.stem.rpartition("-")[0], run["values"]["fid/x"]["value"]
        run["curves"] = {"fid/x": {"kimg": [10, 20], "generator_steps": steps[variant], "value": [value + 8, value]}}
        path.write_text(json.dumps(run))


def test_curves_are_compared_at_equal_images_and_at_equal_steps(
    tmp_path: Path, sections: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import curve_sections

    monkeypatch.setattr(curve_sections, "DOCS", tmp_path)
    values = {"few": [20.0, 20.1, 20.2], "many": [10.0, 10.1, 10.2]}
    write_curves(tmp_path, values, {"few": [50, 100], "many": [100, 200]})

    assert not curve_sections.is_current("toy")
    curve_sections.draw("toy")
    assert curve_sections.is_current("toy")
    page = curve_sections.curves_section("toy")
    assert "| `fid/x` | at 20 kimg | at 100 generator steps | generator steps in all |" in page
    assert "| few | 20.1 ± 0.25 | 20.1 ± 0.25 | 100 |" in page
    assert "| many | 10.1 ± 0.25 | 18.1 ± 0.25 | 200 |" in page
    assert "many differs from few at 5%" in page

    for path in (tmp_path / "results" / "toy").glob("*-s[12].json"):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"status": "failed"}))
    assert not curve_sections.is_current("toy"), "failed runs are not drawn"
    assert "many cannot be told apart from any other" in curve_sections.curves_section("toy")
