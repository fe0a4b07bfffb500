"""Samples and features shared among processes."""

import copy
from pathlib import Path

import pytest
import torch
from torch import distributed as dist
from torch import multiprocessing
from toys import TinyGenerator, protocol

from gan_experiments.metrics.base import Metric
from gan_experiments.metrics.evaluate import evaluate
from gan_experiments.metrics.fid import FrechetDistance
from gan_experiments.metrics.inception_score import InceptionScore
from gan_experiments.metrics.memorization import Memorization
from gan_experiments.sampling.sampler import BLOCK_SIZE

METRICS: dict[str, Metric] = {
    "fid": FrechetDistance(),
    "inception_score": InceptionScore(),
    "memorization": Memorization(),
}
COUNTS = (BLOCK_SIZE - 100, 3 * BLOCK_SIZE + 20)  # fewer blocks than processes; a last block that is smaller


def measure(directory: Path) -> list[tuple[dict[str, float | None], float, list[int]]]:
    """Return the values of each count, the share of clipped values, and how many images this process made."""
    found = []
    for count in COUNTS:
        generator = TinyGenerator()
        if dist.is_initialized() and dist.get_rank() > 0:  # as batch norms are until the next step of training
            generator.state_dict()["layers.1.running_mean"].add_(1)
        before = copy.deepcopy(generator.state_dict())
        results = evaluate(generator, protocol(METRICS, directory, num_samples=count), seed=2)
        assert all(torch.equal(value, before[name]) for name, value in generator.state_dict().items())
        asked = [sum(map(len, generator.asked))]
        found.append(({key: value.value for key, value in results.values.items()}, results.share_clipped, asked))
    return found


def process(rank: int, directory: Path) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"file://{directory / 'rendezvous'}", rank=rank, world_size=2)
    torch.save(measure(directory), directory / f"{rank}.pt")
    dist.destroy_process_group()


@pytest.mark.slow
def test_two_processes_measure_what_one_does(tmp_path: Path) -> None:
    multiprocessing.spawn(process, (tmp_path,), nprocs=2)  # type: ignore[attr-defined, no-untyped-call]  # not in its stubs
    alone = measure(tmp_path)
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2))
    for one, part, other in zip(alone, first, second, strict=True):
        assert part[:2] == other[:2]
        assert part[0] == one[0]  # to the bit
        assert part[1] == pytest.approx(one[1])
    assert first[1][2] == [2 * BLOCK_SIZE]  # of four blocks
