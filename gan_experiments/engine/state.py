"""The state of training, all in one place: what a run needs to go on bit for bit."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from pytorch_lightning.callbacks import Callback

from gan_experiments.engine.module import TrainingModule
from gan_experiments.types import UserError

FORMAT = 2


def _parts(
    module: TrainingModule, callbacks: Iterable[Callback]
) -> dict[str, tuple[Callable[[], Any], Callable[[Any], object]]]:
    """Return the state by its name in a checkpoint: for each part, what reads it and what puts it back."""
    parts: dict[str, tuple[Callable[[], Any], Callable[[Any], object]]] = {
        # Networks, EMA, and the buffers of the objective and the augmentation
        "networks": (module.state_dict, partial(load_networks, module, networks_only=False)),
        "optimizers": (module.optimizers_state_dict, module.load_optimizers_state_dict),
        "clock": (module.clock.state_dict, module.clock.load_state_dict),
        "means": (module.means.state_dict, module.means.load_state_dict),
    }
    if (schedule := module.schedule) is not None:  # another one, where allowed, begins anew
        kind = f"{type(schedule).__module__}.{type(schedule).__qualname__}"
        parts[f"schedule {kind}"] = (schedule.state_dict, schedule.load_state_dict)
    # Random streams, the newest row, the best values, the alarms
    return parts | {
        f"callback {callback.state_key}": (callback.state_dict, callback.load_state_dict) for callback in callbacks
    }


def collect(module: TrainingModule, callbacks: Iterable[Callback]) -> dict[str, Any]:
    """Return the state after an iteration. With several processes all must call this; the first one's is whole."""
    return {"format": FORMAT} | {name: read() for name, (read, _) in _parts(module, callbacks).items()}


def restore(module: TrainingModule, callbacks: Iterable[Callback], state: dict[str, Any]) -> None:
    """Put the state back, before the trainer starts; a part that is new since then begins anew.

    Raises:
        UserError: the checkpoint does not belong to these networks.
    """
    if state.get("format") != FORMAT:
        raise UserError(
            f"the checkpoint has format {state.get('format')}, which gan_experiments 0.1 wrote, and this version "
            f"resumes format {FORMAT}. Go on with version 0.1, or start a new run with init_from=RUN."
        )
    for name, (_, put_back) in _parts(module, callbacks).items():
        if name in state:
            put_back(state[name])


def load_networks(module: TrainingModule, networks: dict[str, Any], networks_only: bool = True) -> None:
    """Load weights and buffers of the networks that this task has; another task's run may hold others too.

    `networks_only` leaves out what loss terms and augmentations have learnt, as a new run does.

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
