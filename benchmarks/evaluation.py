"""What measuring a generator costs, alone and beside torch-fidelity: `python benchmarks/evaluation.py`.

On Fashion-MNIST, with the networks of `+experiment=fmnist_acgan` as they are before training, on whose weights no time
depends, and the shipped classifier as extractor. A trailing override, such as `data_dir=DIRECTORY`, is passed on.

Each round times all of this anew, in one process with the same number of threads. Figures are medians over the rounds;
ratios and the share are medians of what they are within a round.

- `evaluation`: `evaluate()` with the metrics of `QUICK`, and its parts. What follows from the real images alone is in
  memory, as in training from the second evaluation on. The first one, with all metrics and an empty cache, took
  `first_seconds`.
- `in_training`: `evaluate()` with all metrics of `evaluation=standard`, again from memory, as a share of the time that
  training takes from one evaluation to the next at the default interval. Training is timed without evaluation, as
  `same_arithmetic_with_ema` of `training.py` is. The checkpoint that follows on a better value is not counted.
- `torch_fidelity`: the same images and the same extractor for `evaluate()` and for torch-fidelity's
  `calculate_metrics`. Samples are held-out images with noise, made beforehand; on both sides a generator returns them.
  Of them all, both compute the inception score, and FID and KID against all training images. For precision and
  recall both compare them with as many training images, the same ones: distances among all 60,000 would take 14 GB.
  torch-fidelity is therefore called twice, and takes the samples' features from its own cache the second time. Batches
  are of 250 images. `ratio` is ours / theirs with features of the training images read from each side's files; ours
  also hashes the images to find the file, and computes FID for a half and a quarter of the samples.
  `ratio_in_training` is the same but with ours in memory, as in training; torch-fidelity has no such mode.

If FID, inception score or KID of the two sides differ by more than 0.1%, it fails: the work differs, too.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import framework
import torch
from side_by_side import SideBySide, differences
from training import machine
from workloads import WORKLOADS, stopwatch

from gan_experiments.build import build_augmentations, build_measures, build_module, build_protocol
from gan_experiments.callbacks.evaluation import SEED
from gan_experiments.config.compose import compose
from gan_experiments.datasets.data import Data
from gan_experiments.engine.gan import GAN
from gan_experiments.engine.supervised import fit_reconstructions
from gan_experiments.metrics.evaluate import Results, evaluate
from gan_experiments.metrics.protocol import Protocol
from gan_experiments.types import UserError

QUICK = ("fid", "inception_score", "kid", "precision_recall", "density_coverage", "class_balance", "class_fid")
EQUAL = ("fid", "inception_score", "kid")  # a tie may fall either way in precision and recall
TOLERANCE = 1e-3
TARGETS = {"seconds": 60, "share": 0.05, "ratio": 1}
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def prepared(num_samples: int, overrides: list[str], cache_dir: Path) -> tuple[GAN, Protocol, float]:
    """Return the networks, the protocol, and the default interval of evaluation in kimg, by the path of a run."""
    command_line = ["+experiment=fmnist_acgan", f"evaluation.num_samples={num_samples}", *overrides]
    cfg = compose(*command_line, f"cache_dir={cache_dir}").config
    measures = build_measures(cfg)
    gan, _ = build_module(cfg)
    assert isinstance(gan, GAN)
    protocol = build_protocol(cfg, Data(cfg, fit_reconstructions), measures, build_augmentations(cfg))
    assert protocol is not None
    assert protocol.real.held_out is not None
    if num_samples > len(protocol.real.held_out):
        raise UserError(f"--num-samples: samples are made of held-out images, so at most {len(protocol.real.held_out)}")
    return gan.to(DEVICE), protocol, cfg.evaluation.every_kimg


class Times:
    """Seconds and other figures by name, one of each in a round."""

    def __init__(self) -> None:
        self.values: dict[str, list[float]] = {}

    def add(self, name: str, value: float) -> None:
        """Add a figure."""
        self.values.setdefault(name, []).append(value)

    def time(self, name: str, function: Callable[[], Any]) -> Any:
        """Add the seconds that a function takes; return what it returns."""
        began = time.perf_counter()
        value = function()
        self.add(name, time.perf_counter() - began)
        return value

    def median(self, name: str) -> float:
        """Return the median over the rounds."""
        return statistics.median(self.values[name])

    def parts(self, name: str) -> dict[str, float]:
        """Return the medians of the figures named `<name> <part>`, by part."""
        return {key.removeprefix(f"{name} "): self.median(key) for key in self.values if key.startswith(f"{name} ")}

    def ratio(self, above: str, below: str) -> float:
        """Return the median of the ratios within a round."""
        pairs = zip(self.values[above], self.values[below], strict=True)
        return statistics.median(one / other for one, other in pairs)


def measure(options: argparse.Namespace, directory: Path) -> dict[str, Any]:
    """Measure everything and return the results."""
    gan, standard, every_kimg = prepared(options.num_samples, options.overrides, directory / "cache")
    quick = replace(standard, metrics={name: standard.metrics[name] for name in QUICK})
    workload = WORKLOADS["report_e"]
    synthetic = workload.write_data(directory)

    def evaluated(protocol: Protocol) -> Results:
        return evaluate(gan.sampler, protocol, SEED, gan.discriminator)

    times = Times()
    times.time("first", partial(evaluated, standard))
    both = SideBySide(standard, directory / "torch_fidelity", DEVICE)
    sides = {"ours": both.ours, "theirs": both.theirs, "ours_in_memory": both.ours_in_memory}
    values = {name: side() for name, side in sides.items()}
    for number in range(options.rounds):
        stopwatch.start(options.iterations, options.warm_up)
        framework.train(workload, synthetic, [])
        times.add("interval", every_kimg * 1000 * stopwatch.seconds / (options.iterations * workload.batch_size))
        for name, protocol in (("standard", standard), ("quick", quick)):
            results: Results = times.time(name, partial(evaluated, protocol))
            for part, seconds in results.seconds.items():
                times.add(f"{name} {part.partition('/')[0]}", seconds)
        for name in [*sides][number % 3 :] + [*sides][: number % 3]:
            times.time(name, sides[name])
    interval = times.median("interval")
    return {
        "evaluation": {
            "num_samples": options.num_samples,
            "seconds": times.median("quick"),
            "first_seconds": times.median("first"),
            "parts": times.parts("quick"),
        },
        "in_training": {
            "every_kimg": every_kimg,
            "images_per_second": every_kimg * 1000 / interval,
            "training_seconds": interval,
            "evaluation_seconds": times.median("standard"),
            "parts": times.parts("standard"),
            "share": times.ratio("standard", "interval"),
        },
        "torch_fidelity": {
            "version": version("torch-fidelity"),
            "ours_seconds": times.median("ours"),
            "ours_in_memory_seconds": times.median("ours_in_memory"),
            "theirs_seconds": times.median("theirs"),
            "ratio": times.ratio("ours", "theirs"),
            "ratio_in_training": times.ratio("ours_in_memory", "theirs"),
            "values": differences(values["ours"], values["theirs"]),
        },
    }


def show(results: dict[str, Any]) -> None:
    """Print the table."""
    alone, training, beside = (results[name] for name in ("evaluation", "in_training", "torch_fidelity"))
    print(f"\nevaluate() of {alone['num_samples']:,} samples{'seconds':>18}")
    print(f"{'quick metrics':32}{alone['seconds']:12.2f}  target: at most {TARGETS['seconds']}")
    for name, seconds in alone["parts"].items():
        print(f"  {name:30}{seconds:12.2f}")
    print(f"{'all metrics of the standard':32}{training['evaluation_seconds']:12.2f}")
    for name, seconds in training["parts"].items():
        if name not in alone["parts"]:
            print(f"  {name:30}{seconds:12.2f}")
    print(f"{'the same with an empty cache':32}{alone['first_seconds']:12.2f}")
    print(
        f"training: {training['images_per_second']:,.0f} images/s, so {training['training_seconds']:,.0f} s for "
        f"{training['every_kimg']:g} kimg; evaluation adds {training['share']:.1%}, target: at most "
        f"{TARGETS['share']:.0%}"
    )
    print(f"\ntorch-fidelity {beside['version']}, the same input and metrics: {beside['theirs_seconds']:.2f} s")
    print(f"ours, from files: {beside['ours_seconds']:.2f} s, ratio {beside['ratio']:.3f}, target: at most 1")
    print(f"ours, in training: {beside['ours_in_memory_seconds']:.2f} s, ratio {beside['ratio_in_training']:.3f}")
    for name, entry in beside["values"].items():
        print(f"  {name:18}{entry['ours']:12.6g}{entry['theirs']:12.6g}  relative difference {entry['difference']:.1e}")


def rounded(value: Any) -> Any:
    """Round to four digits all but the values of the two sides, which are compared."""
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {name: entry if name in ("ours", "theirs") else rounded(entry) for name, entry in value.items()}
    return value


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--num-samples", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--iterations", type=int, default=80, help="timed iterations of training in a round")
    parser.add_argument("--warm-up", type=int, default=5, help="iterations before those")
    parser.add_argument("--output", type=Path, default=Path("outputs/bench/evaluation.json"))
    parser.add_argument("overrides", nargs="*", help="of the config, such as data_dir=DIRECTORY")
    options = parser.parse_args()
    facts = machine() | {"date": datetime.now(UTC).date().isoformat()}
    print("  ".join(f"{name}: {value}" for name, value in facts.items()))
    try:
        with tempfile.TemporaryDirectory() as directory:
            results = measure(options, Path(directory))
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    show(results)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(rounded({"machine": facts, **results}), indent=2) + "\n", encoding="utf-8")
    print(f"\nwritten to {options.output}")
    compared = results["torch_fidelity"]["values"]
    differing = [name for name in EQUAL if not compared[name]["difference"] <= TOLERANCE]
    if differing:
        print(f"the two sides differ in {', '.join(differing)}: they do not measure the same", file=sys.stderr)
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
