"""Measuring the networks of a run that is not training."""

import hashlib
import json
import time
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig
from torch import nn

from gan_experiments.build import assemble, build_extractors, check_evaluation, open_training_images, prepare_protocol
from gan_experiments.callbacks.evaluation import SEED
from gan_experiments.datasets.loader import fingerprint
from gan_experiments.engine.state import load_networks
from gan_experiments.io import write_json
from gan_experiments.metrics.evaluate import anchors, evaluate, summarize
from gan_experiments.metrics.memorization import Memorization
from gan_experiments.metrics.nearest import nearest_pairs
from gan_experiments.metrics.protocol import Protocol
from gan_experiments.runs.run import Run
from gan_experiments.sampling.images import save_grid
from gan_experiments.types import UserError

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
    extractors = build_extractors(config)
    config.evaluation.best = None  # chooses while training, and need not be measured now
    check_evaluation(config, extractors)
    config.trainer.accelerator = "auto"  # where it was trained does not matter here
    module, _ = assemble(config)
    path, state = run.checkpoint(checkpoint)
    load_networks(module, state["networks"])
    whole, training = open_training_images(config)
    run.check_data(fingerprint(training))
    protocol = prepare_protocol(config, extractors, whole, training)
    if protocol is None:
        raise UserError("no metric is chosen: leave evaluation=none out, or write evaluation=standard")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    module.to(device)
    began = time.perf_counter()
    seeds = range(SEED, SEED + config.evaluation.num_seeds)
    evaluations = [evaluate(module.sampler, protocol, seed, module.discriminator) for seed in seeds]
    seconds = time.perf_counter() - began
    values = summarize(evaluations)
    for key, found in anchors(protocol).items():
        values[key] |= found
    iteration = state["clock"]["iterations"]
    result = {
        "run": str(run.directory),
        "checkpoint": path.name,
        "iteration": iteration,
        "kimg": state["clock"]["images_seen"] / 1000,
        "seeds": list(seeds),
        "num_samples": protocol.num_samples,
        "values": values,
        "not_applicable": evaluations[0].not_applicable,
        **({} if module.sampler is None else {"share_of_pixels_clipped": evaluations[0].share_clipped}),
        "extractors": {extractor.name: extractor.facts() for extractor in extractors.values()},
        "seconds_per_seed": seconds / len(evaluations),
        "seconds": evaluations[-1].seconds,
    }
    how = hashlib.sha256(json.dumps([e["protocol"] for e in values.values()], sort_keys=True).encode()).hexdigest()[:8]
    directory = run.directory / "evaluation"
    directory.mkdir(exist_ok=True)
    target = directory / f"{path.stem}-{how}.json"
    write_json(target, result)
    if module.sampler is not None and any(isinstance(metric, Memorization) for metric in protocol.metrics.values()):
        _save_nearest(module.sampler, protocol, target.with_name(f"{target.stem}-nearest.png"))
    return target, result


def _save_nearest(sampler: nn.Module, protocol: Protocol, path: Path) -> None:
    samples, trained_on = nearest_pairs(sampler, protocol, SEED, NUM_PAIRS)
    rows = zip(torch.split(samples, COLUMNS), torch.split(trained_on, COLUMNS), strict=True)
    save_grid(torch.cat([row for pair in rows for row in pair]), COLUMNS, path)
