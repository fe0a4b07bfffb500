"""Which short runs are trained: a table of Hydra overrides, and pairs of runs that must give the same result.

`{data}` stands for the directory of the data sets that `runner.write_data` makes of scikit-learn's digits.
"""

from dataclasses import dataclass

COMMON = (
    "dataset=digits",
    "batch_size=16",
    "budget.epochs=null",
    "budget.kimg=0.8",
    "log_every_iterations=5",
    "sample_every_kimg=null",
    "checkpoint_every_kimg=0.4",
    "evaluation=none",
    "alarms=none",
    "trainer=cpu",
    "report=false",
)
"""Fifty iterations; what is not part of a case costs no time."""
SMALL = ("model.generator.base_width=8", "model.discriminator.base_width=8")
ENLARGED = ("dataset=npz", "dataset.path={data}/digits_16.npz")
"""At 16 pixels a DCGAN's discriminator has a normalised layer; at 8 pixels it has none."""


@dataclass(frozen=True)
class Case:
    """A run to be trained by `python -m gan_experiments *overrides`."""

    name: str
    overrides: tuple[str, ...]
    stop_at_row: int | None = None
    """SIGTERM is sent once metrics.csv has so many rows, and the run is resumed; None: it is left alone."""
    tolerance: float = 0.02
    """Relative, of losses and metrics on other machines."""


@dataclass(frozen=True)
class Equality:
    """A case and the same case with further overrides, which must change no bit of the result."""

    name: str
    case: str
    further: tuple[str, ...] = ()
    stop_at_row: int | None = None


