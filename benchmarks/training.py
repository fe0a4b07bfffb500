"""Training speed and memory, side by side with a hand-written loop: `python benchmarks/training.py`.

Candidates train the same networks (the same classes, so the same layers) on the same synthetic images:

- `hand_written`: plain PyTorch as lab reports write it, see `hand_written.py`.
- `same_arithmetic`: this framework in float32 with fresh fakes for each step; no EMA, no rows of losses.
- `same_arithmetic_with_ema`: the same with EMA and rows of losses as the default config has them.
- `best`: that, with the options that pay on this device (`BEST`).

In each round every candidate trains anew, in rotated order, in one process with the same number of threads: first
`--warm-up` iterations, then `--iterations` that are timed from the end of one iteration to the end of another. The
framework runs whole, from composed config to closed run, with its Trainer and its callbacks; nothing but the clock is
added. Outside the timed iterations lies, for both sides, what a run does once (imports, setup, reading data, the last
checkpoint), and what the framework does every 25 to 60 kimg (a grid of samples, a checkpoint), which the hand-written
loop has no counterpart of. A ratio is the median over the rounds of the ratios of images per second within a round, so
other load on the machine, which outlasts a round, mostly cancels.

The hand-written loop uses this framework's networks, so it also profits from their faster first layer; `--variants`
measures it with plain `nn.ConvTranspose2d` as well.

Memory is the peak resident size of a child process that does nothing but the same training.
`peak_memory_ratio` is (ours, with EMA, less the size of the data set as uint8) / hand-written.
"""

from __future__ import annotations

import argparse
import gc
import json
import multiprocessing
import os
import platform
import resource
import statistics
import subprocess
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from workloads import WORKLOADS, Workload, stopwatch

BEST = ["task.memory_format=channels_last", "task.fakes=shared", "trainer.precision=bf16-mixed"]
PLAIN = ["ema_half_life_kimg=null", "log_every_iterations=1000000"]
HAND_WRITTEN: dict[str, dict[str, bool]] = {
    "hand_written": {},
    "hand_written_plain_layers": {"plain_layers": True},
    "hand_written_shared_fakes": {"share_fakes": True},
}
FRAMEWORK: dict[str, list[str]] = {
    "same_arithmetic": PLAIN,
    "same_arithmetic_with_ema": [],
    "channels_last": [*PLAIN, BEST[0]],
    "shared_fakes": [*PLAIN, BEST[1]],
    "bf16": [*PLAIN, BEST[2]],
    "channels_last_shared_fakes": [*PLAIN, *BEST[:2]],
    "best": BEST,
}
ALWAYS = ["hand_written", "same_arithmetic", "same_arithmetic_with_ema", "best"]
VARIANTS = {
    "channels_last": "the same function; sums are taken in another order, so results differ by rounding",
    "shared_fakes": "the generator learns from the fakes that the discriminator was just trained on: half the latents",
    "bf16": "convolutions and products round to 8 significant bits; weights, optimisers and losses stay in float32",
    "channels_last_shared_fakes": "both: float32 throughout",
    "hand_written_plain_layers": "the loop as a report has it, first layer included; the same function up to rounding",
    "hand_written_shared_fakes": "the loop with the trick that the framework has as an option",
}
"""What each does to the arithmetic; measured with `--variants`, as ratios to `same_arithmetic`."""


def train(workload: Workload, data: Path, candidate: str) -> None:
    """Train a candidate by the stopwatch."""
    # Imported here: the memory of a hand-written loop holds no Lightning.
    if candidate in HAND_WRITTEN:
        import hand_written

        with patch.dict(os.environ):
            # Lightning sets this when imported, and every step of Adam then takes longer; a script has no Lightning.
            os.environ.pop("PYTORCH_NVML_BASED_CUDA_CHECK", None)
            hand_written.train(workload, data, **HAND_WRITTEN[candidate])
    else:
        import framework

        framework.train(workload, data, FRAMEWORK[candidate])
    gc.collect()


def peak_memory(workload: str, data: Path, candidate: str, iterations: int) -> int:
    """Train in this process and return its peak resident size in bytes."""
    stopwatch.start(iterations, 1)
    train(WORKLOADS[workload], data, candidate)
    status = Path("/proc/self/status")
    if status.exists():  # Linux, where ru_maxrss would include the size of the parent at the child's start
        return 1024 * next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def peak_memory_ratio(name: str, data: Path, iterations: int) -> dict[str, float]:
    """Compare the peaks of two child processes."""
    peaks = {}
    for candidate in ("hand_written", "same_arithmetic_with_ema"):
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            peaks[candidate] = pool.submit(peak_memory, name, data, candidate, iterations).result()
    ours, theirs = peaks["same_arithmetic_with_ema"], peaks["hand_written"]
    return {
        "peak_memory_ratio": round((ours - WORKLOADS[name].data_bytes) / theirs, 3),
        "peak_memory_mib": round(ours / 2**20),
        "hand_written_peak_memory_mib": round(theirs / 2**20),
    }


