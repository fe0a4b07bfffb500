"""Scikit-learn's handwritten digits: 1,797 grey images of 8×8 that come with the library, so no download is needed."""

from gan_experiments.datasets.base import TensorImageSet
from gan_experiments.types import DatasetFacts, Split

NUM_TRAIN, NUM_TEST = 1500, 297


class DigitsSource:
    """The first 1,500 images train, the last 297 are held out."""

    def describe(self) -> DatasetFacts:
        return DatasetFacts(8, 1, 10, [str(digit) for digit in range(10)], NUM_TRAIN, NUM_TEST)

    def open(self, split: Split) -> TensorImageSet:
        """Load the split; values 0..16 are scaled to 0..255."""
        import torch
        from sklearn.datasets import load_digits

        digits = load_digits()
        rows = slice(NUM_TRAIN) if split == "train" else slice(NUM_TRAIN, None)
        images = torch.from_numpy(digits.images[rows]).mul(255 / 16).round().to(torch.uint8).unsqueeze(1)
        return TensorImageSet(images, torch.from_numpy(digits.target[rows]).long())
