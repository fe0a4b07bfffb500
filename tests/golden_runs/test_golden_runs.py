"""Short training runs give the results that they gave before, whatever has become of the code."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cases import CASES, EQUALITIES, Case, Equality
from runner import Runner
from snapshot import CHECKOUT, Result, deviations, differences, read_results, train

BASELINE = "GOLDEN_BASELINE"
"""Names a snapshot made on this machine, which the results must equal to the bit."""
BY_NAME = {case.name: case for case in CASES}

pytestmark = pytest.mark.slow


class Trained:
    """Results of the cases, each trained when it is first asked for."""

    def __init__(self, runner: Runner) -> None:
        self.runner = runner
        self._results: dict[str, Result] = {}

    def __getitem__(self, name: str) -> Result:
        if name not in self._results:
            self._results[name] = train(self.runner, BY_NAME[name])
        return self._results[name]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trained]:
    with Runner(CHECKOUT, tmp_path_factory.mktemp("golden_runs")) as runner:
        yield Trained(runner)


@pytest.fixture(scope="module")
def expected() -> dict[str, Result]:
    return read_results(Path(__file__).parent / "expected.json")


@pytest.fixture(scope="module")
def baseline() -> dict[str, Result] | None:
    path = os.environ.get(BASELINE)
    return read_results(Path(path)) if path else None


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_run_ends_as_it_did(
    case: Case, trained: Trained, expected: dict[str, Result], baseline: dict[str, Result] | None
) -> None:
    result = trained[case.name]
    assert deviations(result, expected[case.name], case.tolerance) == []
    if baseline is not None:
        assert differences(result, baseline[case.name]) == []


@pytest.mark.parametrize("equality", EQUALITIES, ids=lambda equality: equality.name)
def test_what_must_change_nothing_changes_no_bit(equality: Equality, trained: Trained) -> None:
    case = BY_NAME[equality.case]
    variant = replace(case, overrides=case.overrides + equality.further, stop_at_row=equality.stop_at_row)
    assert differences(train(trained.runner, variant, equality.name), trained[case.name]) == []
