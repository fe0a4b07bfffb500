"""The benchmarks run from end to end; their numbers at two iterations mean nothing."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.mark.slow
def test_benchmark_writes_its_results(tmp_path: Path) -> None:
    output = tmp_path / "training.json"
    command = [
        sys.executable,
        str(BENCHMARKS / "training.py"),
        "--iterations=2",
        "--warm-up=1",
        "--rounds=1",
        f"--output={output}",
    ]
    finished = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False)
    assert finished.returncode == 0, finished.stderr
    results = json.loads(output.read_text())
    assert set(results) == {"report_e", "dcgan32", "machine"}
    assert {"cpu", "cores", "threads", "torch", "commit"} <= set(results["machine"])
    for workload in ("report_e", "dcgan32"):
        numbers = results[workload]
        assert {
            "hand_written_images_per_second",
            "same_arithmetic_ratio",
            "same_arithmetic_with_ema_ratio",
            "best_ratio",
            "peak_memory_ratio",
        } <= set(numbers)
        assert all(value > 0 for value in numbers.values())


@pytest.mark.slow
def test_benchmark_of_evaluation_writes_its_results(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    sizes = {"train": 1500, "test": 700}
    arrays = {f"{split}_images": random.integers(0, 256, (size, 28, 28), np.uint8) for split, size in sizes.items()}
    labels = {f"{split}_labels": np.arange(size) % 10 for split, size in sizes.items()}
    np.savez(tmp_path / "fmnist.npz", allow_pickle=False, **arrays, **labels)
    output = tmp_path / "evaluation.json"
    command = [sys.executable, str(BENCHMARKS / "evaluation.py"), "--num-samples=600", "--rounds=1", "--iterations=2"]
    data = [f"data_dir={tmp_path}", "dataset.num_train=1500", "dataset.num_test=700"]
    finished = subprocess.run(
        [*command, "--warm-up=1", f"--output={output}", *data],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    results = json.loads(output.read_text())
    assert set(results) == {"machine", "evaluation", "in_training", "torch_fidelity"}
    assert {"cpu", "cores", "threads", "torch", "commit", "date"} <= set(results["machine"])
    quick, standard = (set(results[name]["parts"]) for name in ("evaluation", "in_training"))
    assert {"samples", "features", "fid", "kid", "precision_recall", "class_fid"} < quick
    assert quick | {"diversity", "memorization", "discriminator_overfitting"} == standard
    assert results["in_training"]["every_kimg"] == 200
    assert results["in_training"]["share"] > 0
    assert results["torch_fidelity"]["ratio"] > 0
    assert set(results["torch_fidelity"]["values"]) == {"fid", "inception_score", "kid", "precision", "recall"}
