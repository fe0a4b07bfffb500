"""What the discriminator is shown: augmentations between images and the discriminator, wherever it scores."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from gan_experiments.augment.operations import Augmentation, apply


class DiscriminatorAugment(nn.Module):
    """Augmentations in turn; those that are modules keep their state in buffers, saved and resumed with the run.

    Random numbers come from the device's default stream. An augmentation may have `after_step(step)`, called with a
    `losses.step.Step` after each step of an optimiser, to adapt itself (tensors only).

    Args:
        augmentations: by name.
        value_range: of the images.
    """

    def __init__(self, augmentations: Mapping[str, Augmentation], value_range: Sequence[float]) -> None:
        super().__init__()
        self.augmentations = dict(augmentations)
        self.value_range = tuple(value_range)
        for name, augmentation in self.augmentations.items():
            if isinstance(augmentation, nn.Module):
                self.add_module(f"{name}_augmentation", augmentation)  # no attribute of a module is called so

    def forward(self, images: Tensor) -> Tensor:
        """Return the images as the discriminator is shown them."""
        for augmentation in self.augmentations.values():
            images = apply(augmentation, images, self.value_range)
        return images

    def after_step(self, step: Any) -> None:
        """Let the augmentations adapt."""
        for augmentation in self.augmentations.values():
            adapt = getattr(augmentation, "after_step", None)
            if adapt is not None:
                adapt(step)
