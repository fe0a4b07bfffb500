"""The composition root builds each part of a run once."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from launching import TINY, launch

from gan_experiments.augment.operations import HorizontalFlip
from gan_experiments.build import build_measures, build_protocol
from gan_experiments.config.compose import compose
from gan_experiments.datasets.data import Data
from gan_experiments.datasets.digits import DigitsSource
from gan_experiments.datasets.regimes.classes import Classes
from gan_experiments.engine.schedules.ratio import Ratio
from gan_experiments.engine.supervised import fit_reconstructions
from gan_experiments.losses.zero_centered_penalty import ZeroCenteredPenalty
from gan_experiments.metrics.fid import FrechetDistance
from gan_experiments.models.dcgan import Discriminator, Generator

PARTS = {
    DigitsSource: 1,
    Classes: 1,
    HorizontalFlip: 1,
    Generator: 1,
    Discriminator: 1,
    ZeroCenteredPenalty: 1,
    Ratio: 1,
    FrechetDistance: 1,
    torch.optim.Adam: 2,
    pl.Trainer: 1,
}
"""How often one run constructs each; there is an optimiser for each network."""


@pytest.mark.filterwarnings("ignore:.*treespec, LeafSpec", "ignore:.*many workers", "ignore:Found .* in eval mode")
def test_one_run_constructs_each_part_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    constructed: Counter[type] = Counter()

    def count(part: type) -> None:
        construct = part.__init__  # type: ignore[misc]  # of a class that is known

        def counting(self: Any, *arguments: Any, **keywords: Any) -> None:
            constructed[part] += type(self) is part
            construct(self, *arguments, **keywords)

        monkeypatch.setattr(part, "__init__", counting)

    for part in PARTS:
        count(part)
    launch(
        tmp_path / "run", *TINY, "+experiment=digits_acgan", "loss=r1", "regime=classes", "regime.classes.keep=[3,5]",
        "augment=flip", "evaluation=standard", "evaluation/metric=fid", "evaluation.num_samples=100",
    )  # fmt: skip

    assert {part.__name__: constructed[part] for part in PARTS} == {
        part.__name__: count for part, count in PARTS.items()
    }


@pytest.mark.parametrize(("override", "weights"), [("seed=0", "EMA"), ("task.ema=null", "raw")])
def test_the_protocol_names_the_weights_that_are_measured(override: str, weights: str) -> None:
    config = compose("digits_acgan", "evaluation/metric=diversity", override).config
    protocol = build_protocol(config, Data(config, fit_reconstructions), build_measures(config), {})
    assert protocol is not None
    assert protocol.weights == weights
