"""Extractors: what is kept of real images under which name, how images are made to fit, and where weights come from."""

import hashlib
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest
import torch
from safetensors.torch import save
from torch import nn
from torch_fidelity import feature_extractor_inceptionv3
from toys import Raw, TwoOutputs, extractor, images

from gan_experiments.datasets.base import TensorImageSet
from gan_experiments.datasets.tensors import save_tensors
from gan_experiments.metrics.extractors import classifier, inception
from gan_experiments.metrics.extractors.base import Extractor, fit_pixels, fitting, weights_hash
from gan_experiments.metrics.extractors.classifier import ClassifierExtractor
from gan_experiments.metrics.extractors.inception import InceptionExtractor
from gan_experiments.metrics.extractors.module import ModuleExtractor
from gan_experiments.metrics.features import compute_features, features_of
from gan_experiments.types import UserError


def kept(cache_dir: Path) -> list[Path]:
    return sorted(cache_dir.glob("*.safetensors"))


# Features of real images


def test_features_of_real_images_are_computed_once(tmp_path: Path) -> None:
    real, first, second = images(300), extractor(), extractor()
    seen = features_of(real, first, tmp_path)
    again = features_of(real, second, tmp_path)
    assert isinstance(second.module, TwoOutputs)
    assert second.module.calls == 0
    assert torch.equal(seen.features, again.features)
    assert seen.logits is not None
    assert again.logits is not None
    assert torch.equal(seen.logits, again.logits)
    assert torch.equal(again.labels, real.labels)
    with torch.no_grad():
        assert torch.allclose(seen.features, first(real.images)[0], atol=1e-6)


def test_extractors_of_other_weights_share_no_file(tmp_path: Path) -> None:
    real = images(20)
    seen = [features_of(real, extractor(seed=seed), tmp_path) for seed in (1, 2)]
    assert len(kept(tmp_path)) == 2
    assert not torch.equal(seen[0].features, seen[1].features)


def test_one_changed_weight_or_buffer_is_another_extractor() -> None:
    convolution, norm = nn.Conv2d(1, 2, 8), nn.BatchNorm2d(2)
    network = nn.Sequential(convolution, norm)
    assert norm.running_mean is not None
    found = {weights_hash(network)}
    with torch.no_grad():
        convolution.weight[0, 0, 0, 0] += 1e-6
        found.add(weights_hash(network))
        norm.running_mean[1] += 1
        found.add(weights_hash(network))
    assert len(found) == 3


@pytest.mark.parametrize("change", ["pixel", "label", "order", "input"])
def test_other_images_or_another_input_share_no_file(tmp_path: Path, change: str) -> None:
    real = images(20)
    other, looking = TensorImageSet(real.images.clone(), real.labels.clone()), extractor(image_size=8)
    if change == "pixel":
        other.images[3, 0, 0, 0] ^= 1
    elif change == "label":
        other.labels[3] ^= 1
    elif change == "order":
        other = TensorImageSet(real.images.flip(0), real.labels)
    else:
        looking = extractor(image_size=None)
    features_of(real, extractor(image_size=8), tmp_path)
    features_of(other, looking, tmp_path)
    assert len(kept(tmp_path)) == 2


@pytest.mark.parametrize("damage", ["cut", "empty", "text", "other tensors"])
def test_a_damaged_file_of_features_is_made_anew(tmp_path: Path, damage: str) -> None:
    real = images(20)
    seen = features_of(real, extractor(), tmp_path)
    (path,) = kept(tmp_path)
    whole = path.read_bytes()
    other = save({"a": torch.ones(2)})
    damaged = {"cut": whole[:-7], "empty": b"", "text": b"no tensors at all", "other tensors": other}
    path.write_bytes(damaged[damage])
    again = features_of(real, extractor(), tmp_path)
    assert torch.equal(seen.features, again.features)
    assert kept(tmp_path) == [path]
    assert path.read_bytes() == whole


