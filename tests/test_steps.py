"""A step of one network leaves the other as it is, for every loss."""

from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from launching import TINY, composed
from pytorch_lightning.callbacks import Callback

from gan_experiments.build import build_module
from gan_experiments.config.compose import prepare
from gan_experiments.config.instantiate import instantiate
from gan_experiments.config.suggestions import CONFIG_DIR
from gan_experiments.datasets.loader import Pipeline
from gan_experiments.engine.datamodule import EpochRest
from gan_experiments.engine.gan import GAN
from gan_experiments.engine.schedules.base import Schedule, Updates
from gan_experiments.types import DiscriminatorOutput, Progress

LOSSES = sorted(path.stem for path in (CONFIG_DIR / "loss").glob("*.yaml"))
QUIET = pytest.mark.filterwarnings(
    "ignore:Found .* in eval mode", "ignore:.*treespec, LeafSpec", "ignore:.*many workers"
)


class OneAtATime(Schedule):
    """Updates the discriminator in even iterations and the generator in odd ones."""

    def plan(self, progress: Progress) -> Updates:
        even = progress.iteration % 2 == 0
        return Updates(discriminator=even, generator=not even)


def made_gan(*overrides: str) -> tuple[GAN, Pipeline]:
    cfg = prepare(composed(*TINY, *overrides)[0])[0]
    gan, _ = build_module(cfg)
    assert isinstance(gan, GAN)
    images = instantiate(cfg.dataset.source, "dataset.source").open("train")
    pipeline = Pipeline(images, batch_size=16, seed=0)
    gan.batches_per_epoch = pipeline.batches_per_epoch
    return gan, pipeline


def fit(gan: GAN, pipeline: Pipeline, iterations: int, *callbacks: Callback, **arguments: Any) -> None:
    class Stop(Callback):
        def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: Any) -> None:
            trainer.should_stop = gan.clock.iterations >= iterations

    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=-1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[*callbacks, Stop()],
        **arguments,
    )
    trainer.fit(gan, train_dataloaders=EpochRest(pipeline, gan))


def state_of(gan: GAN, network: str) -> dict[str, torch.Tensor]:
    """All of a network that a step of the other must not touch; running statistics may move."""
    module = getattr(gan, network)
    state = {f"weight {name}": value.detach().clone() for name, value in module.named_parameters()}
    for name, value in module.named_parameters():
        state[f"gradient {name}"] = torch.zeros(0) if value.grad is None else value.grad.clone()
        state[f"requires_grad {name}"] = torch.tensor(value.requires_grad)
    optimizer = gan.trainer.optimizers[0 if network == "discriminator" else 1]
    for index, slots in enumerate(optimizer.state.values()):
        state |= {f"optimizer {index} {slot}": torch.as_tensor(value).clone() for slot, value in slots.items()}
    return state


class Bystander(Callback):
    """Compares the network that is not updated, before and after each iteration."""

    def __init__(self) -> None:
        self.before: dict[str, dict[str, torch.Tensor]] = {}
        self.moved: list[str] = []

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: Any) -> None:
        assert isinstance(pl_module, GAN)
        self.before = {network: state_of(pl_module, network) for network in ("discriminator", "generator")}

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: Any) -> None:
        assert isinstance(pl_module, GAN)
        trained = "discriminator" if pl_module.clock.iterations % 2 == 1 else "generator"
        idle = "generator" if trained == "discriminator" else "discriminator"
        after = state_of(pl_module, idle)
        assert list(after) == list(self.before[idle])
        for name, value in after.items():
            assert torch.equal(value, self.before[idle][name]), f"{idle} {name} changed in the {trained}'s step"
        trained_after = state_of(pl_module, trained)
        if any(
            not torch.equal(value, self.before[trained].get(name, value[:0] if value.ndim else value))
            for name, value in trained_after.items()
            if name.startswith("weight")
        ):
            self.moved.append(trained)


@QUIET
@pytest.mark.parametrize("loss", LOSSES)
def test_a_step_of_one_network_leaves_the_other_bit_identical(loss: str) -> None:
    gan, pipeline = made_gan(f"loss={loss}")
    gan.schedule = OneAtATime()
    bystander = Bystander()
    fit(gan, pipeline, 4, bystander)
    assert bystander.moved == ["discriminator", "generator", "discriminator", "generator"]


