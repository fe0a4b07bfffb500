"""A discriminator alone, trained as a classifier: a run like any other, without a generator."""

import csv
import json
from pathlib import Path

import pytest
import torch
from launching import TINY, launch, planned

from gan_experiments.runs.run import load_checkpoint
from gan_experiments.types import UserError

SMALL = [word for word in TINY if not word.startswith(("sample_every_kimg", "model.generator", "evaluation"))]
CLASSIFIER = ["task=classifier", "model=dcgan_class_head", "evaluation=class_head", *SMALL]


def rows(run: Path) -> list[dict[str, str]]:
    with (run / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


def test_it_learns_and_both_accuracies_are_written_at_each_interval(tmp_path: Path) -> None:
    longer = ["budget.kimg=4.5", "evaluation.every_kimg=1.5", "optimizer.discriminator.lr=2.0e-3", "batch_size=50"]
    results = launch(tmp_path, *CLASSIFIER, *longer)
    assert results["class_head_accuracy/discriminator"] > 0.7
    measured = [
        float(row["class_head_accuracy/discriminator"])
        for row in rows(tmp_path)
        if row.get("class_head_accuracy/discriminator")
    ]
    assert len(measured) == 3
    assert measured[-1] > measured[0]
    assert results["class_head_gap/discriminator"] == pytest.approx(
        results["class_head_training_accuracy/discriminator"] - results["class_head_accuracy/discriminator"]
    )
    assert results["generator_steps"] == 0
    assert results["discriminator_steps"] == results["iterations"] == 90


def test_what_it_has_no_use_for_is_not_in_its_record(tmp_path: Path) -> None:
    launch(tmp_path, *CLASSIFIER)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert list(manifest["parameters"]) == ["discriminator"]
    assert {"loss", "schedule"}.isdisjoint(manifest["choices"])
    assert (
        manifest["config"]["loss"] == manifest["config"]["schedule"] == manifest["config"]["model"]["generator"] == {}
    )
    assert manifest["config"]["ema_half_life_kimg"] is None
    assert not (tmp_path / "samples").exists()
    (last,) = (tmp_path / "checkpoints").glob("iteration_*20.pt")
    assert all(name.startswith("discriminator.") for name in load_checkpoint(last)["networks"])
    assert list(json.loads((tmp_path / "networks.json").read_text())) == ["discriminator"]


def test_the_score_is_not_trained(tmp_path: Path) -> None:
    launch(tmp_path / "a", *CLASSIFIER)
    states = [load_checkpoint(path)["networks"] for path in sorted((tmp_path / "a" / "checkpoints").glob("*.pt"))]
    score = [name for name in states[0] if "score" in name]
    assert score
    for name, value in states[0].items():
        assert torch.equal(value, states[-1][name]) == (name in score) or "norm" in name, name


def test_it_goes_on_bit_for_bit(tmp_path: Path) -> None:
    launch(tmp_path / "whole", *CLASSIFIER, "augment=[crop]")
    launch(tmp_path / "parts", *CLASSIFIER, "augment=[crop]", "budget.kimg=0.128")
    launch(Path("unused"), f"resume={tmp_path / 'parts'}", "budget.kimg=0.32")
    whole, parts = (
        load_checkpoint(max((tmp_path / name / "checkpoints").glob("iter*"))) for name in ("whole", "parts")
    )
    assert all(torch.equal(value, parts["networks"][name]) for name, value in whole["networks"].items())
    for name in ("discriminator/loss", "class_head_accuracy/discriminator"):
        assert rows(tmp_path / "whole")[-1][name] == rows(tmp_path / "parts")[-1][name]


def test_it_takes_over_the_discriminator_of_a_gan(tmp_path: Path) -> None:
    launch(tmp_path / "gan", "model=dcgan_class_head", *TINY)
    given = load_checkpoint(max((tmp_path / "gan" / "checkpoints").glob("iter*")))["networks"]
    launch(tmp_path / "alone", *CLASSIFIER, f"init_from={tmp_path / 'gan'}", "budget.kimg=0.016")
    taken = load_checkpoint(max((tmp_path / "alone" / "checkpoints").glob("iter*")))["networks"]
    score = next(name for name in taken if "score" in name)
    assert torch.equal(taken[score], given[score])
    with pytest.raises(UserError, match="there is no generator in it"):
        launch(tmp_path / "back", "model=dcgan_class_head", *TINY, f"init_from={tmp_path / 'alone'}")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["loss=hinge"], "loss=hinge: this task has no use for loss"),
        (["+loss/term=r1"], "no use for loss/term"),
        (["schedule.generator=2"], "no use for schedule.generator"),
        (["optimizer.generator.lr=1"], "no use for optimizer.generator.lr"),
        (["ema_half_life_kimg=3"], "no use for ema_half_life_kimg"),
        (["model=dcgan"], "needs model.class_head"),
        (["evaluation=standard"], "trains no generator.*evaluation=class_head"),
        (["budget.kimg=null", "budget.generator_steps=3"], "never spent"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_made(words: list[str], message: str) -> None:
    kept = [word for word in CLASSIFIER if not any(word.split("=")[0] == given.split("=")[0] for given in words)]
    with pytest.raises(UserError, match=message):
        planned(Path("unused"), *kept, *words)
