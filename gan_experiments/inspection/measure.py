"""Measuring the networks of a run that is not training."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig
from torch import nn

from gan_experiments.build import build_augmentations, build_measures, build_protocol
from gan_experiments.callbacks.evaluation import SEED
from gan_experiments.datasets.data import Data
from gan_experiments.engine.supervised import fit_reconstructions
from gan_experiments.io import write_json
from gan_experiments.metrics.evaluate import anchors, evaluate, summarize
from gan_experiments.metrics.memorization import Memorization
from gan_experiments.metrics.nearest import nearest_pairs
from gan_experiments.metrics.protocol import Protocol
from gan_experiments.runs.run import Run
from gan_experiments.sampling.images import save_grid
from gan_experiments.types import UserError, protocol_hash

COLUMNS = 10
NUM_PAIRS = 20


def measure(run: Run, config: DictConfig, checkpoint: str) -> tuple[Path, dict[str, Any]]:
    """Evaluate a run's networks with `evaluation.num_seeds` seeds; also floor and ceiling of each value.

    Writes the result and, where memorisation is measured, a picture of samples (odd rows) above the training images
    nearest to them (even rows).

    Args:
        run: the run.
        config: its config, whose evaluation group says how to measure.
        checkpoint: `last`, `best`, or the number of an iteration.

    Returns:
        The file in the run's directory, and the values with their protocols.

    Raises:
        UserError: a checkpoint, weights or data are missing, or the data have changed since.
    """
    measures = build_measures(config)
    discriminator = run.discriminator(checkpoint)
    generator = run.generator(checkpoint).generator if config.model.generator else None
    data = Data(config, fit_reconstructions)
    run.check_data(data.fingerprint)
    protocol = build_protocol(config, data, measures, build_augmentations(config))
    if protocol is None:
        raise UserError("no metric is chosen: leave evaluation=none out, or write evaluation=standard")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    for network in (generator, discriminator.network):
        if network is not None:
            network.to(device)
    began = time.perf_counter()
    seeds = range(SEED, SEED + config.evaluation.num_seeds)
    evaluations = [evaluate(generator, protocol, seed, discriminator.network) for seed in seeds]
    seconds = time.perf_counter() - began
    values = summarize(evaluations)
    found, kimg = anchors(protocol), discriminator.kimg
    values = {key: replace(value, kimg=kimg, **found.get(key, {})) for key, value in values.items()}
    result = {
        "run": str(run.directory),
        "checkpoint": discriminator.checkpoint.name,
        "iteration": discriminator.iteration,
        "kimg": discriminator.kimg,
        "seeds": list(seeds),
        "num_samples": protocol.num_samples,
        "values": {key: value.to_json() for key, value in values.items()},
        "not_applicable": evaluations[0].not_applicable,
        **({} if generator is None else {"share_of_pixels_clipped": evaluations[0].share_clipped}),
        "extractors": {extractor.name: extractor.facts() for extractor in measures.extractors.values()},
        "seconds_per_seed": seconds / len(evaluations),
        "seconds": evaluations[-1].seconds,
    }
    how = protocol_hash([value.protocol for value in values.values()])
    directory = run.directory / "evaluation"
    directory.mkdir(exist_ok=True)
    target = directory / f"{discriminator.checkpoint.stem}-{how}.json"
    write_json(target, result)
    if generator is not None and any(isinstance(metric, Memorization) for metric in protocol.metrics.values()):
        _save_nearest(generator, protocol, target.with_name(f"{target.stem}-nearest.png"))
    return target, result


def _save_nearest(sampler: nn.Module, protocol: Protocol, path: Path) -> None:
    samples, trained_on = nearest_pairs(sampler, protocol, SEED, NUM_PAIRS)
    rows = zip(torch.split(samples, COLUMNS), torch.split(trained_on, COLUMNS), strict=True)
    save_grid(torch.cat([row for pair in rows for row in pair]), COLUMNS, path)
