"""The state of training, all in one place: what a run needs to go on bit for bit.

`networks` is the module's state (networks, EMA, the objective's and the augmentation's buffers), then come optimisers,
clock, schedule, means of losses and random streams. A checkpoint adds the callbacks'.
"""

from typing import Any

import torch.distributed as dist

from gan_experiments.engine.module import TrainingModule
from gan_experiments.engine.schedules.base import Schedule
from gan_experiments.rng import random_state
from gan_experiments.types import UserError

FORMAT = 2


def collect(module: TrainingModule) -> dict[str, Any]:
    """Return the state after an iteration. With several processes all must call this; the first one's is whole."""
    streams = [random_state()]
    if dist.is_available() and dist.is_initialized():
        gathered: list[Any] = [None] * dist.get_world_size()
        dist.all_gather_object(gathered, streams[0])
        streams = gathered
    optimizers = zip(module.networks, module.trainer.optimizers, strict=True)
    return {
        "format": FORMAT,
        "networks": module.state_dict(),
        "optimizers": {name: optimizer.state_dict() for name, optimizer in optimizers},
        "clock": module.clock.state_dict(),
        "schedule": None
        if module.schedule is None
        else {"kind": _kind(module.schedule), "state": module.schedule.state_dict()},
        "means": module.means.state_dict(),
        "random": streams,
    }


def restore(module: TrainingModule, state: dict[str, Any]) -> None:
    """Put all but the random streams back, before the trainer starts.

    Raises:
        UserError: the checkpoint does not belong to these networks.
    """
    if state.get("format") != FORMAT:
        raise UserError(
            f"the checkpoint has format {state.get('format')}, which gan_experiments 0.1 wrote, and this version "
            f"resumes format {FORMAT}. Go on with version 0.1, or start a new run with init_from=RUN."
        )
    load_networks(module, state["networks"], networks_only=False)
    module.saved_optimizers = state["optimizers"]
    module.clock.load_state_dict(state["clock"])
    schedule = module.schedule
    if schedule is not None and state["schedule"]["kind"] == _kind(schedule):  # another, where allowed, begins anew
        schedule.load_state_dict(state["schedule"]["state"])
    module.means.load_state_dict(state["means"])


def _kind(schedule: Schedule) -> str:
    return f"{type(schedule).__module__}.{type(schedule).__qualname__}"


def load_networks(module: TrainingModule, networks: dict[str, Any], networks_only: bool = True) -> None:
    """Load weights and buffers of the networks that this task has; another task's run may hold others too.

    Args:
        module: the task.
        networks: the state of this task's module, or another's.
        networks_only: leave out what loss terms and augmentations have learnt, as a new run does.

    Raises:
        UserError: a network is not among them, or names the first entries that differ.
    """
    for name in module.networks:
        if not any(key.startswith(f"{name}.") for key in networks):
            raise UserError(f"there is no {name} in it, and this task trains one")
    if module.ema is not None and not any(name.startswith("ema.") for name in networks):
        own = [name for name in networks if name.startswith("generator.")]
        networks = networks | {name.replace("generator", "ema.network", 1): networks[name] for name in own}
    here = tuple(f"{name}." for name in (*module.networks, *(["ema"] if module.ema is not None else [])))
    # A term that was added to a resumed run has no state there, and one that was taken out needs none.
    further = {name: value for name, value in module.state_dict().items() if not name.startswith(here)}
    if not networks_only:
        further |= {name: networks[name] for name in further if name in networks}
    try:
        module.load_state_dict({name: value for name, value in networks.items() if name.startswith(here)} | further)
    except RuntimeError as error:
        differences = "\n".join(str(error).splitlines()[1:4])
        raise UserError(f"the weights do not fit these networks:\n{differences}") from error