def test_features_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    broken = extractor("broken")
    with torch.no_grad():
        next(broken.parameters()).fill_(torch.inf)
    with pytest.raises(UserError, match=r"'broken' returns features that are not finite"):
        features_of(images(5), broken, tmp_path)


def test_each_image_is_made_once_for_all_extractors() -> None:
    real, made = images(600), 0

    def blocks() -> Any:
        nonlocal made
        for block in torch.split(real.images, 500):
            made += len(block)
            yield block

    first, second = compute_features(blocks(), real.labels, [extractor(seed=1), extractor(seed=2)])
    assert made == len(first) == len(second) == 600


# Making images fit


def test_grey_images_are_repeated_for_an_extractor_of_colours() -> None:
    grey = images(4).images
    colours = fit_pixels(grey, Raw(3, 8))
    assert colours.shape == (4, 3, 8, 8)
    assert all(torch.equal(colours[:, [channel]], grey) for channel in range(3))
    assert fitting(1, 8, Raw(3, 8))["channels"] == "grey repeated to 3"


def test_colour_images_are_refused_by_an_extractor_of_grey_ones(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"'raw' takes 1 channels, but the images have 3.*/extractor=classifier"):
        features_of(images(4, channels=3), Raw(1, 8), tmp_path)


def test_images_are_brought_to_the_size_of_the_extractor() -> None:
    constant = torch.full((2, 1, 8, 8), 77, dtype=torch.uint8)
    assert torch.equal(fit_pixels(constant, Raw(1, 28)), torch.full((2, 1, 28, 28), 77, dtype=torch.uint8))
    # A checkerboard halved: with antialiasing it is grey inside; without, it would stay black and white.
    board = (torch.arange(8)[:, None] + torch.arange(8)).remainder(2).mul(255).to(torch.uint8).expand(1, 1, 8, 8)
    halved = fit_pixels(board, Raw(1, 4)).float()
    assert halved.shape == (1, 1, 4, 4)
    assert (halved[..., 1:3, 1:3] - 127.5).abs().max() <= 20
    assert "4" in fitting(1, 8, Raw(1, 4))["resize"]


def test_images_that_fit_stay_as_they_are() -> None:
    pixels = images(4, channels=3).images
    for size in (8, None):
        assert torch.equal(fit_pixels(pixels, Raw(3, size)), pixels)
    assert fitting(3, 8, Raw(3, 8))["resize"] == "none"
    assert fitting(3, 8, Raw(3, None))["resize"] == "the extractor's own"


# Networks of the user's own


def test_a_module_is_given_images_in_minus_one_to_one() -> None:
    looking = ModuleExtractor("own", nn.Flatten(), None, 1)
    features, logits = looking(torch.tensor([0, 255], dtype=torch.uint8).view(1, 1, 1, 2))
    assert features.tolist() == [[-1, 1]]
    assert logits is None


def test_a_module_takes_its_weights_from_a_file(tmp_path: Path) -> None:
    trained = TwoOutputs(1, seed=1)
    torch.save(trained.state_dict(), tmp_path / "own.pt")
    looking = ModuleExtractor("own", TwoOutputs(1, seed=2), 8, 1, weights=str(tmp_path / "own.pt"))
    assert weights_hash(looking.module) == weights_hash(trained)
    assert not any(module.training for module in looking.modules())
    with pytest.raises(UserError, match=r"'own'.*no\.pt does not hold"):
        ModuleExtractor("own", TwoOutputs(1, seed=2), 8, 1, weights=str(tmp_path / "no.pt"))
    with pytest.raises(UserError, match=r"own\.pt does not hold the module's weights"):
        ModuleExtractor("own", TwoOutputs(3, seed=2), 8, 3, weights=str(tmp_path / "own.pt"))


