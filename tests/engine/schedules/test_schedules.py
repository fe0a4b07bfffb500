"""Schedules: exact sequences, and the properties that keep training alive."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from hydra.utils import instantiate
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from gan_experiments.engine.schedules.alternate_epochs import AlternateEpochs
from gan_experiments.engine.schedules.base import Schedule, Updates
from gan_experiments.engine.schedules.loss_threshold import LossThreshold
from gan_experiments.engine.schedules.ratio import Ratio
from gan_experiments.types import Progress, UserError

CONF = Path(__file__).parents[3] / "conf"
quick = settings(deadline=None, max_examples=100, database=None)
START = Progress(0, 0, 0, 0)


def written(schedule: Schedule, iterations: int) -> str:
    """One letter an iteration: d or g for one network alone, b for both."""
    plans = (schedule.plan(START._replace(iteration=iteration)) for iteration in range(iterations))
    return "".join({(True, False): "d", (False, True): "g", (True, True): "b"}[plan] for plan in plans)


@pytest.mark.parametrize(
    ("discriminator", "generator", "sequence"),
    [
        (1, 1, "bbbb"),
        (5, 1, "ddddbddddb"),
        (1, 10, "bgggggggggbggggggggg"),
        (3, 2, "dbbdbb"),
        (2, 3, "bbgbbg"),
        (4, 2, "dbdb"),
        (2, 2, "bb"),
        (1, 0, "ddd"),
        (0, 2, "ggg"),
    ],
)
def test_ratio_sequences(discriminator: int, generator: int, sequence: str) -> None:
    assert written(Ratio(discriminator, generator), len(sequence)) == sequence


counts = st.integers(0, 12)


@quick
@given(counts, counts.filter(bool), st.integers(0, 5), st.booleans())
def test_each_cycle_of_a_ratio_has_its_exact_counts(few: int, many: int, cycle: int, swap: bool) -> None:
    discriminator, generator = (many, few) if swap else (few, many)
    schedule = Ratio(discriminator, generator)
    length = max(discriminator, generator)
    plans = [schedule.plan(START._replace(iteration=cycle * length + i)) for i in range(length)]
    assert sum(plan.discriminator for plan in plans) == discriminator
    assert sum(plan.generator for plan in plans) == generator
    assert all(any(plan) for plan in plans)


@quick
@given(st.integers(1, 12), st.integers(1, 12))
def test_the_rarer_network_is_spread_evenly(discriminator: int, generator: int) -> None:
    schedule = Ratio(discriminator, generator)
    length = max(discriminator, generator)
    plans = [schedule.plan(START._replace(iteration=i)) for i in range(2 * length)]
    for network in ("discriminator", "generator"):
        places = [i for i, plan in enumerate(plans) if getattr(plan, network)]
        gaps = {after - before for before, after in pairwise(places)}
        assert max(gaps) - min(gaps) <= 1


@pytest.mark.parametrize(
    ("schedule", "sequence"),
    [
        (AlternateEpochs(), "dgdgdg"),
        (AlternateEpochs(first="generator"), "gdgdgd"),
        (AlternateEpochs(2, 1), "ddgddg"),
        (AlternateEpochs(2, 1, first="generator"), "gddgdd"),
        (AlternateEpochs(0, 1), "gggggg"),
    ],
)
def test_alternation_of_epochs(schedule: AlternateEpochs, sequence: str) -> None:
    plans = [schedule.plan(Progress(7 * epoch, epoch, 0, 0)) for epoch in range(6)]
    assert plans == [Updates(letter == "d", letter == "g") for letter in sequence]


def test_alternation_follows_epochs_and_not_iterations() -> None:
    schedule = AlternateEpochs()
    assert {schedule.plan(Progress(iteration, 0, 0, 0)) for iteration in range(10)} == {Updates(True, False)}


def test_thresholds_pause_and_wake_each_network() -> None:
    schedule = LossThreshold(discriminator_above=0.5, generator_above=1.0)
    assert schedule.plan(START) == (True, True)  # nothing observed yet
    for discriminator_loss, generator_loss, expected in [
        (0.6, 1.1, (True, True)),
        (0.5, 1.1, (False, True)),  # at its level a network pauses
        (0.6, 1.0, (True, False)),
        (0.4, 0.3, (True, False)),  # both low: the higher loss trains
        (0.2, 0.3, (False, True)),
        (0.2, 0.2, (True, False)),
        (0.9, 1.5, (True, True)),  # and both wake again
    ]:
        schedule.observe(discriminator_loss, generator_loss)
        assert schedule.plan(START) == schedule.plan(START) == expected


def test_a_network_without_a_level_never_pauses() -> None:
    schedule = LossThreshold(discriminator_above=0.5, generator_above=None)
    schedule.observe(0.1, -5.0)
    assert schedule.plan(START) == (False, True)
    schedule = LossThreshold(discriminator_above=None, generator_above=0.5)
    schedule.observe(-5.0, 0.1)
    assert schedule.plan(START) == (True, False)


losses = st.floats(allow_nan=True, allow_infinity=True) | st.floats(-2, 2)
levels = st.none() | st.floats(-2, 2)


@quick
@given(levels, levels, st.lists(st.tuples(losses, losses), max_size=8))
def test_one_network_at_least_is_always_trained(
    discriminator_above: float | None, generator_above: float | None, observed: list[tuple[float, float]]
) -> None:
    if discriminator_above is None and generator_above is None:
        return
    schedule = LossThreshold(discriminator_above, generator_above)
    for pair in observed:
        schedule.observe(*pair)
        assert any(schedule.plan(START))


@quick
@given(levels, st.floats(-2, 2), st.lists(st.tuples(losses, losses), min_size=1, max_size=8), st.data())
def test_a_resumed_threshold_plans_the_same(
    discriminator_above: float | None, generator_above: float, observed: list[tuple[float, float]], data: st.DataObject
) -> None:
    whole, first, second = (LossThreshold(discriminator_above, generator_above) for _ in range(3))
    cut = data.draw(st.integers(0, len(observed)))
    for pair in observed[:cut]:
        whole.observe(*pair)
        first.observe(*pair)
    second.load_state_dict(json.loads(json.dumps(first.state_dict(), allow_nan=False)))
    assert second.plan(START) == whole.plan(START)
    for pair in observed[cut:]:
        whole.observe(*pair)
        second.observe(*pair)
        assert second.plan(START) == whole.plan(START)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_not_finite_pauses_nobody(bad: float) -> None:
    schedule = LossThreshold(discriminator_above=0.5, generator_above=0.5)
    for pair, expected in [((bad, bad), (True, True)), ((bad, 0.1), (True, False)), ((0.1, bad), (False, True))]:
        schedule.observe(*pair)
        assert schedule.plan(START) == expected


def test_a_paused_network_does_not_stay_paused() -> None:
    """A game in which each network's loss falls while it trains and rises while the other does."""
    schedule = LossThreshold(discriminator_above=0.5, generator_above=0.5, measure_every=10)
    loss = [0.4, 0.4]
    steps = [0, 0]
    pauses = [0, 0]
    for iteration in range(2000):
        if iteration % (schedule.measure_every or 1) == 0:
            schedule.observe(*loss)
        plan = schedule.plan(START._replace(iteration=iteration))
        for network in range(2):
            if plan[network]:
                steps[network] += 1
                loss[network] -= 0.02
                loss[1 - network] += 0.015
            else:
                pauses[network] += 1
    assert min(steps) > 500
    assert min(pauses) > 100


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Ratio(0, 0), r"schedule\.discriminator and schedule\.generator"),
        (lambda: AlternateEpochs(0, 0), r"schedule\.discriminator and schedule\.generator"),
        (lambda: LossThreshold(None, None), r"schedule\.discriminator_above and schedule\.generator_above"),
    ],
)
def test_senseless_schedules_are_refused(build: Callable[[], Schedule], message: str) -> None:
    with pytest.raises(UserError, match=message):
        build()


def test_static_schedules_have_no_state_and_read_no_losses() -> None:
    schedules: list[Schedule] = [Ratio(5, 1), AlternateEpochs()]
    for schedule in schedules:
        before = schedule.plan(START)
        schedule.observe(math.nan, 0.0)
        schedule.load_state_dict(schedule.state_dict())
        assert schedule.measure_every is None
        assert schedule.state_dict() == {}
        assert schedule.plan(START) == before


@pytest.mark.parametrize("name", sorted(path.stem for path in (CONF / "schedule").glob("*.yaml")))
def test_each_schedule_of_the_config_updates_something(name: str) -> None:
    schedule = instantiate(OmegaConf.load(CONF / "schedule" / f"{name}.yaml"), _convert_="all")
    assert any(schedule.plan(START))
