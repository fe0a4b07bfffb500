"""Data-parallel training, in which each update averages its own gradients over the processes."""

import torch.distributed as dist
from pytorch_lightning.strategies import DDPStrategy


class DataParallel(DDPStrategy):
    """Processes that train one model, which is not wrapped: see `NetworkOptimizer.step`.

    PyTorch's wrapper expects each backward pass to reach all parameters of the module, and a step of one network does
    not.
    """

    def configure_ddp(self) -> None:
        """Begin with the weights of the first process."""
        assert self.lightning_module is not None
        for tensor in self.lightning_module.state_dict().values():
            dist.broadcast(tensor, 0)
