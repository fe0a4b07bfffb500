"""Evaluation by several processes: who computes which blocks, and how the others get the results."""

import copy
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch import distributed as dist

T = TypeVar("T")


def rank_and_world_size() -> tuple[int, int]:
    """Return this process's rank and the number of processes; 0 and 1 where there is one."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


def gather_blocks(rows: Tensor, total: int, block_size: int) -> Tensor:
    """Return the rows (total×…) of all processes on the CPU, where process r has computed blocks r, r + world size, ….

    The last of all blocks may be smaller; a process whose rank is above their number has computed one for nothing.
    """
    world_size = rank_and_world_size()[1]
    num_blocks = -(-total // block_size)
    each = -(-num_blocks // world_size)
    device = torch.device("cuda" if dist.get_backend() == "nccl" else "cpu")
    padded = rows.new_zeros(each * block_size, *rows.shape[1:], device=device)
    padded[: len(rows)] = rows
    gathered = [torch.empty_like(padded) for _ in range(world_size)]
    dist.all_gather(gathered, padded)
    by_process = torch.stack([part.cpu().view(each, block_size, *rows.shape[1:]) for part in gathered], dim=1)
    return by_process.flatten(0, 2)[:total]


def from_first_process(value: T | None) -> T:
    """Return the first process's value in all processes."""
    if rank_and_world_size()[1] > 1:
        values: list[Any] = [value]
        dist.broadcast_object_list(values, 0)
        value = values[0]
    assert value is not None
    return value


def as_in_first_process(network: nn.Module) -> nn.Module:
    """Return the network with the first process's weights and statistics; a copy in the others, which keep their own.

    Running statistics of batch norms differ among processes until the next step of training.
    """
    rank, world_size = rank_and_world_size()
    if world_size == 1:
        return network
    if rank > 0:
        network = copy.deepcopy(network)
    for value in network.state_dict().values():
        dist.broadcast(value, 0)
    return network
