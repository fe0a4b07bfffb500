"""How a network is updated: its optimiser, with hyper-parameters over kimg, and the gradients' way into it."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.optim import Optimizer

from gan_experiments.engine.hyperparameters import Constant, changes, value_at
from gan_experiments.types import OverKimg

OptimizerFactory = Callable[..., Optimizer]


class NetworkOptimizer:
    """The optimiser of one network.

    A network may have `parameter_groups()`, a list of dicts with `params` and what is particular to them: arguments of
    the optimiser, or `lr_scale`, a factor of the learning rate.

    Args:
        network: whose parameters are updated.
        factory: makes the optimiser of parameters; the arguments of a `functools.partial` may be functions of kimg.
        learning_rate: factor of the learning rate as a function of kimg.
        gradient_clip: the largest norm of the gradient; None: not clipped.
    """

    lazy_ratio = 1.0
    """k/(k+1) where a lazy term with `own_step` is due at every k-th step: the learning rate is multiplied by it and
    Adam's betas are raised to it, since there are k+1 steps where there were k. Karras et al. 2020, "Analyzing and
    Improving the Image Quality of StyleGAN", appendix B."""
    shared_state: Sequence[nn.Module] = ()
    """Modules whose buffers are averaged over processes at each step."""

    def __init__(
        self,
        network: nn.Module,
        factory: OptimizerFactory,
        *,
        learning_rate: OverKimg | None = None,
        gradient_clip: float | None = None,
    ) -> None:
        self.parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
        self.learning_rate = learning_rate or Constant()
        self.gradient_clip = gradient_clip
        given = factory.keywords if isinstance(factory, partial) else {}
        functions = {name: value for name, value in given.items() if changes(value)}
        own_groups = getattr(network, "parameter_groups", None)
        self.optimizer = factory(
            network.parameters() if own_groups is None else own_groups(),
            **{name: value_at(value, 0.0) for name, value in functions.items()},
        )
        names = {"lr", "betas", *functions}
        self._over_kimg = [
            {name: functions.get(name, _as_number(group[name])) for name in names if name in group}
            for group in self.optimizer.param_groups
        ]

    def set_kimg(self, kimg: float) -> None:
        """Write the hyper-parameters after `kimg` thousand real images into the optimiser."""
        factor = self.learning_rate(kimg)
        for group, over_kimg in zip(self.optimizer.param_groups, self._over_kimg, strict=True):
            values = {name: value_at(value, kimg) for name, value in over_kimg.items()}
            values["lr"] = float(values["lr"]) * factor * group.get("lr_scale", 1.0) * self.lazy_ratio
            if "betas" in values:
                values["betas"] = tuple(beta**self.lazy_ratio for beta in values["betas"])
            for name, value in values.items():
                if isinstance(group[name], Tensor):  # of an optimiser that can be captured in a graph
                    group[name].fill_(value)
                else:
                    group[name] = value

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the optimiser's state; the hyper-parameters stay the config's, which a resumed run may change."""
        groups = self.optimizer.param_groups
        chosen = [{name: value for name, value in group.items() if name != "params"} for group in groups]
        self.optimizer.load_state_dict(state)
        for group, values in zip(self.optimizer.param_groups, chosen, strict=True):
            group.update(values)

    def step(self, loss: Tensor) -> None:
        """Make one step down the gradient of a loss, which no other network's parameters receive."""
        for parameter in self.parameters:
            parameter.grad = None
        with torch.autocast(loss.device.type, enabled=False):  # or second derivatives would be rounded
            torch.autograd.backward(loss, inputs=self.parameters)
        gradients = [parameter.grad for parameter in self.parameters if parameter.grad is not None]
        buffers = [buffer for module in self.shared_state for buffer in module.buffers()]
        average_over_processes([*gradients, *(buffer for buffer in buffers if buffer.is_floating_point())])
        if self.gradient_clip is not None:
            nn.utils.clip_grad_norm_(self.parameters, self.gradient_clip)
        self.optimizer.step()


def _as_number(value: Any) -> Any:
    return value.item() if isinstance(value, Tensor) else value


def average_over_processes(tensors: Sequence[Tensor]) -> None:
    """Replace tensors by their means over all processes, in one message."""
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return
    flat = torch.cat([tensor.flatten() for tensor in tensors])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    parts = torch.split(flat, [tensor.numel() for tensor in tensors])
    for tensor, mean in zip(tensors, parts, strict=True):
        tensor.copy_(mean.view_as(tensor))