class WithNorm(torch.nn.Module):
    """A discriminator of 8×8 images with batch norm."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = torch.nn.BatchNorm2d(1)
        self.linear = torch.nn.Linear(64, 1)
        self.passes: list[int] = []  # images in each

    def forward(self, images: torch.Tensor, labels: torch.Tensor) -> DiscriminatorOutput:
        self.passes.append(len(images))
        return DiscriminatorOutput(self.linear(self.norm(images).flatten(1)).flatten())


@QUIET
@pytest.mark.parametrize(
    ("statistics", "passed", "tracked", "images"),
    [
        ("batch", "separate", 2, 16),
        ("batch", "joined", 2, 32),
        ("running", "separate", 0, 16),
        ("running", "joined", 0, 16),
    ],
)
def test_frozen_batch_norm_uses_the_statistics_asked_for(
    statistics: str, passed: str, tracked: int, images: int
) -> None:
    """Of real and generated images together where passes are joined."""
    gan, pipeline = made_gan(
        "model=dcgan",
        "loss=hinge",
        f"task.frozen_batch_norm={statistics}",
        f"task.discriminator_pass={passed}",
        "schedule.discriminator=0",
    )
    gan.discriminator = gan.update.discriminator = WithNorm()
    fit(gan, pipeline, 2)
    assert gan.clock.generator_steps == 2
    assert gan.discriminator.passes == [images] * 2
    assert int(gan.discriminator.norm.num_batches_tracked or 0) == tracked
    assert gan.discriminator.norm.training


@QUIET
def test_shared_fakes_are_generated_once_for_both_steps() -> None:
    passes = {}
    for fakes in ("fresh", "shared"):
        gan, pipeline = made_gan(f"task.fakes={fakes}", "ema_half_life_kimg=null")
        fit(gan, pipeline, 3)
        passes[fakes] = int(gan.generator.layers[0][1].num_batches_tracked)  # type: ignore[index, union-attr]
    assert passes == {"fresh": 6, "shared": 3}


@QUIET
@pytest.mark.parametrize("schedule", ["schedule.discriminator=5", "schedule.generator=10"])
def test_a_ratio_and_the_clock_count_the_same_steps(schedule: str) -> None:
    gan, pipeline = made_gan(schedule)
    fit(gan, pipeline, 20)
    clock = gan.clock
    expected = (20, 4) if "discriminator" in schedule else (2, 20)
    assert (clock.discriminator_steps, clock.generator_steps) == expected
    assert (clock.iterations, clock.images_seen) == (20, 320)
    steps = [int(next(iter(optimizer.state.values()))["step"]) for optimizer in gan.trainer.optimizers]
    assert tuple(steps) == expected


@QUIET
def test_gradients_are_clipped_and_rates_follow_kimg() -> None:
    rates: list[float] = []

    class Watch(Callback):
        def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: Any) -> None:
            assert isinstance(pl_module, GAN)
            rates.append(trainer.optimizers[1].param_groups[0]["lr"])
            norm = torch.cat([p.grad.flatten() for p in pl_module.generator.parameters() if p.grad is not None]).norm()
            assert norm <= 1e-3 * (1 + 1e-4)

    gan, pipeline = made_gan(
        "optimizer.gradient_clip.generator=1e-3",
        "optimizer/learning_rate=linear_decay",
        "optimizer.learning_rate.start_kimg=0",
        "optimizer.learning_rate.end_kimg=0.064",
    )
    fit(gan, pipeline, 6, Watch())
    assert rates == pytest.approx([2e-4, 1.5e-4, 1e-4, 0.5e-4, 0, 0])


@QUIET
def test_bf16_and_channels_last_train_close_to_fp32() -> None:
    weights = []
    for settings in ([], ["task.memory_format=channels_last"]):
        gan, pipeline = made_gan(*settings)
        fit(gan, pipeline, 5)
        weights.append(torch.cat([value.detach().flatten() for value in gan.generator.parameters()]))
    torch.testing.assert_close(weights[0], weights[1], rtol=0, atol=1e-4)
    gan, pipeline = made_gan("loss=r1", "task.memory_format=channels_last")
    fit(gan, pipeline, 5, precision="bf16-mixed")
    assert all(value.dtype == torch.float32 and value.isfinite().all() for value in gan.parameters())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("loss", "passes", "compiled"),
    [("hinge", "separate", True), ("hinge", "joined", True), ("wgan_gp", "separate", False)],
)
def test_compiled_networks_train_alike_and_a_penalty_keeps_the_discriminator_out(
    loss: str, passes: str, compiled: bool
) -> None:
    weights = []
    for compile_ in (False, True):
        gan, pipeline = made_gan(
            f"loss={loss}", f"task.compile={compile_}", f"task.discriminator_pass={passes}", "model=dcgan"
        )
        assert (gan.discriminator._compiled_call_impl is not None) == (compiled and compile_)
        fit(gan, pipeline, 4)
        weights.append(torch.cat([value.detach().flatten() for value in gan.parameters()]))
    torch.testing.assert_close(weights[0], weights[1], rtol=0, atol=2e-3)