# The classifier


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Replace the training by a product; numbers of images on which classifiers are trained, as it happens."""
    counts: list[int] = []

    def train(network: nn.Module, train_set: Any, test_set: Any, seed: int) -> float:
        counts.append(len(train_set))
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.mul_(1.5)
        return 0.75

    monkeypatch.setattr(classifier, "fit_classifier", train)
    return counts


def write(extractor: ClassifierExtractor, path: Path) -> None:
    save_tensors(path, extractor.network.state_dict(), {**extractor._facts, "accuracy": 0.9})


def test_a_classifier_is_trained_once_for_the_same_images(tmp_path: Path, trained: list[int]) -> None:
    real, held_out = images(30), images(10, seed=1)
    first = ClassifierExtractor("toys", 8, 1, 2)
    assert first.needs_fit
    before = torch.get_rng_state()
    first.fit(real, held_out, tmp_path)
    assert torch.equal(torch.get_rng_state(), before)
    (path,) = kept(tmp_path)
    assert path.name.startswith("toys_classifier-")
    assert path.suffix == ".safetensors"
    second = ClassifierExtractor("toys", 8, 1, 2)
    second.fit(real, held_out, tmp_path)
    assert trained == [30]
    assert second.facts() == first.facts()
    assert second.accuracy == 0.75
    assert second.name == "toys_classifier"
    for looking in (first, second):
        assert not looking.needs_fit
        assert looking.knows_classes
        assert not any(module.training for module in looking.network.modules())
        assert not any(parameter.requires_grad for parameter in looking.parameters())
    (features, logits), (again, _) = (looking(real.images) for looking in (first, second))
    assert features.shape == (30, 96)
    assert logits.shape == (30, 2)
    assert torch.equal(features, again)


@pytest.mark.usefixtures("trained")
def test_a_classifier_is_trained_from_the_same_start_whatever_was_drawn_before(tmp_path: Path) -> None:
    hashes = set()
    for number in range(2):
        torch.rand(number + 1)
        looking = ClassifierExtractor("toys", 8, 1, 2)
        looking.fit(images(30), None, tmp_path / str(number))
        hashes.add(weights_hash(looking))
    assert len(hashes) == 1


def test_other_images_are_trained_on_anew(tmp_path: Path, trained: list[int]) -> None:
    for seed in (0, 1):
        ClassifierExtractor("toys", 8, 1, 2).fit(images(30, seed=seed), None, tmp_path)
    assert len(kept(tmp_path)) == 2


def test_a_kept_classifier_serves_as_a_file_of_weights(tmp_path: Path, trained: list[int]) -> None:
    ClassifierExtractor("toys", 8, 1, 2).fit(images(30), None, tmp_path)
    (path,) = kept(tmp_path)
    named = ClassifierExtractor("toys", 8, 1, 2, weights=str(path))
    assert not named.needs_fit
    assert named.accuracy == 0.75
    with pytest.raises(UserError, match=r"was made for images of 1 channels and 2 classes; the data have 3 and 10"):
        ClassifierExtractor("others", 8, 3, 10, weights=str(path))
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(UserError, match="cannot be read as the weights of a classifier"):
        ClassifierExtractor("toys", 8, 1, 2, weights=str(path))
    with pytest.raises(UserError, match="cannot be read as the weights of a classifier"):
        ClassifierExtractor("toys", 8, 1, 2, weights=str(tmp_path / "missing"))


def test_a_damaged_classifier_is_trained_anew(tmp_path: Path, trained: list[int]) -> None:
    first = ClassifierExtractor("toys", 8, 1, 2)
    first.fit(images(30), None, tmp_path)
    (path,) = kept(tmp_path)
    path.write_bytes(path.read_bytes()[:100])
    second = ClassifierExtractor("toys", 8, 1, 2)
    second.fit(images(30), None, tmp_path)
    assert weights_hash(second) == weights_hash(first)


def test_images_without_labels_are_looked_at_by_the_classifier_of_cifar10() -> None:
    looking = ClassifierExtractor("faces", 64, 3, 0)
    assert looking.name == "cifar10_classifier"
    assert not looking.needs_fit
    assert not looking.knows_classes
    features, logits = looking(fit_pixels(images(2, channels=1, side=64).images, looking))
    assert features.shape == (2, 96)
    assert logits.shape == (2, 10)


def test_images_without_labels_take_the_name_and_form_of_the_general_classifier(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(classifier, "SHIPPED", tmp_path)
    write(ClassifierExtractor("cifar10", 32, 3, 10), tmp_path / "cifar10_classifier.safetensors")
    looking: Extractor = ClassifierExtractor("faces", 64, 1, 0)
    assert (looking.name, looking.image_size, looking.channels) == ("cifar10_classifier", 32, 3)
    assert (looking.accuracy, looking.knows_classes, looking.needs_fit) == (0.9, False, False)
    assert looking(fit_pixels(images(2, side=64).images, looking))[0].shape == (2, 96)


def test_shipped_weights_serve_images_of_another_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classifier, "SHIPPED", tmp_path)
    write(ClassifierExtractor("toys", 28, 1, 2), tmp_path / "toys_classifier.safetensors")
    larger = ClassifierExtractor("toys", 32, 1, 2)
    assert (larger.needs_fit, larger.image_size) == (False, 28)
    assert ClassifierExtractor("toys", 28, 1, 3).needs_fit  # other classes: trained on the data


# Inception


@pytest.fixture(scope="module")
def inception_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("inception") / "weights.pth"
    network = feature_extractor_inceptionv3.FeatureExtractorInceptionV3
    with pytest.MonkeyPatch.context() as patch, torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        patch.setattr(feature_extractor_inceptionv3, "load_state_dict_from_url", lambda *args, **more: {})
        patch.setattr(network, "load_state_dict", lambda self, state: None)
        torch.save(network("inception", ["2048"]).state_dict(), path)
    return path


def test_inception_gives_features_and_logits(inception_weights: Path) -> None:
    sha256 = hashlib.sha256(inception_weights.read_bytes()).hexdigest()
    looking = InceptionExtractor(str(inception_weights), sha256[:8])
    pixels = fit_pixels(images(2).images, looking)
    features, logits = looking(pixels)
    assert logits is not None
    assert features.shape == (2, 2048)
    assert logits.shape == (2, 1008)
    assert features.isfinite().all()
    bias = looking.network.fc.bias
    with torch.no_grad():
        assert torch.allclose(looking.network.fc(features), logits + bias, atol=1e-4)
    assert not any(module.training for module in looking.network.modules())
    assert not any(parameter.requires_grad for parameter in looking.parameters())


def test_a_changed_inception_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(b"something else")
    found = hashlib.sha256(b"something else").hexdigest()[:8]
    with pytest.raises(UserError, match=rf"SHA-256 begins {found}, expected is {inception.SHA256}"):
        InceptionExtractor(str(path))
    with pytest.raises(UserError, match=rf"SHA-256 begins {found}.*, expected is 0123456789"):
        InceptionExtractor(str(path), sha256="0123456789")


def test_an_inception_file_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(b"something else")
    with pytest.raises(UserError, match="does not hold the weights of this network"):
        InceptionExtractor(str(path), sha256=hashlib.sha256(b"something else").hexdigest())


def test_a_missing_inception_file_is_named_with_a_way_out(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"there is no such file.*at .*absent\.pth.*evaluation/extractor=classifier"):
        InceptionExtractor(str(tmp_path / "absent.pth"))


def test_without_the_internet_the_place_of_the_inception_file_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: Any, **more: Any) -> None:
        raise URLError("no route")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", fail)
    place = rf"no route.*at {tmp_path}/checkpoints/{inception.FILE}.*evaluation/extractor=classifier"
    with pytest.raises(UserError, match=place):
        InceptionExtractor()


def test_the_published_file_is_asked_for_by_its_own_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    def download(url: str, path: str, **more: Any) -> None:
        asked.update(more, url=url)
        Path(path).write_bytes(b"cut short")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    with pytest.raises(UserError, match="is not the file that is named"):
        InceptionExtractor()
    assert asked["hash_prefix"] == inception.SHA256 == "6726825d"
