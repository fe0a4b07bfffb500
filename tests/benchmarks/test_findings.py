"""The findings of studies: what is decided, and what is not."""

from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf
from toy_study import ROOT, change, import_sections, verdicts, write


@pytest.fixture
def sections(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    return import_sections(tmp_path, monkeypatch)


def claim(lower: str, than: str) -> dict[str, Any]:
    return {"claim": f"{lower} is better", "lower": [lower, "fid/x"], "than": [than, "fid/x"]}


def test_claims_are_decided_by_welch_and_holm(tmp_path: Path, sections: Any) -> None:
    values: dict[str, list[float | None]] = {"a": [1.0, 1.1, 0.9], "b": [5.0, 5.1, 4.9], "c": [1.0, 9.0, 5.0]}
    write(tmp_path, values, [claim("a", "b"), claim("b", "a"), claim("a", "c")])

    page = sections.study_section("toy")
    assert "| `fid` | 1 ± 0.25 | 5 ± 0.25 | 5 ± 9.9 | 1 |" in page  # t(2) = 4.303, standard error 0.1 / sqrt 3
    assert verdicts(page) == ["holds", "the opposite holds", "inconclusive"]
    assert "| 1 ± 0.25 against 5 ± 0.25 (3 runs each) |" in page
    assert "**3 claims: 1 × holds, 1 × the opposite holds, 1 × inconclusive.**\n" in page


def test_our_own_claims_and_runs_to_come_are_told_apart(tmp_path: Path, sections: Any) -> None:
    values: dict[str, list[float | None]] = {"a": [1.0, 1.1, 0.9], "b": [5.0, 5.1], "c": []}
    write(tmp_path, values, [claim("a", "b"), {**claim("b", "a"), "ours": True}, {**claim("a", "c"), "ours": True}])

    page = sections.study_section("toy")
    assert (
        "**1 claim of the report: 1 × holds. 2 claims of our own: 1 × the opposite holds, 1 × inconclusive.**" in page
    )
    assert "** 5 of 9 runs have ended so far.\n" in page
    assert "| b is better (ours) |" in page


def test_values_by_different_protocols_are_marked(tmp_path: Path, sections: Any) -> None:
    write(tmp_path, {"a": [1.0, 1.1], "b": [5.0, 5.1]}, [claim("a", "b")])
    assert "†" not in sections.study_section("toy")

    other = {"value": 5.0, "num_seeds": 4, "higher_is_better": False, "protocol": "q", "floor": 1.0}
    change(tmp_path, "b", values=[{"fid/x": other}] * 2)
    (tmp_path / "results" / "toy" / "protocols.json").write_text('{"p": {"data": 1}, "q": {"data": 2}}')
    page = sections.study_section("toy")
    assert "(2 runs each) † |" in page
    assert "† not quite one measure" in page


def test_values_by_different_extractors_stand_in_tables_of_their_own(tmp_path: Path, sections: Any) -> None:
    write(tmp_path, {"a": [1.0], "b": [2.0], "c": [3.0], "none": []}, [])
    accuracy = {"value": 0.5, "num_seeds": 1, "higher_is_better": True, "protocol": "p"}
    change(tmp_path, "b", values=[{"fid/y": {**accuracy, "value": 2.0}}])
    change(tmp_path, "c", values=[{"class_head_accuracy/discriminator": accuracy}])

    page = sections.study_section("toy")
    assert "|  | a (1 seed) | c (1 seed) | floor" in page  # what asks no extractor stands beside the first
    assert "|  | b (1 seed) | floor" in page
    assert page.count("| `fid` |") == 2
    assert "none" not in page


def test_runs_that_failed_or_were_measured_otherwise_are_counted(tmp_path: Path, sections: Any) -> None:
    write(tmp_path, {"a": [1.0, 2.0], "failed": [1.0]}, [])
    of_first = {"fid/x": {"value": 1.0, "num_seeds": 4, "higher_is_better": False, "protocol": "p"}}
    change(tmp_path, "a", values=[of_first | {"kid/x": of_first["fid/x"]}, of_first])
    change(tmp_path, "a", at_the_end=[{}, {"kid/x": 9.0}])  # of one draw, in training
    change(tmp_path, "failed", values=[{}], status=["failed"])

    page = sections.study_section("toy")
    assert "|  | a (2 seeds) | failed (1 seed, 1 failed) | floor" in page
    assert "| `kid` | 1 (1 of 2 runs) |  |" in page


def test_a_value_may_be_one_that_a_verb_has_left(sections: Any) -> None:
    import study_results

    found = {"inspection": {"inspection/a": 1.0}, "drawn": {"drawn/b": 2.0}}
    run = {"values": {}, "at_the_end": {}, **found}
    assert [study_results.values([run], key) for key in ("inspection/a", "drawn/b", "drawn/c")] == [[1.0], [2.0], []]


def test_a_value_that_is_undefined_decides_nothing(tmp_path: Path, sections: Any) -> None:
    write(tmp_path, {"a": [1.0, None, 1.0], "b": [5.0, 5.0, 5.1]}, [claim("a", "b"), claim("b", "a")])

    page = sections.study_section("toy")
    assert verdicts(page) == ["inconclusive: undefined in 1 of 6 runs"] * 2
    assert "| undefined |" in page


def test_claims_are_read_off_values_that_never_differ(tmp_path: Path, sections: Any) -> None:
    values: dict[str, list[float | None]] = {"a": [1.0, 1.0], "b": [1.0, 1.0], "c": [2.0, 2.0], "d": [1.0]}
    write(tmp_path, values, [claim("a", "b"), claim("a", "c"), claim("c", "a"), claim("a", "d")])

    page = sections.study_section("toy")
    assert verdicts(page) == [
        "does not hold", "holds", "the opposite holds", "inconclusive: one run tells no spread",
    ]  # fmt: skip
    assert "such a claim is read off the values" in page
    assert "Holm" not in page


def test_within_a_variant_runs_are_paired_by_seed(tmp_path: Path, sections: Any) -> None:
    """Not by place, where some runs lack a value; and differences, not values, are what may not vary."""
    write(tmp_path, {"a": [1.0, 1.1, 1.2]}, [{"claim": "x", "lower": ["a", "x/d"], "than": ["a", "y/d"]}])
    for ends, verdict in (
        ([{"x/d": 1.0, "y/d": 2.0}, {"x/d": 3.0, "y/d": 4.1}, {"x/d": 9.0, "y/d": 9.9}], "holds"),
        ([{"x/d": 1.0, "y/d": 2.0}, {"x/d": 3.0, "y/d": 4.0}, {"x/d": 9.0, "y/d": 10.0}], "holds"),
        ([{"x/d": 1.0, "y/d": 1.0}, {"x/d": 3.0, "y/d": 3.0}, {"x/d": 9.0, "y/d": 9.0}], "does not hold"),
        ([{"x/d": 1.0}, {"x/d": 3.0, "y/d": 4.1}, {"y/d": 9.9}], "inconclusive: not measured in every run"),
    ):
        change(tmp_path, "a", at_the_end=ends)
        assert verdicts(sections.study_section("toy")) == [verdict]


def of_one(name: str, **limits: Any) -> dict[str, Any]:
    return {"claim": f"{name} {limits}", "of": [name, "fid/x"], **limits}


def test_a_mean_is_held_against_a_number(tmp_path: Path, sections: Any) -> None:
    values: dict[str, list[float | None]] = {
        "near": [1.0, 1.1, 0.9], "wide": [0.0, 1.0, 2.0], "exact": [0.0, 0.0, 0.0], "none": [None, 1.0, 1.0],
        "infinite": [1.0, 2.0, float("inf")], "lonely": [0.1],
    }  # fmt: skip
    claims = [
        of_one("near", below=2), of_one("near", above=2), of_one("wide", below=2), of_one("exact", below=0.01),
        of_one("exact", above=0), of_one("none", below=2), of_one("infinite", above=0), of_one("lonely", below=2),
    ]  # fmt: skip
    write(tmp_path, values, claims)

    page = sections.study_section("toy")
    assert verdicts(page) == [
        "holds", "the opposite holds", "inconclusive", "holds", "does not hold",
        "inconclusive: undefined in 1 of 3 runs", "inconclusive: undefined in 1 of 3 runs",
        "inconclusive: one run tells no spread",
    ]  # fmt: skip


def test_what_real_images_and_noise_score_stands_beside_a_value(tmp_path: Path, sections: Any) -> None:
    write(tmp_path, {"a": [1.0, 1.1], "b": [5.0, 5.1]}, [claim("a", "b"), of_one("a", below=2)])
    for variant, noise in (("a", 9.0), ("b", 7.5)):
        entry = {"num_seeds": 4, "higher_is_better": False, "protocol": "p", "floor": 0.5, "ceiling": noise}
        change(tmp_path, variant, values=[{"fid/x": {**entry, "value": value}} for value in (1.0, 1.1)])

    page = sections.study_section("toy")
    assert "(2 runs each); a: real 0.5, noise 9; b: real 0.5, noise 7.5 |" in page
    assert "(2 runs); real 0.5, noise 9 |" in page
    assert "real, noise: what other real images and noise score in place of samples." in page


def test_the_p_of_a_mean_against_a_number_is_that_of_scipy(sections: Any) -> None:
    from claim_values import against
    from scipy import stats  # type: ignore[import-untyped]

    values = [1.0, 1.5, 0.7, 1.9]
    assert against(values, 0.4) == pytest.approx(float(stats.ttest_1samp(values, 0.4).pvalue))


def test_holm_counts_the_claims_that_have_a_p_alone(tmp_path: Path, sections: Any) -> None:
    values: dict[str, list[float | None]] = {"a": [1.0, 1.1, 0.9], "b": [1.0, None, 1.0]}
    write(
        tmp_path, values, [of_one("a", below=1.5), *[of_one("b", below=2)] * 9]
    )  # p = 0.013, and 0.13 for ten of them

    page = sections.study_section("toy")
    assert verdicts(page)[0] == "holds"
    assert "over the 1 claim with a p" in page


def test_an_alarm_holds_where_it_rings_in_all_runs(tmp_path: Path, sections: Any) -> None:
    rings = {"alarm": "mutual_defeat", "kimg": 130.0, "action": "warn"}
    write(
        tmp_path,
        {**{name: [1.0, 1.1, 1.2] for name in ("all", "some", "silent")}, "lonely": [1.0], "not_run": []},
        [
            {"claim": f"{name} {form}", form: "mutual_defeat", "in": name}
            for name in ("all", "some", "silent", "lonely")
            for form in ("alarm", "no_alarm")
        ],
    )
    change(tmp_path, "all", alarms=[[rings], [{**rings, "kimg": 70.0}, rings], [rings]])
    change(tmp_path, "some", alarms=[[rings], [{**rings, "alarm": "divergence"}], []])

    page = sections.study_section("toy")
    assert verdicts(page) == [
        "holds", "does not hold", "inconclusive", "inconclusive", "does not hold", "holds",
        *["inconclusive: one run tells no spread"] * 2,
    ]  # fmt: skip
    assert "| rang in 3 of 3 runs, first at 70 kimg |" in page
    assert "| rang in 1 of 3 runs, first at 130 kimg |" in page
    assert "| rang in 0 of 3 runs |" in page
    alarms = sections.alarms_section("toy")
    assert "| all | 3 | mutual_defeat 4 × (first at 70 kimg) |" in alarms
    assert "| silent | 3 | none |" in alarms
    assert "| not_run | 0 | not run yet | |" in alarms


def test_claims_read_ends_curves_and_differences(tmp_path: Path, sections: Any) -> None:
    claims = [
        {"claim": "end", "of": ["a", "g/loss"], "above": 2},
        {"claim": "at", "of": ["a", "g/loss"], "at_kimg": 88, "below": 0.5},
        {"claim": "lowest of all points", "of": ["a", "g/loss"], "min": True, "below": -30},
        {"claim": "late", "of": ["a", "g/loss"], "last_third": True, "below": 2},
        {"claim": "apart", "of": ["a", "g/loss", "d/loss"], "above": 3},
        {"claim": "within one", "lower": ["a", "d/loss"], "than": ["a", "g/loss"]},
        {"claim": "one falls", "of": ["a", "g/loss", "d/loss"], "correlation": True, "below": 0},
        {"claim": "no such key", "of": ["a", "nothing/x"], "above": 3},
        {"claim": "another study", "lower": ["a", "d/loss"], "than": ["toy/a", "g/loss"]},
    ]
    write(tmp_path, {"a": [1.0, 1.1, 1.2]}, claims)
    ends = [{"g/loss": 5.0 + seed / 10, "d/loss": -1.0 - seed / 7} for seed in range(3)]
    curves = [
        {
            "g/loss": {"kimg": [30, 60, 90], "value": [9.0 + seed, seed / 100, 1.0 + seed / 10], "min": -40.0 - seed},
            "d/loss": {"kimg": [30, 60, 90], "value": [1.0, 8.0 + seed, 2.0]},
        }
        for seed in range(3)
    ]
    change(tmp_path, "a", at_the_end=ends, curves=curves)

    page = sections.study_section("toy")
    assert verdicts(page) == [*["holds"] * 7, "not measured", "holds"]
    assert "| `g/loss`, its last by 88 kimg of a below 0.5 | 0.01 ± 0.025 (3 runs) |" in page
    assert "| `g/loss`, its lowest of a below -30 | -41 ± 2.5 (3 runs) |" in page
    assert "| `g/loss`, mean of the last third of a below 2 | 0.555 ± 0.14 (3 runs) |" in page


STUDIES = sorted((ROOT / "benchmarks" / "studies").glob("*.yaml"))


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_studies_claim_what_they_measure(path: Path) -> None:
    study: Any = OmegaConf.to_container(OmegaConf.load(path))
    names = study["variants"].keys()
    assert {*study.get("after", {}), *study.get("counts", {})} <= names
    for claim in study.get("claims", []):
        assert len(claim.keys() & {"lower", "of", "alarm", "no_alarm"}) == 1, claim
        sides = [claim[key] for key in ("lower", "than", "of") if key in claim]
        assert all(side[0] in names or "/" in side[0] for side in sides), claim
        assert claim.get("in") is None or claim["in"] in names, claim
        assert "of" not in claim or len(claim.keys() & {"above", "below"}) == 1, claim
        if claim.keys() & {"at_kimg", "min", "last_third", "correlation"}:
            assert {key for side in sides for key in side[1:]} <= set(study["curves"]), claim


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_studies_run_experiments_that_there_are(path: Path) -> None:
    study: Any = OmegaConf.to_container(OmegaConf.load(path))
    for written in study["variants"].values():
        overrides = written["overrides"] if isinstance(written, dict) else written
        for name in [word.partition("=")[2] for word in overrides if word.startswith("+experiment=")]:
            assert (ROOT / "conf" / "experiment" / f"{name}.yaml").exists(), name
