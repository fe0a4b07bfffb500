"""A small classifier of the data set itself as extractor: shipped for four data sets, else trained at first use."""

import json
import logging
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from gan_experiments.datasets.loader import fingerprint
from gan_experiments.io import write_atomically
from gan_experiments.metrics.extractors.base import Extractor, Fit
from gan_experiments.models.small_cnn import SmallCNN
from gan_experiments.rng import stream_seed
from gan_experiments.types import ImageSet, UserError

log = logging.getLogger(__name__)
SHIPPED = Path(__file__).parent / "weights"
VERSION = 1  # of the network and its recipe; part of the name under which trained weights are kept
GENERAL: dict[str, Any] = {"dataset": "cifar10", "image_size": 32, "channels": 3, "num_classes": 10}
"""What serves images without labels, of which no classifier can be made."""


class ClassifierExtractor(Extractor):
    """The 96 features before the last layer of a `SmallCNN` that was trained to tell the classes of a data set.

    Args:
        dataset: name of the data set; the extractor is called `<dataset>_classifier`.
        image_size: pixels of a side.
        channels: channels of an image.
        num_classes: number of classes; 0, where images have no labels: the classifier of CIFAR-10 serves.
        weights: a file of weights (safetensors); null: the shipped ones, else trained on the data at first use.

    Raises:
        UserError: the file of weights cannot be read or was made for other images.
    """

    def __init__(
        self, dataset: str, image_size: int, channels: int, num_classes: int, weights: str | None = None
    ) -> None:
        super().__init__()
        self.knows_classes = num_classes > 0
        facts: dict[str, Any] = {
            "dataset": dataset,
            "image_size": image_size,
            "channels": channels,
            "num_classes": num_classes,
        }
        if not self.knows_classes:
            facts = GENERAL
        path = SHIPPED / f"{facts['dataset']}_classifier.safetensors" if weights is None else Path(weights).expanduser()
        found = _read_facts(path) if weights is not None or path.exists() else {}
        self.ready = all(found.get(key) == facts[key] for key in ("channels", "num_classes"))
        if self.ready:
            facts = facts | {"image_size": found["image_size"]}
        elif weights is not None:
            raise UserError(
                f"{weights} was made for images of {found.get('channels')} channels and {found.get('num_classes')} "
                f"classes; the data have {channels} and {num_classes}. Leave evaluation.extractors.classifier.weights "
                "out, and a classifier is trained on the data."
            )
        self._facts = facts
        self.name = f"{facts['dataset']}_classifier"
        self.image_size, self.channels, self.num_classes = (
            int(facts[key]) for key in ("image_size", "channels", "num_classes")
        )
        self.network = SmallCNN(self.image_size, self.channels, self.num_classes)
        if self.ready:
            self._load(path)

    @property
    def needs_fit(self) -> bool:
        """Return whether there are no weights yet."""
        return not self.ready

    def fit(self, train_set: ImageSet, test_set: ImageSet | None, fit: Fit, cache_dir: Path) -> None:
        """Train on the data, or take the weights that were trained on the same data before."""
        path = cache_dir / f"{self.name}-v{VERSION}-{fingerprint(train_set)}.safetensors"
        if not _is_whole(path):
            log.info("Training %s on %s images, once; kept in %s", self.name, f"{len(train_set):,}", path)
            accuracy = self.train_anew(train_set, test_set, fit)
            cache_dir.mkdir(parents=True, exist_ok=True)
            self.save(path, accuracy)
        self._load(path)
        self.ready = True

    def train_anew(self, train_set: ImageSet, test_set: ImageSet | None, fit: Fit) -> float | None:
        """Train new weights by the recipe; gives the accuracy on the test set."""
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(
                stream_seed("extractor", 0)
            )  # not those of the GPUs, where training draws
            self.network = SmallCNN(*(int(self._facts[key]) for key in ("image_size", "channels", "num_classes")))
        history = fit(self.network, self.num_classes, train_set, test_set, seed=0)
        return history[-1].get("test_accuracy")

    def save(self, path: Path, accuracy: float | None) -> None:
        state = {name: value.contiguous() for name, value in self.network.state_dict().items()}
        data = save(state, {"facts": json.dumps({**self._facts, "accuracy": accuracy, "version": VERSION})})
        write_atomically(path, lambda file: file.write(data))

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return features (N×96) and class logits (N×K)."""
        images = pixels.float().contiguous(memory_format=torch.channels_last) / 127.5 - 1
        output = self.network(images)
        return output.features, output.class_logits

    def _load(self, path: Path) -> None:
        with safe_open(path, "pt") as file:
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 # not a mapping
        try:
            self.network.load_state_dict(state)
        except RuntimeError as error:
            raise UserError(f"{path} does not hold weights of this classifier: {error}") from error
        self.network.to(memory_format=torch.channels_last).requires_grad_(False).eval()
        self.accuracy = _read_facts(path)["accuracy"]


def _is_whole(path: Path) -> bool:
    """Return whether a file of weights is there and can be read; a damaged one is made anew."""
    try:
        with safe_open(path, "pt"):
            return True
    except (OSError, SafetensorError):
        return False


def _read_facts(path: Path) -> dict[str, Any]:
    try:
        with safe_open(path, "pt") as file:
            facts: dict[str, Any] = json.loads((file.metadata() or {})["facts"])
    except (OSError, SafetensorError, KeyError) as error:
        raise UserError(
            f"{path} cannot be read as the weights of a classifier ({error}): name a file that "
            "`gan-experiments fit-extractor` made, or leave evaluation.extractors.classifier.weights out."
        ) from error
    return facts
