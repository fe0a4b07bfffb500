import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from gan_experiments.engine.ema import EMA


@given(batch_size=st.integers(1, 4096), half_life=st.floats(0.01, 1000))
def test_an_old_weight_counts_half_after_the_half_life(batch_size: int, half_life: float) -> None:
    ema = EMA(nn.Linear(1, 1), half_life, ramp_up=float("inf"))
    images = half_life * 1000
    assert ema.decay(batch_size, 1) ** (images / batch_size) == pytest.approx(0.5, rel=1e-6)


def test_early_weights_are_forgotten_early() -> None:
    ema = EMA(nn.Linear(1, 1), half_life_kimg=10, ramp_up=0.05)
    assert ema.decay(100, 0) == 0
    assert ema.decay(100, 2000) == 0.5  # 5% of 2,000 images is the half-life, one batch
    assert ema.decay(100, 10**9) == pytest.approx(0.5 ** (100 / 10_000))


def test_it_follows_by_the_law_and_copies_buffers() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    ema = EMA(network, half_life_kimg=1, ramp_up=float("inf"))
    before = [value.clone() for value in ema.network.parameters()]
    with torch.no_grad():
        for value in network.parameters():
            value.add_(1)
        network[1].running_mean.add_(3)  # type: ignore[operator]
    ema.update(network, batch_size=1000, images_seen=1000)
    for old, averaged in zip(before, ema.network.parameters(), strict=True):
        torch.testing.assert_close(averaged, old + 0.5)
    assert torch.equal(ema.network[1].running_mean, network[1].running_mean)  # type: ignore[index, arg-type]


def test_it_is_frozen_and_stays_in_evaluation_mode() -> None:
    ema = EMA(nn.BatchNorm1d(2), half_life_kimg=1)
    nn.ModuleList([ema]).train()
    assert not ema.network.training
    assert not any(value.requires_grad for value in ema.parameters())
