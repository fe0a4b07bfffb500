import pytest

from gan_experiments.loggers.naming import LONGEST, run_name

CHOICES = {
    "experiment": "fmnist_acgan",
    "dataset": "fmnist",
    "loss": "hinge",
    "augment": "[flip, crop]",
    "loss/term": 0,
}


@pytest.mark.parametrize(
    ("overrides", "name"),
    [
        ([], "fmnist_acgan-s3"),
        (["+experiment=fmnist_acgan", "seed=3", "logger=[wandb,tensorboard]", "data_dir=/data"], "fmnist_acgan-s3"),
        (["hydra.run.dir=/a/b", "resume=x", "tags=[a]", "notes='c d'", "evaluation=none"], "fmnist_acgan-s3"),
        (["loss=hinge", "+loss/term=r1", "loss.r1.weight=1"], "fmnist_acgan-hinge-r1-r1.weight=1-s3"),
        (["optimizer.generator.lr=1e-4", "batch_size=8"], "fmnist_acgan-generator.lr=1e-4-batch_size=8-s3"),
        (["augment=[flip,crop]", "dataset.path='/a b'"], "fmnist_acgan-flip+crop-s3"),
        (["augment=none", "ema_half_life_kimg=null"], "fmnist_acgan-no_augment-no_ema_half_life_kimg-s3"),
        (["~loss.r1", "schedule.generator=2"], "fmnist_acgan-no_r1-schedule.generator=2-s3"),
        (["budget.epochs=null", "budget.kimg=500"], "fmnist_acgan-budget.kimg=500-s3"),
        (["data.num_workers=0", "dataset=fmnist"], "fmnist_acgan-fmnist-s3"),
    ],
)  # fmt: skip
def test_a_name_says_what_differs(overrides: list[str], name: str) -> None:
    assert run_name(CHOICES, overrides, 3) == name


def test_without_an_experiment_the_data_set_stands_for_it() -> None:
    assert run_name({"dataset": "fmnist", "loss": "r1"}, ["dataset=fmnist", "loss=r1"], 0) == "fmnist-r1-s0"


def test_long_names_are_cut_off_and_stay_apart() -> None:
    overrides = [f"model.generator.some_long_option_{position}=123456" for position in range(5)]
    names = {run_name(CHOICES, [*overrides, f"loss.r1.weight={weight}"], 12) for weight in range(20)}

    assert len(names) == 20
    for name in names:
        assert len(name) <= LONGEST
        assert name.startswith("fmnist_acgan-generator.some_long_option_0=123456-")
        assert name.endswith("-s12")
