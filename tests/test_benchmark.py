"""The speed benchmark runs from end to end; its numbers at two iterations mean nothing."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).resolve().parent.parent / "benchmarks" / "training.py"


@pytest.mark.slow
def test_benchmark_writes_its_results(tmp_path: Path) -> None:
    output = tmp_path / "training.json"
    command = [sys.executable, str(BENCHMARK), "--iterations=2", "--warm-up=1", "--rounds=1", f"--output={output}"]
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
