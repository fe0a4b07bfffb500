"""The Inception network that published FIDs are measured with, as torch-fidelity has it."""

import hashlib
from pathlib import Path

import torch
from torch import Tensor
from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3, FeatureExtractorInceptionV3

from gan_experiments.metrics.extractors.base import Extractor
from gan_experiments.types import UserError

FILE = URL_INCEPTION_V3.rpartition("/")[2]
SHA256 = FILE.removesuffix(".pth").rpartition("-")[2]
"""The first digits of the file's hash, as torch.hub's names have it."""


class InceptionExtractor(Extractor):
    """The 2,048 features of the last pooling, and the logits without bias, of Szegedy et al. 2015 in Heusel's port.

    Heusel et al. 2017, "GANs Trained by a Two Time-Scale Update Rule", section 4; resizing to 299 pixels as TensorFlow
    1 did it happens inside.

    Args:
        weights: the file; null: `torch.hub`'s folder, into which it is downloaded if it is not there.
        sha256: how the hash of the file begins; null: that of the published weights.

    Raises:
        UserError: the file is missing and cannot be downloaded, or its hash differs.
    """

    name = "inception"
    channels = 3
    takes_floats = False

    def __init__(self, weights: str | None = None, sha256: str | None = None) -> None:
        super().__init__()
        path = Path(torch.hub.get_dir()) / "checkpoints" / FILE if weights is None else Path(weights).expanduser()
        if weights is None and not path.exists():
            _download(path)
        if not path.exists():
            raise UserError(
                f"evaluation.extractors.inception.weights={weights}: there is no such file. {_advice(path)}"
            )
        expected = sha256 or SHA256
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if not digest.startswith(expected):
            raise UserError(
                f"{path} is not the file that is named: its SHA-256 begins {digest[: max(8, len(expected))]}, expected "
                f"is {expected}. Values measured with it would not compare to any others. {_advice(path)} Other "
                "weights of your own are allowed by evaluation.extractors.inception.sha256=HASH."
            )
        try:
            torch.load(path, map_location="cpu", weights_only=True)  # the library's own loading would run code
            self.network = FeatureExtractorInceptionV3("inception", ["2048", "logits_unbiased"], str(path))
        except Exception as error:  # whatever a file that is no network's raises
            raise UserError(f"{path} does not hold the weights of this network: {error}") from error
        self.num_classes = 1008

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return features (N×2048) and logits (N×1008)."""
        features, logits = self.network(pixels)
        return features, logits


def _download(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        torch.hub.download_url_to_file(URL_INCEPTION_V3, str(path), hash_prefix=SHA256, progress=False)
    except (OSError, RuntimeError) as error:
        raise UserError(
            f"the Inception weights are not there and cannot be downloaded ({error}). {_advice(path)}"
        ) from error


def _advice(path: Path) -> str:
    return (
        f"Put {URL_INCEPTION_V3} at {path}, name another path by evaluation.extractors.inception.weights=FILE, or "
        "measure with evaluation/extractor=classifier, which needs no download."
    )
