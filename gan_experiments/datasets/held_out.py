"""A held-out part for data that have none, or another one than their own."""

from dataclasses import dataclass, replace

from pydantic import PositiveInt

from gan_experiments.datasets.base import check_labels
from gan_experiments.datasets.regimes.base import Subset
from gan_experiments.types import DatasetFacts, ImageSource, Split, UserError


@dataclass(frozen=True)
class FirstHeldOut:
    """The training images of another source, of which the first `num_images` are held out; its own test part is unused.

    The first in the order of the source: for a folder with one sub-folder for each class they are all of one class.
    """

    source: ImageSource
    num_images: PositiveInt

    def describe(self) -> DatasetFacts:
        facts = self.source.describe()
        if self.num_images >= facts.num_train:
            raise UserError(
                f"dataset.source.num_images={self.num_images} images are to be held out, but there are "
                f"{facts.num_train} to train with: write at most {facts.num_train - 1}."
            )
        return replace(facts, num_train=facts.num_train - self.num_images, num_test=self.num_images)

    def open(self, split: Split) -> Subset:
        import torch

        facts = self.describe()
        whole = self.source.open("train")
        indices = torch.arange(len(whole))
        held_out, rest = indices[: self.num_images], indices[self.num_images :]
        images = Subset(whole, rest if split == "train" else held_out)
        origin = f"without the first {self.num_images} images (dataset.source.num_images)"
        check_labels(images.labels.numpy(), facts.class_names, split, origin)
        return images
