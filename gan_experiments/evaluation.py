"""Evaluating generators that are not training: of a run, or any module."""

import inspect
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig
from torch import Tensor, nn

from gan_experiments.build import build_augmentations, build_measures, build_protocol
from gan_experiments.config.compose import compose
from gan_experiments.datasets.data import Data
from gan_experiments.datasets.tensors import default_device
from gan_experiments.engine.supervised import fit_reconstructions
from gan_experiments.io import write_json
from gan_experiments.metrics.evaluate import anchors, summarize
from gan_experiments.metrics.evaluate import evaluate as evaluate_networks
from gan_experiments.models.latents import Normal
from gan_experiments.runs.run import Run
from gan_experiments.sampling.images import save_grid
from gan_experiments.sampling.sampler import Sampler, generate
from gan_experiments.types import MetricValue, UserError, protocol_hash


def evaluate(
    generator: nn.Module | Sampler,
    dataset: str,
    metrics: Sequence[str] = ("fid", "kid", "precision_recall", "density_coverage"),
    extractors: Sequence[str] = ("classifier",),
    *,
    num_samples: int = 10_000,
    num_seeds: int = 1,
    seed: int = 0,
    latent_dim: int = 64,
    value_range: tuple[float, float] = (-1.0, 1.0),
    conditional: bool | None = None,
    overrides: Sequence[str] = (),
) -> Mapping[str, MetricValue]:
    """Measure any generator against a data set, as `gan-experiments evaluate` measures that of a run.

    Args:
        generator: a module that maps latents (float32, N×latent_dim) and labels (int64, N), or latents alone, to images
            (N×C×H×W) of the data set's size; or a `Sampler`, such as `Run.open(path).generator()`. It stays on its
            device, and as it was.
        dataset: name of a data set, as on the command line (`gan-experiments list dataset`).
        metrics: names of metrics (`gan-experiments list evaluation/metric`).
        extractors: names of extractors (`gan-experiments list evaluation/extractor`).
        num_samples: samples drawn with each seed.
        num_seeds: number of sampling seeds; two or more give intervals.
        seed: the first of them.
        latent_dim: size of a latent; latents are standard normal. Of a `Sampler`, its own latents are drawn.
        value_range: what the generator's black and white are.
        conditional: whether the generator makes the class that it is asked for; None: whether its images depend on it.
        overrides: further config words, such as `dataset.path=photos` or `data_dir=/data`.

    Returns:
        The values by key, `<metric>/<extractor>`.

    Raises:
        UserError: a name is unknown, data are missing, or the images do not fit.

    Example:
        >>> class Noise(nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.scale = nn.Parameter(torch.ones(1))
        ...     def forward(self, latents):
        ...         return (self.scale * latents).tanh().view(-1, 1, 8, 8)
        >>> values = evaluate(Noise(), "digits", metrics=["fid", "diversity"], num_samples=100)
        >>> list(values)[:2], values["fid/digits_classifier"].value > 10
        (['fid/digits_classifier', 'fid_half/digits_classifier'], True)
    """
    if isinstance(generator, Sampler):
        sampler = generator
        conditional = sampler.conditional if conditional is None else conditional
    else:
        try:
            inspect.signature(generator.forward).bind(None, None)
        except TypeError:
            generator = _IgnoringLabels(generator)
        sampler = Sampler(generator, Normal(latent_dim), value_range=value_range, weights="as they are")
    words = [
        f"dataset={dataset}",
        f"evaluation/metric=[{','.join(metrics)}]",
        f"evaluation/extractor=[{','.join(extractors)}]",
        f"evaluation.num_samples={num_samples}",
        "evaluation.best=null",
    ]
    config = compose("model=dcgan", "loss=non_saturating", *words, *overrides).config
    data = Data(config, fit_reconstructions)
    protocol = build_protocol(config, data, build_measures(config), {})
    assert protocol is not None
    if conditional is None and config.dataset.class_names:
        latent = sampler.latents.sample(1, torch.Generator().manual_seed(0))
        first, second = (generate(sampler.generator, latent, torch.tensor([label])) for label in (0, 1))
        conditional = not torch.equal(first, second)
    protocol = replace(
        protocol,
        latents=sampler.latents,
        value_range=sampler.value_range,
        conditional=bool(conditional),
        weights=sampler.weights,
    )
    seeds = range(seed, seed + num_seeds)
    return summarize([evaluate_networks(sampler.generator, protocol, number) for number in seeds])


class _IgnoringLabels(nn.Module):
    def __init__(self, generator: nn.Module) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        images: Tensor = self.generator(latents)
        return images


def evaluate_run(run: Run, config: DictConfig, checkpoint: str) -> tuple[Path, dict[str, Any], dict[str, MetricValue]]:
    """Evaluate a run's networks with `evaluation.num_seeds` seeds; also floor and ceiling of each value.

    Writes the result into the run's directory, and the pictures that metrics draw beside it. Returns the path of the
    file, its content, and the values.

    Args:
        run: the run.
        config: its config, whose evaluation group holds how to measure.
        checkpoint: `last`, `best`, or the number of an iteration.

    Raises:
        UserError: a checkpoint, weights or data are missing, or the data have changed since.
    """
    measures = build_measures(config)
    if not measures.metrics:
        raise UserError("no metric is chosen: leave evaluation=none out, or write evaluation=standard")
    discriminator = run.discriminator(checkpoint)
    generator = run.generator(checkpoint).generator if config.model.generator else None
    data = Data(config, fit_reconstructions)
    run.check_data(data.fingerprint)
    protocol = build_protocol(config, data, measures, build_augmentations(config))
    assert protocol is not None
    device = default_device()
    for network in (generator, discriminator.network):
        if network is not None:
            network.to(device)
    began = time.perf_counter()
    seeds = range(config.evaluation.num_seeds)
    results = [
        evaluate_networks(generator, protocol, seed, discriminator.network, pictures=seed == 0) for seed in seeds
    ]
    seconds = time.perf_counter() - began
    anchored = anchors(protocol)
    values = {
        key: replace(value, kimg=discriminator.kimg, **anchored.get(key, {}))
        for key, value in summarize(results).items()
    }
    content = {
        "run": str(run.directory),
        "checkpoint": discriminator.checkpoint.name,
        "iteration": discriminator.iteration,
        "kimg": discriminator.kimg,
        "seeds": list(seeds),
        "num_samples": protocol.num_samples,
        "values": {key: value.to_json() for key, value in values.items()},
        "not_applicable": results[0].not_applicable,
        **({} if generator is None else {"share_of_pixels_clipped": results[0].share_clipped}),
        "extractors": {extractor.name: extractor.facts() for extractor in measures.extractors.values()},
        "seconds_per_seed": seconds / len(results),
        "seconds": results[-1].seconds,
    }
    how = protocol_hash([value.protocol for value in values.values()])
    path = run.directory / "evaluation" / f"{discriminator.checkpoint.stem}-{how}.json"
    path.parent.mkdir(exist_ok=True)
    write_json(path, content)
    for name, picture in results[0].pictures.items():
        save_grid(picture.pixels, picture.columns, path.with_name(f"{path.stem}-{name}.png"))
    return path, content, values
