"""`sample --best`: which images are kept, in which order, and by whose word."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from launching import TINY, launch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from cli.conftest import Verb
from cli.test_verb_sample import Copy, arrays
from gan_experiments.datasets.data import kept_labels
from gan_experiments.metrics.extractors.base import Extractor
from gan_experiments.metrics.extractors.classifier import ClassifierExtractor
from gan_experiments.runs.run import Run
from gan_experiments.sampling.best import keep_best
from gan_experiments.sampling.images import Samples, join
from gan_experiments.types import UserError

CLASSES = ["regime=classes", "regime.classes.keep=[3,5]"]


@pytest.fixture(scope="module")
def two_classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A conditional generator of the digits 3 and 5 alone."""
    run = tmp_path_factory.mktemp("two") / "run"
    launch(run, *TINY, *CLASSES)
    return run


@pytest.fixture(scope="module")
def two_unlabelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generator of the same that takes no label, beside a discriminator that has no class head."""
    run = tmp_path_factory.mktemp("two") / "run"
    launch(run, *TINY, *CLASSES, "model=dcgan", "loss=non_saturating", "+evaluation/extractor=classifier")
    return run


def expected_scores(run: Path, by: str, pixels: np.ndarray[Any, Any], labels: Tensor) -> Tensor:
    images = torch.from_numpy(pixels)[:, None]
    if by == "extractor":
        logits = ClassifierExtractor("digits", 8, 1, 10)(images)[1]
        assert logits is not None
        shares: Tensor = logits.double().softmax(1)
        return shares.gather(1, labels[:, None])[:, 0]
    output = Run.open(run, "RUN").discriminator("last").network(images / 255 * 2 - 1, labels)
    if by == "class":
        confidence: Tensor = output.class_logits.double().softmax(1).gather(1, labels[:, None])[:, 0]
        return confidence
    scores: Tensor = output.scores.double()
    return scores


@pytest.mark.parametrize("by", ["discriminator", "class", "extractor"])
def test_the_best_of_all_images_that_are_drawn_are_kept_best_first(verb: Verb, finished: Path, by: str) -> None:
    every = arrays(verb, finished, "-n", 30, "--class", 2, "--class", 7)
    kept = arrays(verb, finished, "--best", 4, "--of", 30, "--by", by, "--class", 2, "--class", 7)

    assert kept["labels"].tolist() == [2] * 4 + [7] * 4
    for place, label in enumerate((2, 7)):
        of_class = every["labels"] == label
        scores = expected_scores(finished, by, every["images"][of_class], torch.full((30,), label))
        best = scores.topk(4)
        mine = slice(4 * place, 4 * place + 4)
        assert kept["scores"][mine] == pytest.approx(best.values.numpy(), abs=1e-4)
        assert np.array_equal(kept["latents"][mine], every["latents"][of_class][best.indices])
        assert np.abs(kept["images"][mine].astype(int) - every["images"][of_class][best.indices]).max() <= 1


def test_the_scores_are_those_of_the_checkpoint_asked_for(verb: Verb, finished: Path) -> None:
    last, earlier = (
        arrays(verb, finished, "--best", 2, "--of", 9, "--checkpoint", name)["scores"] for name in ("last", "16")
    )
    assert not np.allclose(last, earlier)


def test_scores_that_are_equal_keep_their_order_and_all_is_told(finished: Path) -> None:
    sampler = Run.open(finished, "RUN").generator("last")
    everything = sampler.sample(10, 4, seed=0)

    def third_is_best(pixels: Tensor, labels: Tensor) -> Tensor:
        assert labels.tolist() == [4] * 10
        return torch.tensor([0.0, 0, 5, *[1.0] * 7], dtype=torch.float64)

    chosen = keep_best(sampler, third_is_best, [4], 3, 10, seed=0)
    assert torch.equal(chosen.samples.latents, everything.latents[[2, 3, 4]])
    assert torch.equal(chosen.samples.pixels, everything.pixels[[2, 3, 4]])
    (scores,) = chosen.facts["scores"]
    assert (scores["best"], scores["worst_kept"], scores["median_of_all"]) == (5.0, 1.0, 1.0)

    def broken(pixels: Tensor, labels: Tensor) -> Tensor:
        return torch.full((len(pixels),), math.nan, dtype=torch.float64)

    with pytest.raises(UserError, match="not finite"):
        keep_best(sampler, broken, [4], 1, 2, seed=0)


def test_not_all_images_are_held_and_how_far_it_is_is_told(
    finished: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    for name, value in {"best.MAX_HELD": 0, "sampler.BLOCK_SIZE": 4, "sampler.LOG_SECONDS": 0}.items():
        monkeypatch.setattr(f"gan_experiments.sampling.{name}", value)
    sampler = Run.open(finished, "RUN").generator("last")
    every = join(list(sampler.class_blocks([4, 6], 30)))
    caplog.clear()

    def few_values(pixels: Tensor, labels: Tensor) -> Tensor:
        return (pixels.sum((1, 2, 3)) % 5).double()

    held: list[int] = []

    def joined(parts: list[Samples]) -> Samples:
        held.append(sum(map(len, parts)))
        return join(parts)

    monkeypatch.setattr("gan_experiments.sampling.best.join", joined)
    chosen = keep_best(sampler, few_values, [4, 6], 3, 30)
    assert max(held) <= 2 * 3 + 4
    for number, scores_of_class in enumerate(chosen.facts["scores"]):
        of_class = slice(30 * number, 30 * number + 30)
        scores = few_values(every.pixels[of_class], every.labels[of_class])
        first = scores.argsort(descending=True, stable=True)[:3]
        assert torch.equal(chosen.samples.latents[3 * number : 3 * number + 3], every.latents[of_class][first])
        assert scores_of_class["median_of_all"] == float(scores.quantile(0.5))
    assert chosen.samples.share_clipped == pytest.approx(every.share_clipped)
    assert "Drawing 30 images of each of 2 classes, of which the best 3 are kept." in caplog.text
    assert "34 of 60 images drawn." in caplog.text  # a block of four of the second class after all of the first


def test_a_class_head_that_no_term_trains_has_no_confidence(verb: Verb, finished: Path, copy_of: Copy) -> None:
    terms = json.loads((finished / "manifest.json").read_text())["config"]["loss"]
    del terms["auxiliary_class"]
    said = verb("sample", copy_of(finished, "run", config={"loss": terms}), "--best", 1, "--by", "class")

    assert said.code == 2
    assert "no loss term trains the discriminator's class head" in said.err
    assert "--by discriminator" in said.err


def test_what_was_picked_is_told_and_named(verb: Verb, copy_of: Copy, finished: Path, unconditional: Path) -> None:
    run = copy_of(finished, "run")
    said = verb("sample", run, "--best", 2, "--class", 3, "--by", "class")
    assert said.code == 0, said.err
    assert "The best 2 of 40 of each class, best first, by the discriminator's confidence in the class" in said.out
    grid, told = sorted((run / "drawn").iterdir())
    assert grid.name == "iteration_000000020-best2of40-by_class-seed0-class3.png"
    assert told.name == f"{grid.name}.json"
    (scores,) = json.loads(told.read_text())["picked"]["scores"]
    assert (scores["label"], scores["class"]) == (3, "3")
    with Image.open(grid) as image:
        assert image.size == (2 * 42 + 2, 42 + 2)

    said = verb("sample", unconditional, "--best", 5, "--of", 50, "-o", "five.png", "--json")
    assert said.code == 0, said.err
    told = json.loads(said.out)
    (scores,) = told["picked"].pop("scores")
    assert told["picked"] == {"best": 5, "of": 50, "by": "discriminator"}
    assert told["images"] == 5
    assert scores.pop("class") is scores.pop("label") is None
    assert scores["best"] >= scores["worst_kept"] > scores["median_of_all"]
    assert json.loads(verb("sample", unconditional, "-n", 5, "-o", "n.png", "--json").out)["picked"] is None


def test_files_are_numbered_best_first(verb: Verb, finished: Path, tmp_path: Path) -> None:
    best = arrays(verb, finished, "--best", 2, "--of", 9)["images"]
    assert verb("sample", finished, "--best", 2, "--of", 9, "--to", "files", "-o", "files").code == 0
    files = sorted((tmp_path / "files").rglob("*.png"))
    assert np.array_equal(np.stack([np.asarray(Image.open(path)) for path in files]), best)


def test_only_classes_that_were_trained_on_are_offered(verb: Verb, two_classes: Path) -> None:
    assert kept_labels(Run.open(two_classes, "RUN").omegaconf()) == [3, 5]
    assert arrays(verb, two_classes, "-n", 2)["labels"].tolist() == [3, 3, 5, 5]
    assert arrays(verb, two_classes, "-n", 1, "--class", "5")["labels"].tolist() == [5]

    said = verb("sample", two_classes, "--class", "4", "-o", "drawn.png")
    assert said.code == 2
    assert "class 4: the run's regime leaves this class out" in said.err
    assert "3, 5" in said.err
    assert not Path("drawn.png").exists()


def test_without_a_label_the_likeliest_class_that_was_trained_on_counts(verb: Verb, two_unlabelled: Path) -> None:
    every = arrays(verb, two_unlabelled, "-n", 30)
    kept = arrays(verb, two_unlabelled, "--best", 3, "--of", 30, "--by", "extractor")

    logits = ClassifierExtractor("digits", 8, 1, 10)(torch.from_numpy(every["images"])[:, None])[1]
    assert logits is not None
    best = logits.double().softmax(1)[:, [3, 5]].amax(1).topk(3)
    assert kept["scores"] == pytest.approx(best.values.numpy(), abs=1e-4)
    assert np.array_equal(kept["latents"], every["latents"][best.indices])


class Judge(Extractor):
    """Takes bright images for 3s and dark ones for 0s."""

    name, channels, image_size, num_classes, knows_classes = "judge", 1, 8, 10, True

    def __init__(self, bright: float) -> None:
        super().__init__()
        self.bright = nn.Parameter(torch.tensor(bright))

    def seen(self, pixels: Tensor) -> Tensor:
        return 3 * (pixels.double().mean((1, 2, 3)) > self.bright)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        return pixels.flatten(1), F.one_hot(self.seen(pixels), 10)


@pytest.mark.parametrize("labelled", [True, False])
def test_a_separate_classifier_says_how_many_it_recognises(
    verb: Verb, two_classes: Path, two_unlabelled: Path, labelled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = two_classes if labelled else two_unlabelled
    every, kept = arrays(verb, run, "-n", 30), arrays(verb, run, "--best", 6, "--of", 30)
    judge = Judge(float(np.median(every["images"].mean((1, 2)))))
    monkeypatch.setattr("gan_experiments.inspection.scoring.reference_classifiers", lambda *_: ([judge], None))

    def share(drawn: dict[str, np.ndarray[Any, Any]]) -> float:
        seen = judge.seen(torch.from_numpy(drawn["images"])[:, None]).numpy()
        return float((seen == (drawn["labels"] if labelled else 3)).mean())

    words = ["sample", run, "--best", 6, "--of", 30, "--judge"]
    said = verb(*words, "-o", "judged.png", "--json")
    assert said.code == 0, said.err
    picked = json.loads(said.out)["picked"]
    expected = {"kept": share(kept), "all": share(every), "as": "asked for" if labelled else "3 or 5"}
    assert picked["recognized"] == pytest.approx(expected)
    assert picked["judge"] == judge.facts()
    assert 0 < share(every) < 1
    assert share(every) != share(kept)
    assert len(picked["scores"]) == 1 + labelled
    assert json.loads(Path("judged.png.json").read_text())["picked"] == picked

    text = verb(*words, "-o", "again.png").out
    assert f"judge, trained separately, recognises {share(kept):.1%} of these and" in text
    assert f"of all as {expected['as']}." in text
    if labelled:
        one = picked["scores"][1]
        (row,) = (line for line in text.splitlines() if line.split()[:1] == ["5"])
        assert row.split()[-2:] == [f"{one['recognized']:.1%}", f"{one['recognized_of_all']:.1%}"]

    monkeypatch.setattr("gan_experiments.inspection.scoring.reference_classifiers", lambda *_: ([], "none is shipped"))
    said = verb(*words, "-o", "none.png")
    assert (said.code, "--judge: none is shipped. Leave --judge out" in said.err) == (2, True)


def test_what_was_picked_stands_beside_what_is_drawn(verb: Verb, finished: Path, copy_of: Copy) -> None:
    run = copy_of(finished, "run")
    for layout, ending in (("grid", ".png"), ("npz", ".npz"), ("files", "")):
        assert verb("sample", run, "--best", 1, "--class", 3, "--truncation", 0.5, "--to", layout).code == 0
        name = f"iteration_000000020-best1of20-by_discriminator-seed0-class3-truncation0.5{ending}"
        assert (run / "drawn" / name).exists()
        facts = json.loads((run / "drawn" / f"{name}.json").read_text())
        assert (facts["seed"], facts["truncation"], facts["picked"]["of"]) == (0, 0.5, 20)
    assert len(list((run / "drawn").iterdir())) == 6


def test_scores_of_another_drawing_stay_or_go_with_it(verb: Verb, finished: Path) -> None:
    words = ["sample", finished, "--class", 3, "-o", "drawn.png"]
    Path("drawn.png.json").write_text("mine")
    said = verb(*words, "--best", 1)
    assert (said.code, "drawn.png.json exists" in said.err) == (2, True)
    assert not Path("drawn.png").exists()
    assert verb(*words, "-n", 2).code == 0  # writes none
    assert Path("drawn.png.json").read_text() == "mine"

    assert verb(*words, "--best", 1, "--force").code == 0
    assert "picked" in json.loads(Path("drawn.png.json").read_text())
    assert verb(*words, "-n", 2, "--force").code == 0
    assert not Path("drawn.png.json").exists()

    Path("here").mkdir()
    assert verb("sample", finished, "--best", 1, "--class", 3, "--to", "files", "-o", "here/../here/").code == 0
    assert Path("here.json").exists()
    said = verb("sample", finished, "--best", 1, "-o", "x" * 300 + ".png")
    assert (said.code, "cannot write" in said.err) == (2, True)


def test_what_cannot_be_picked_is_said_and_nothing_is_written(
    verb: Verb, finished: Path, unconditional: Path, two_unlabelled: Path, tmp_path: Path
) -> None:
    cases: list[tuple[Path, list[object], list[str]]] = [
        (finished, ["--best", 5, "--of", 4], ["there are only 4", "--of 5 or more"]),
        (finished, ["--best", 1, "--of", 50_000_000_000], ["--of: write 10000000 or less"]),
        (finished, ["--best", 20_000_000], ["--best: write 10000000 or less"]),
        (finished, ["--of", 4], ["--of", "add --best"]),
        (finished, ["--by", "class"], ["--by", "add --best"]),
        (finished, ["--judge"], ["--judge", "add --best"]),
        (
            finished,
            ["--best", 1, "--by", "extractor", "--judge"],
            ["already chooses by", "--by discriminator"],
        ),
        (unconditional, ["--best", 1, "--judge"], ["any image would be recognised"]),
        (finished, ["--best", 2, "-n", 3], ["--num 3 and --best 2"]),
        (finished, ["--best", 0], ["--best"]),
        (finished, ["--best", 1, "--by", "beauty"], ["--by"]),
        (two_unlabelled, ["--best", 1, "--by", "class"], ["has no class head", "--by extractor"]),
        (unconditional, ["--best", 1, "--by", "extractor"], ["--by extractor: none of the extractors"]),
    ]
    for run, words, parts in cases:
        said = verb("sample", run, *words, "-o", "drawn.png")
        assert said.code == 2, words
        assert all(part in said.err for part in parts), said.err
    assert list(tmp_path.iterdir()) == []
