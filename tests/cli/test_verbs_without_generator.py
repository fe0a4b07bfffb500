"""A run of `task=classifier` given to each verb: it works, or says that there is no generator."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from launching import TINY, launch

from cli.conftest import Verb

Copy = Callable[..., Path]
CLASSIFIER = [
    "task=classifier",
    "model=dcgan_class_head",
    *[word for word in TINY if not word.startswith(("sample_every_kimg", "model.generator"))],
]


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that measured nothing. Not to be changed."""
    run = tmp_path_factory.mktemp("classifier") / "run"
    launch(run, *CLASSIFIER)
    return run


def test_it_is_evaluated_by_its_class_head(verb: Verb, classifier: Path, copy_of: Copy) -> None:
    run = copy_of(classifier, "run")
    said = verb("evaluate", run)

    assert said.code == 0, said.err
    assert "the discriminator, with 1 seed\n" in said.out
    assert "class_head_accuracy" in said.out
    assert "Floor" not in said.out
    assert verb("evaluate", run, "evaluation=class_head").code == 0
    refused = verb("evaluate", run, "evaluation=standard")
    assert refused.code == 2
    assert "trains no generator" in refused.err


@pytest.mark.parametrize("words", [("sample",), ("sample", "--best", 2), ("export", "--to", "onnx")])
def test_what_needs_a_generator_is_refused(verb: Verb, classifier: Path, words: tuple[object, ...]) -> None:
    said = verb(*words, classifier)

    assert said.code == 2
    assert "trains no generator (task=classifier)" in said.err
    assert "gan-experiments inspect" in said.err


def test_its_report_tells_of_no_generator(verb: Verb, classifier: Path, copy_of: Copy) -> None:
    run = copy_of(classifier, "run")
    assert verb("report", run).code == 0
    page, text = ((run / f"report.{ending}").read_text() for ending in ("html", "md"))

    assert "The run trains no generator." in page
    assert "The run trains no generator." in text
    assert "- task: classifier" in text
    assert "mode_collapse has a threshold" not in text
    assert "### generator" not in text


def test_others_take_it_as_any_run(verb: Verb, classifier: Path, finished: Path) -> None:
    for words in (("show",), ("runs",), ("compare", finished), ("diff", finished)):
        said = verb(*words, classifier)
        assert said.code == 0, said.err
    (differing,) = [line for line in said.out.splitlines() if line.split()[:1] == ["task"]]
    assert differing.split() == ["task", "gan", "classifier"]


def test_it_is_looked_into_like_any_discriminator(verb: Verb, classifier: Path, copy_of: Copy) -> None:
    run = copy_of(classifier, "run")
    said = verb("inspect", run, "--json", "--iterations", 3, "--per-class", 2, "-n", 40)

    assert said.code == 0, said.err
    found = json.loads(said.out)
    assert not found["left_out"]
    said = verb("inspect", run, "--checkpoint", "best")
    assert said.code == 2
    assert "evaluation.best names no value: write last" in said.err
    assert 0 <= found["perturbation"]["accuracy_after"] <= found["perturbation"]["accuracy_before"] <= 1
