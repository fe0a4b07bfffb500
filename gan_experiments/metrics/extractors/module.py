"""Any network of the user's own as extractor."""

from pathlib import Path

import torch
from torch import Tensor, nn

from gan_experiments.datasets.tensors import from_uint8
from gan_experiments.metrics.extractors.base import Extractor
from gan_experiments.types import UserError


class ModuleExtractor(Extractor):
    """A module that maps images (float32, N×C×H×W, in [-1, 1]) to features N×D, or to features and class logits.

    Args:
        name: name of the measure; keys are `<metric>/<name>`.
        module: the network.
        image_size: pixels of a side that it takes; null: any.
        channels: channels that it takes.
        weights: a file with its state dict (`torch.save`); null: as it was built.
        knows_classes: its logits are over the data set's own classes.

    Raises:
        UserError: the file does not hold this module's weights.
    """

    def __init__(
        self,
        name: str,
        module: nn.Module,
        image_size: int | None,
        channels: int,
        weights: str | None = None,
        knows_classes: bool = False,
    ) -> None:
        super().__init__()
        self.name, self.image_size, self.channels = name, image_size, channels
        self.knows_classes = knows_classes
        self.module = module
        if weights is not None:
            try:
                state = torch.load(Path(weights).expanduser(), map_location="cpu", weights_only=True)
                module.load_state_dict(state)
            except Exception as error:  # a missing file, a file of something else, other shapes
                raise UserError(f"extractor {name!r}: {weights} does not hold the module's weights: {error}") from error
        self.requires_grad_(False).eval()

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return features (N×D), flattened, and class logits (N×K) or None."""
        output = self.module(from_uint8(pixels))
        features, logits = output if isinstance(output, tuple) else (output, None)
        return features.flatten(1), logits
