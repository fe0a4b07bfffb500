"""The keys of a config: the root's for Hydra, and what the yaml of each group states.

Imports neither torch nor Lightning, so that `--help`, `--cfg job` and a typing mistake answer at once.
"""

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from omegaconf import MISSING
from pydantic import BaseModel, ConfigDict, Field, PlainValidator, PositiveInt, Strict
from pydantic_core import PydanticCustomError

FURTHER_GROUPS = ("experiment", "loss/term", "optimizer/learning_rate", "evaluation/metric")
"""Groups that are no root keys."""


@dataclass
class Budget:
    """How long to train; exactly one is given."""

    epochs: float | None = None
    kimg: float | None = None
    generator_steps: int | None = None


@dataclass
class DataKnobs:
    """How a data set is held, whichever it is."""

    in_memory_gib: float = 4.0
    num_workers: int = 2


@dataclass
class Root:
    """Every key that may stand at the top level of a config; a misspelt one stops at composition."""

    seed: int = 0
    data_dir: str = "${oc.env:GAN_EXPERIMENTS_DATA,'~/.cache/gan_experiments'}"
    cache_dir: str = "${oc.env:GAN_EXPERIMENTS_CACHE,'~/.cache/gan_experiments/cache'}"
    code_dirs: list[str] = field(default_factory=lambda: ["."])
    name: str | None = None
    notes: str = ""
    tags: list[str] = field(default_factory=list)
    resume: str | None = None
    allow_changes: list[str] = field(default_factory=list)
    init_from: str | None = None
    batch_size: int = MISSING
    budget: Budget = field(default_factory=Budget)
    data: DataKnobs = field(default_factory=DataKnobs)
    ema_half_life_kimg: float | None = None
    log_every_iterations: int = MISSING
    sample_every_kimg: float | None = None
    samples_by_class: str = MISSING
    checkpoint_every_kimg: float = MISSING
    keep_checkpoints: int = MISSING
    report: bool = True
    task: Any = MISSING
    dataset: Any = MISSING
    regime: Any = MISSING
    model: Any = MISSING
    loss: Any = MISSING
    schedule: Any = MISSING
    optimizer: Any = MISSING
    augment: Any = MISSING
    discriminator_augment: Any = field(default_factory=dict)
    evaluation: Any = MISSING
    alarms: Any = MISSING
    logger: Any = MISSING
    trainer: Any = MISSING


def _check_target(part: Any) -> Any:
    if not isinstance(part, dict) or "_target_" not in part:
        raise PydanticCustomError("no_target", "names no _target_")
    return part


Part = Annotated[Any, PlainValidator(_check_target)]
Above0 = Annotated[float, Field(gt=0)]


class Values(BaseModel):
    """Values of one node of the config. They come from yaml, so a string is never taken for a number."""

    model_config = ConfigDict(strict=True, extra="forbid", protected_namespaces=())


class RootValues(Values):
    """The values at the root that have bounds; Hydra knows all their names and types."""

    model_config = ConfigDict(extra="ignore")

    seed: Annotated[int, Field(ge=0, lt=2**32)]
    batch_size: PositiveInt
    ema_half_life_kimg: Above0 | None
    log_every_iterations: PositiveInt
    sample_every_kimg: Above0 | None
    samples_by_class: Literal["rows", "columns"]
    checkpoint_every_kimg: Above0
    keep_checkpoints: PositiveInt


class BudgetValues(Values):
    """`budget`."""

    epochs: Above0 | None
    kimg: Above0 | None
    generator_steps: PositiveInt | None


class ModelValues(Values):
    """`model`: two networks, and the facts that other parts rely on."""

    name: str
    value_range: Annotated[tuple[float, float], Strict(False)]
    output: Literal["sigmoid", "tanh", "linear"]
    conditional: bool
    class_head: bool
    latent_dim: PositiveInt
    initialization: Part
    generator: Part
    discriminator: Part
    latents: Part | None = None


class DatasetValues(Values):
    """`dataset`: where the images come from, and what is known of them."""

    name: str
    image_size: PositiveInt
    channels: PositiveInt
    num_classes: Annotated[int, Field(ge=0)]
    class_names: list[str]
    num_train: PositiveInt
    num_test: Annotated[int, Field(ge=0)]
    source: Part
    path: str | None = None


class EvaluationValues(Values):
    """`evaluation`: what is measured, how often and how."""

    extractors: dict[str, Any]
    metrics: dict[str, Any]
    every_kimg: Above0 | None
    num_samples: PositiveInt
    num_seeds: PositiveInt
    best: str | None
    patience_kimg: Above0 | None


class OptimizerValues(Values):
    """`optimizer`: one for each network."""

    discriminator: Part
    generator: Part
    learning_rate: Part
    gradient_clip: dict[Literal["discriminator", "generator"], float | None]


GROUPS: dict[str, type[Values]] = {
    "": RootValues,
    "budget": BudgetValues,
    "model": ModelValues,
    "dataset": DatasetValues,
    "evaluation": EvaluationValues,
    "optimizer": OptimizerValues,
}
"""What the root and these groups hold."""
MERGED_GROUPS = (
    "regime", "loss", "augment", "discriminator_augment", "logger", "alarms", "evaluation.extractors",
    "evaluation.metrics",
)  # fmt: skip
"""Groups whose options add up: a mapping from names to parts."""
TASK_FACTS = ("needs", "unused", "min_classes")
"""What a task's yaml declares: facts that the model must have, keys it has no use for, how many classes it needs."""