CASES = (
    Case(
        "acgan_projection",
        (
            *COMMON,
            *SMALL,
            *ENLARGED,
            "model=dcgan_projection",
            "model.class_head=true",
            "model.discriminator.num_classes=10",
            "model.discriminator.norm=spectral",
            "loss=acgan",
            "ema_half_life_kimg=0.5",
        ),
    ),
    Case(
        "wgan_gp_lazy_r1",
        (
            *COMMON,
            *SMALL,
            *ENLARGED,
            "model=dcgan_concat",
            "model.discriminator.norm=layer",
            "model.discriminator.dropout=0.3",
            "loss=wgan_gp",
            "+loss/term=r1",
            "loss.r1.weight=0.5",
            "loss.r1.every=4",
            "schedule.discriminator=2",
            "optimizer=adam_wgan_gp",
            "augment=[flip,crop]",
            "ema_half_life_kimg=0.2",
            "seed=1",
        ),
    ),
    Case(
        "threshold_shared_fakes",
        (
            *COMMON,
            *SMALL,
            *ENLARGED,
            "model=dcgan_onehot",
            "model.discriminator.norm=batch",
            "model.discriminator.dropout=0.2",
            "loss=acgan_random",
            "schedule=loss_threshold",
            "schedule.discriminator_above=3.45",
            "schedule.generator_above=3.0",
            "schedule.measure_every=3",
            "task.fakes=shared",
            "optimizer=ttur",
            "budget.kimg=1.6",
            "checkpoint_every_kimg=0.16",
            "log_every_iterations=4",
        ),
        stop_at_row=4,
    ),
    Case(
        "report_c_joined",
        (
            *COMMON,
            "dataset=npz",
            "dataset.path={data}/digits_28.npz",
            "regime=first_n",
            "regime.first_n.num_images=160",
            "model=report_c_dense",
            "loss=non_saturating_in_range",
            "schedule=alternate_epochs",
            "task.frozen_batch_norm=running",
            "task.discriminator_pass=joined",
            "optimizer.discriminator.lr=2e-4",
            "optimizer.generator.lr=2e-4",
            "optimizer.discriminator.betas=[0.9,0.999]",
            "optimizer.generator.betas=[0.9,0.999]",
            "+optimizer.discriminator.eps=1e-7",
            "+optimizer.generator.eps=1e-7",
            "ema_half_life_kimg=null",
            "budget.kimg=0.64",
        ),
        tolerance=0.05,
    ),
    Case(
        "relativistic_joined",
        (
            *COMMON,
            *SMALL,
            *ENLARGED,
            "model=dcgan",
            "loss=relativistic_r1_r2",
            "task.discriminator_pass=joined",
            "schedule.generator=2",
            "augment=[resized_crop]",
        ),
    ),
    Case(
        "classifier",
        (
            *COMMON,
            "task=classifier",
            "model=dcgan_class_head",
            "model.discriminator.base_width=8",
            "augment=[jitter]",
            "evaluation=class_head",
            "evaluation.every_kimg=0.4",
            "evaluation.metrics.class_head_accuracy.num_images=200",
            "evaluation.best=class_head_accuracy",
        ),
    ),
    Case(
        "regime_chain",
        (
            *COMMON,
            *SMALL,
            "regime=[classes,first_n,label_noise,noise]",
            "regime.classes.keep=[1,3,8]",
            "regime.first_n.num_images=300",
            "regime.label_noise.share=0.3",
            "model=dcgan_embedding",
            "loss=wasserstein",
            "schedule.discriminator=3",
            "optimizer=rmsprop",
            "optimizer.discriminator.lr=1e-3",
            "optimizer.generator.lr=1e-3",
            "loss.weight_clipping.limit=0.05",
        ),
    ),
    Case(
        "evaluated",
        (
            *COMMON,
            "batch_size=32",
            "budget.kimg=3.2",
            "checkpoint_every_kimg=1",
            "model=dcgan_onehot",
            "model.generator.base_width=32",
            "model.discriminator.base_width=32",
            "loss=acgan_real",
            "evaluation=standard",
            "evaluation.every_kimg=1",
            "evaluation.num_samples=300",
            "evaluation.metrics.kid.subset_size=100",
            "evaluation.metrics.kid.subsets=10",
            "evaluation.best=fid",
            "alarms=standard",
            "sample_every_kimg=1",
            "optimizer/learning_rate=cosine",
            "optimizer.learning_rate.start_kimg=0.5",
            "optimizer.learning_rate.end_kimg=3",
            "optimizer.learning_rate.final=0.1",
            "optimizer.gradient_clip.discriminator=2",
            "optimizer.gradient_clip.generator=1",
            "optimizer.discriminator.lr=2e-3",
            "optimizer.generator.lr=5e-3",
            "task.memory_format=channels_last",
        ),
        tolerance=0.05,
    ),
    Case(
        "smooth_autoencoder_bf16",
        (
            *COMMON,
            *SMALL,
            "regime=autoencoder",
            "regime.autoencoder.num_layers=1",
            "regime.autoencoder.epochs=1",
            "model=dcgan",
            "loss=non_saturating_smooth",
            "trainer.precision=bf16-mixed",
        ),
        tolerance=0.05,
    ),
)

EQUALITIES = (
    Equality(
        "defaults_spelled_out",
        "acgan_projection",
        (
            "loss.auxiliary_class.every=1",
            "loss.auxiliary_class.fake_labels=given",
            "schedule.discriminator=1",
            "schedule.generator=1",
            "task.fakes=fresh",
            "task.discriminator_pass=separate",
            "task.frozen_batch_norm=batch",
            "optimizer.gradient_clip.generator=null",
            "regime=none",
            "augment=none",
        ),
    ),
    Equality("stopped_or_not", "threshold_shared_fakes"),
    Equality("read_by_a_worker", "wgan_gp_lazy_r1", ("data.in_memory_gib=0", "data.num_workers=1")),
    Equality("decay_not_begun", "relativistic_joined", ("optimizer/learning_rate=linear_decay",)),
    Equality("digits_from_a_file", "classifier", ("dataset=npz", "dataset.path={data}/digits_8.npz")),
    Equality(
        "regimes_that_keep_all",
        "classifier",
        (
            "regime=[classes,first_n]",
            "regime.classes.keep=[0,1,2,3,4,5,6,7,8,9]",
            "regime.first_n.num_images=1500",
        ),
    ),
)