def speeds(
    workload: Workload, data: Path, candidates: list[str], options: argparse.Namespace
) -> dict[str, list[float]]:
    """Return the images per second of each candidate in each round."""
    measured: dict[str, list[float]] = {candidate: [] for candidate in candidates}
    for number in range(options.rounds):
        start = number % len(candidates)
        for candidate in candidates[start:] + candidates[:start]:
            stopwatch.start(options.iterations, options.warm_up)
            train(workload, data, candidate)
            measured[candidate].append(options.iterations * workload.batch_size / stopwatch.seconds)
    return measured


def median_ratio(above: list[float], below: list[float]) -> float:
    """Return the median over rounds of the ratios within a round."""
    return round(statistics.median(one / other for one, other in zip(above, below, strict=True)), 3)


def measure(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Measure one workload, print its table, return its results."""
    workload = WORKLOADS[name]
    candidates = ALWAYS + (list(VARIANTS) if options.variants else [])
    with tempfile.TemporaryDirectory() as directory:
        data = workload.write_data(Path(directory))
        memory = peak_memory_ratio(name, data, options.iterations)
        measured = speeds(workload, data, candidates, options)
    medians = {candidate: statistics.median(values) for candidate, values in measured.items()}
    print(f"\n{workload.title}; batch {workload.batch_size}\n{'':28}{'images/s':>10}{'ratio':>8}  range of the ratio")
    for candidate in ALWAYS:
        ratios = [one / other for one, other in zip(measured[candidate], measured["hand_written"], strict=True)]
        ratio = median_ratio(measured[candidate], measured["hand_written"])
        print(f"{candidate:28}{medians[candidate]:10,.0f}{ratio:8.2f}  {min(ratios):.2f} to {max(ratios):.2f}")
    print(
        f"peak memory {memory['peak_memory_mib']} MiB against {memory['hand_written_peak_memory_mib']} MiB; "
        f"ratio without the data set {memory['peak_memory_ratio']:.2f}"
    )
    results: dict[str, Any] = {"hand_written_images_per_second": round(medians["hand_written"], 1)}
    for candidate in ALWAYS[1:]:
        results[f"{candidate}_ratio"] = median_ratio(measured[candidate], measured["hand_written"])
    results |= memory
    if options.variants:
        results["variants"] = {
            variant: median_ratio(measured[variant], measured["same_arithmetic"]) for variant in VARIANTS
        }
        print("variants, as ratios to same_arithmetic:")
        for variant, ratio in results["variants"].items():
            print(f"{variant:28}{ratio:8.2f}  {VARIANTS[variant]}")
    return results


def profile(name: str, iterations: int, warm_up: int) -> None:
    """Print where the time of both sides goes, by operator."""
    activities = [torch.profiler.ProfilerActivity.CPU]
    if torch.cuda.is_available():
        activities.append(torch.profiler.ProfilerActivity.CUDA)
    with tempfile.TemporaryDirectory() as directory:
        data = WORKLOADS[name].write_data(Path(directory))
        for candidate in ("hand_written", "same_arithmetic_with_ema"):
            profiler = torch.profiler.profile(activities=activities)
            stopwatch.start(iterations, warm_up, profiler)
            train(WORKLOADS[name], data, candidate)
            print(
                f"\n{name}, {candidate}: {iterations} iterations in {stopwatch.seconds:.2f} s (slowed by the profiler)"
            )
            by = "self_cuda_time_total" if torch.cuda.is_available() else "self_cpu_time_total"
            print(profiler.key_averages().table(sort_by=by, row_limit=15, max_name_column_width=40))


def machine() -> dict[str, Any]:
    """Describe where this runs."""
    cpu = platform.processor()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        cpu = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), cpu)
    return {
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "cpu": cpu,
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "commit": _git("rev-parse", "--short", "HEAD") + ("+changes" if _git("status", "--porcelain") else ""),
    }


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(Path(__file__).parent), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--iterations", type=int, default=20, help="timed iterations of a candidate in a round")
    parser.add_argument("--warm-up", type=int, default=5, help="iterations before those")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--workloads", nargs="+", choices=list(WORKLOADS), default=["report_e", "dcgan32"])
    parser.add_argument("--output", type=Path, default=Path("outputs/bench/training.json"))
    parser.add_argument("--variants", action="store_true", help="measure each option alone as well")
    parser.add_argument("--profile", action="store_true", help="only print the operators that take the time")
    options = parser.parse_args()
    if options.profile:
        for name in options.workloads:
            profile(name, options.iterations, options.warm_up)
        return
    results: dict[str, Any] = {"machine": machine()}
    print("  ".join(f"{name}: {value}" for name, value in results["machine"].items()))
    for name in options.workloads:
        results[name] = measure(name, options)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    print(f"\nwritten to {options.output}")


if __name__ == "__main__":
    main()
