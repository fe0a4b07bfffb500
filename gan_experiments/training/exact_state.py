"""All that a run needs to go on bit for bit: weights, optimisers, clock, schedule, means, random streams."""

import random
from typing import Any

import numpy as np
import torch
import torch.distributed as dist

from gan_experiments.training.gan import GAN
from gan_experiments.types import UserError

FORMAT = 1


def random_state() -> dict[str, Any]:
    """Give this process's random streams as plain containers, which can be gathered from all processes."""
    kind, keys, position, has_gauss, cached = np.random.get_state()
    return {
        "python": random.getstate(),
        "numpy": [kind, np.asarray(keys).tolist(), position, has_gauss, cached],
        "torch": torch.get_rng_state().tolist(),
        "cuda": torch.cuda.get_rng_state().tolist() if torch.cuda.is_available() else None,
    }


def set_random_state(state: dict[str, Any]) -> None:
    """Put this process's random streams where they were."""
    version, words, gauss = state["python"]
    random.setstate((version, tuple(words), gauss))
    kind, keys, position, has_gauss, cached = state["numpy"]
    np.random.set_state((kind, np.array(keys, dtype=np.uint32), position, has_gauss, cached))
    torch.set_rng_state(torch.tensor(state["torch"], dtype=torch.uint8))
    if state["cuda"] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(torch.tensor(state["cuda"], dtype=torch.uint8))


def collect(gan: GAN) -> dict[str, Any]:
    """Give the state after an iteration. With several processes all must call this; the first one's is whole."""
    streams = [random_state()]
    if dist.is_available() and dist.is_initialized():
        gathered: list[Any] = [None] * dist.get_world_size()
        dist.all_gather_object(gathered, streams[0])
        streams = gathered
    discriminator, generator = gan.trainer.optimizers
    return {
        "format": FORMAT,
        "networks": gan.state_dict(),
        "optimizers": {"discriminator": discriminator.state_dict(), "generator": generator.state_dict()},
        "clock": gan.clock.state_dict(),
        "schedule": {"kind": _kind(gan), "state": gan.schedule.state_dict()},
        "means": gan.means.state_dict(),
        "random": streams,
    }


def restore(gan: GAN, state: dict[str, Any]) -> None:
    """Put all but the random streams back, before the trainer starts.

    Raises:
        UserError: the checkpoint does not belong to these networks.
    """
    if state.get("format") != FORMAT:
        raise UserError(f"the checkpoint has format {state.get('format')}, this version reads format {FORMAT}")
    load_networks(gan, state["networks"])
    gan.saved_optimizers = state["optimizers"]
    gan.clock.load_state_dict(state["clock"])
    if state["schedule"]["kind"] == _kind(gan):  # another one, where that was allowed, begins anew
        gan.schedule.load_state_dict(state["schedule"]["state"])
    gan.means.load_state_dict(state["means"])


def _kind(gan: GAN) -> str:
    return f"{type(gan.schedule).__module__}.{type(gan.schedule).__qualname__}"


def load_networks(gan: GAN, networks: dict[str, Any]) -> None:
    """Load weights and buffers.

    Raises:
        UserError: names the first entries that differ.
    """
    if gan.ema is None:
        networks = {name: value for name, value in networks.items() if not name.startswith("ema.")}
    elif not any(name.startswith("ema.") for name in networks):
        own = [name for name in networks if name.startswith("generator.")]
        networks = networks | {name.replace("generator", "ema.network", 1): networks[name] for name in own}
    try:
        gan.load_state_dict(networks)
    except RuntimeError as error:
        differences = "\n".join(str(error).splitlines()[1:4])
        raise UserError(f"the weights do not fit these networks:\n{differences}") from error
