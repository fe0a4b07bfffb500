import pytest

from gan_experiments.engine.clock import Clock
from gan_experiments.engine.hyperparameters import Constant, Cosine, Linear, Warmup
from gan_experiments.engine.schedules.base import Updates
from gan_experiments.types import UserError


def test_the_clock_counts_what_happened() -> None:
    clock = Clock()
    for iteration in range(7):
        clock.advance(Updates(discriminator=True, generator=iteration % 3 == 2), 50)
    counts = {"iterations": 7, "images_seen": 350, "discriminator_steps": 7, "generator_steps": 2, "rollbacks": 0}
    assert clock.state_dict() == counts
    assert clock.kimg == 0.35
    assert clock.progress(3).epoch == 2
    copy = Clock()
    copy.load_state_dict(clock.state_dict())
    assert copy == clock


def test_every_interval_is_passed_once_whatever_the_batch() -> None:
    for batch_size, interval, expected in [(64, 0.1, 6), (300, 0.1, 10), (10, 0.01, 64)]:
        clock = Clock()
        passed = 0
        for _ in range(64 if batch_size == 10 else 10):
            clock.advance(Updates(discriminator=True, generator=True), batch_size)
            passed += clock.passed(interval, batch_size)
        assert passed == expected


@pytest.mark.parametrize(
    ("schedule", "values"),
    [
        (Constant(), {0: 1.0, 1000: 1.0}),
        (Linear(10, 20, final=0.5), {0: 1.0, 10: 1.0, 15: 0.75, 20: 0.5, 99: 0.5}),
        (Cosine(0, 10), {0: 1.0, 5: 0.5, 10: 0.0, 11: 0.0}),
        (Warmup(4), {0: 0.0, 1: 0.25, 4: 1.0, 9: 1.0}),
    ],
)
def test_functions_of_kimg(schedule: Constant, values: dict[float, float]) -> None:
    assert {kimg: schedule(kimg) for kimg in values} == pytest.approx(values)


def test_a_range_that_ends_before_it_starts_is_refused() -> None:
    with pytest.raises(UserError, match=r"start_kimg=5.*end_kimg=5"):
        Linear(5, 5)
