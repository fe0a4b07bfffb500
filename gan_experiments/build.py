"""The composition root: from a checked config to an `Experiment`, whose parts are each built once and handed on."""

import copy
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.loggers import Logger
from torch import Tensor, nn

from gan_experiments.augment.discriminator import DiscriminatorAugment
from gan_experiments.augment.operations import Augmentation
from gan_experiments.callbacks.alarms import Alarms
from gan_experiments.callbacks.budget import BudgetCallback
from gan_experiments.callbacks.checkpoints import Checkpoints
from gan_experiments.callbacks.evaluation import Evaluation
from gan_experiments.callbacks.losses import Losses
from gan_experiments.callbacks.progress import ProgressBar
from gan_experiments.callbacks.samples import SampleGrids
from gan_experiments.callbacks.status import TrainingStatus
from gan_experiments.callbacks.streams import RandomStreams
from gan_experiments.config.checks import check_needs, trains_class_head
from gan_experiments.config.compose import DataParts, without_declared_facts
from gan_experiments.config.instantiate import check_arguments, instantiate
from gan_experiments.datasets.data import Data
from gan_experiments.datasets.loader import fits_in_memory
from gan_experiments.engine.datamodule import Feed
from gan_experiments.engine.gan import GAN
from gan_experiments.engine.module import TrainingModule
from gan_experiments.engine.optimization import NetworkOptimizer
from gan_experiments.engine.state import load_networks, restore
from gan_experiments.engine.supervised import fit_reconstructions
from gan_experiments.io import is_rank_zero
from gan_experiments.loggers.base import RunInfo
from gan_experiments.loggers.csv import LocalRecord
from gan_experiments.loggers.naming import run_name
from gan_experiments.losses.objective import Objective
from gan_experiments.metrics.base import Metric
from gan_experiments.metrics.class_head_accuracy import NO_CLASS_HEAD, UNTRAINED
from gan_experiments.metrics.extractors.base import Extractor
from gan_experiments.metrics.protocol import Protocol, RealImages, check_metrics
from gan_experiments.models.latents import build_latents
from gan_experiments.models.summary import LayerRow, layer_table
from gan_experiments.runs.manifest import Manifest
from gan_experiments.runs.run import BEST, Run
from gan_experiments.types import NetworkName, UserError

NETWORKS: tuple[NetworkName, ...] = ("generator", "discriminator")
Tables = dict[str, list[LayerRow]]
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Callbacks:
    """The callbacks of a run, in the order in which they act, and what they share.

    Random streams are set after all else that may draw at the start; a checkpoint holds what the others did before.
    """

    losses: Losses
    evaluation: Evaluation | None  # where something is measured
    alarms: Alarms
    samples: SampleGrids | None  # of a task with a generator
    budget: BudgetCallback
    progress: ProgressBar
    streams: RandomStreams
    checkpoints: Checkpoints
    status: TrainingStatus

    @property
    def in_order(self) -> list[Callback]:
        return [callback for callback in vars(self).values() if isinstance(callback, Callback)]


@dataclass
class Experiment:
    """Everything that a run consists of, put together and checked; nothing has been written yet."""

    config: DictConfig
    directory: Path
    module: TrainingModule
    tables: Tables  # the layers of each network
    data: Data
    protocol: Protocol | None  # None: nothing is measured
    datamodule: Feed
    callbacks: Callbacks
    local: LocalRecord
    loggers: list[Logger]
    trainer: pl.Trainer = field(init=False)

    def __post_init__(self) -> None:
        self.trainer = self.new_trainer()

    def new_trainer(self) -> pl.Trainer:
        """Build Lightning's Trainer; one is good for one `fit`."""
        trainer: pl.Trainer = instantiate(self.config.trainer, "trainer")(
            max_epochs=-1,
            logger=[self.local, *self.loggers],
            callbacks=self.callbacks.in_order,
            default_root_dir=str(self.directory),
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
        )
        if trainer.strategy.root_device.type == "cpu":  # set by Lightning; each step of Adam would ask for a GPU driver
            os.environ.pop("PYTORCH_NVML_BASED_CUDA_CHECK", None)
        return trainer

    @property
    def device(self) -> str:
        """The device in words, such as `1 × cpu (2 threads)`."""
        kind = self.trainer.strategy.root_device.type
        threads = f" ({torch.get_num_threads()} threads)" if kind == "cpu" else ""
        return f"{self.trainer.num_devices} × {kind}{threads}"

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go to where a checkpoint was made; rows of metrics.csv that came later are removed."""
        restore(self.module, self.callbacks.in_order, state)
        if is_rank_zero():
            evaluated = state.get("callback evaluation", {"last_row": 0})["last_row"]
            self.local.cut_back(evaluated, self.callbacks.status.last_row)

    def roll_back(self, state: dict[str, Any]) -> None:
        """Go back to a checkpoint and on from there with other random streams."""
        rollbacks = self.module.clock.rollbacks + 1
        alarms = list(self.callbacks.alarms.history)
        self.load_state_dict(state)
        self.module.clock.rollbacks = rollbacks
        self.callbacks.alarms.history[:] = alarms
        self.callbacks.status.is_rolled_back = True
        self.trainer = self.new_trainer()

    def fit(self) -> None:
        """Train until the budget is spent, a signal stops it or a callback raises."""
        self.trainer.fit(self.module, datamodule=self.datamodule)


def build(
    config: DictConfig, directory: Path, manifest: Manifest, parts: DataParts | None = None, is_new: bool = True
) -> Experiment:
    """Build the parts of a run, cheap ones first: data are opened when all that can be known before is right.

    `parts` were built to check the config; `init_from` counts where the run `is_new`.

    Raises:
        UserError: a constructor refuses its arguments, parts do not fit each other, or data are missing.
    """
    check_arguments(without_declared_facts(config))
    check_needs(config)
    module, tables = build_module(config)
    if is_new and config.init_from is not None:
        _take_weights(module, config.init_from)
    augmentations = build_augmentations(config)
    measures = build_measures(config)
    check_best(config, measures)
    alarms = instantiate(config.alarms, "alarms") or {}
    data = Data(config, fit_reconstructions, parts)
    module.batches_per_epoch = len(data.training) // config.batch_size
    protocol = build_protocol(config, data, measures, augmentations)
    datamodule = Feed(
        data.training,
        batch_size=config.batch_size,
        seed=config.seed,
        value_range=config.model.value_range,
        augmentations=augmentations,
        in_memory=fits_in_memory(data.training, config.data.in_memory_gib),
        num_workers=config.data.num_workers,
    )
    callbacks = _build_callbacks(config, directory, module, data, protocol, alarms)
    local = LocalRecord(directory / "metrics.csv")
    loggers = build_loggers(config, directory, manifest)
    return Experiment(config, directory, module, tables, data, protocol, datamodule, callbacks, local, loggers)


def build_module(config: DictConfig) -> tuple[TrainingModule, Tables]:
    """Build the task's module with the run's seed; also return the layer table of each network that it trains.

    `batches_per_epoch` of the module is to be set when the data are known.
    """
    if config.trainer.get("accelerator") in ("gpu", "cuda") and torch.cuda.device_count() == 0:
        raise UserError(
            f"trainer.accelerator={config.trainer.accelerator}: PyTorch finds no GPU here. Write trainer=cpu."
        )
    pl.seed_everything(config.seed, verbose=False)
    unused = config.task.get("unused") or []
    networks: dict[str, nn.Module] = {
        name: instantiate(config.model[name], f"model.{name}") for name in NETWORKS if f"model.{name}" not in unused
    }
    tables = _try_networks(config, networks)
    initialization = instantiate(config.model.initialization, "model.initialization")
    for network in networks.values():
        initialization(network)
    optimizer = instantiate(config.optimizer, "optimizer")
    optimizers = {}
    for name, network in networks.items():
        try:
            optimizers[name] = NetworkOptimizer(
                network,
                optimizer[name],
                learning_rate=optimizer["learning_rate"],
                gradient_clip=optimizer["gradient_clip"][name],
            )
        except (TypeError, ValueError) as error:
            raise UserError(f"optimizer.{name} cannot be made: {error}. Write other values below it.") from error
    arguments: dict[str, Any] = {**networks, "optimizers": optimizers, "batch_size": config.batch_size}
    if "loss" not in unused:
        shown = build_augmentations(config, "discriminator_augment")
        arguments |= {
            "objective": _build_objective(config),
            "schedule": instantiate(config.schedule, "schedule"),
            "latents": build_latents(config.model),
            "augment": DiscriminatorAugment(shown, config.model.value_range) if shown else None,
        }
    module: TrainingModule = instantiate(without_declared_facts(config).task, "task")(**arguments)
    return module, tables


def _try_networks(config: DictConfig, networks: Mapping[str, nn.Module]) -> Tables:
    """Run copies of the networks on the meta device: shapes only, hardly any memory, no random numbers."""
    data, size = config.dataset, config.dataset.image_size
    expected = (2, data.channels, size, size)
    labels = torch.zeros(2, dtype=torch.int64, device="meta")
    tables: Tables = {}
    if "generator" in networks:
        latents = torch.zeros(2, config.model.latent_dim, device="meta")
        images, tables["generator"] = _try_network(config, "generator", networks["generator"], latents, labels)
        if images.shape != expected:
            raise UserError(
                f"model.generator gives images of shape {tuple(images.shape[1:])}, but dataset {data.name!r} has "
                f"{expected[1:]}. Choose a model for these images, such as model=dcgan."
            )
    images = torch.zeros(expected, device="meta")
    output, tables["discriminator"] = _try_network(config, "discriminator", networks["discriminator"], images, labels)
    has_logits = output.class_logits is not None
    if output.scores.shape != (2,) or has_logits != bool(config.model.class_head):
        raise UserError(
            f"model.discriminator gives scores of shape {tuple(output.scores.shape)} for 2 images, "
            f"{'with' if has_logits else 'without'} class logits; expected is shape (2,), and the yaml declares "
            f"model.class_head: {str(bool(config.model.class_head)).lower()}."
        )
    return tables


def _try_network(config: DictConfig, name: str, network: nn.Module, *inputs: Tensor) -> tuple[Any, list[LayerRow]]:
    try:
        return layer_table(copy.deepcopy(network).to("meta").eval(), *inputs)
    except (RuntimeError, ValueError, IndexError) as error:
        raise UserError(
            f"model.{name} of model {config.model.name!r} cannot take input of shape {tuple(inputs[0].shape)} "
            f"(dataset {config.dataset.name!r}): {error}"
        ) from error


def _build_objective(config: DictConfig) -> Objective:
    objective = Objective(instantiate(without_declared_facts(config).loss, "loss"))
    trains_classes = any("class_head" in term.needs for term in objective.terms.values())
    ignores_classes = config.model.discriminator.get("condition", "its own") is None and not trains_classes
    if config.model.conditional and ignores_classes:
        log.warning(
            "The generator is given classes, but neither the loss nor the discriminator looks at them: samples will "
            "not follow their labels. Add +loss/term=auxiliary_class, or choose model=dcgan_projection or model=dcgan."
        )
    return objective


def _take_weights(module: TrainingModule, init_from: str) -> None:
    """Load the weights of another run's newest checkpoint."""
    path, state = Run.open(init_from, f"init_from={init_from}").last_checkpoint()
    try:
        load_networks(module, state["networks"])
    except UserError as error:
        raise UserError(f"init_from={init_from}: {error}. Choose the model of that run.") from error
    log.info("Weights taken from %s", path)


def build_augmentations(config: DictConfig, group: str = "augment") -> dict[str, Augmentation]:
    """Build the augmentations of the data, or those of another group, and try them on an image."""
    images = torch.zeros(2, config.dataset.channels, config.dataset.image_size, config.dataset.image_size)
    augmentations: dict[str, Augmentation] = instantiate(config[group], group) or {}
    for name, augmentation in augmentations.items():
        try:
            augmentation(images, torch.Generator())
        except (RuntimeError, ValueError) as error:
            raise UserError(f"{group}.{name} does not fit images of {tuple(images.shape[1:])}: {error}") from error
    return augmentations


@dataclass(frozen=True)
class Measures:
    """What is measured, and by which extractors."""

    extractors: dict[str, Extractor]
    metrics: dict[str, Metric]


def build_measures(config: DictConfig) -> Measures:
    """Build extractors and metrics, so that what cannot be measured is known before data are opened."""
    extractors = build_extractors(config)
    metrics: dict[str, Metric] = instantiate(config.evaluation.metrics, "evaluation.metrics") or {}
    check_metrics(extractors, metrics, config.evaluation.num_samples)
    if not extractors:
        metrics = {name: metric for name, metric in metrics.items() if "extractor" not in metric.depends_on}
    return Measures(extractors, metrics)


def check_best(config: DictConfig, measures: Measures) -> None:
    """Raise `UserError` if `evaluation.best` is no value of the metrics."""
    names = [spec.name for metric in measures.metrics.values() for spec in metric.specs]
    best = config.evaluation.best
    if best is not None and names and best not in names:
        raise UserError(f"evaluation.best={best} is no value of the chosen metrics: write one of {names}.")


def build_extractors(config: DictConfig) -> dict[str, Extractor]:
    """Build the extractors, so that missing weights are found out before data are opened."""
    with torch.random.fork_rng(devices=[]):  # a network draws its first weights, and training must not notice
        extractors: dict[str, Extractor] = instantiate(config.evaluation.extractors, "evaluation.extractors") or {}
    for name, extractor in extractors.items():
        if not isinstance(extractor, Extractor):
            raise UserError(
                f"evaluation.extractors.{name} is a {type(extractor).__name__}, no extractor: name it as the module of "
                "gan_experiments.metrics.extractors.module.ModuleExtractor."
            )
    return extractors


def build_protocol(
    config: DictConfig, data: Data, measures: Measures, augmentations: Mapping[str, Augmentation]
) -> Protocol | None:
    """Build the protocol, fitting extractors that need it; None where nothing is measured."""
    if not measures.metrics:
        return None
    cache_dir = Path(config.cache_dir)
    for extractor in measures.extractors.values():
        if extractor.needs_fit:
            extractor.fit(data.whole, data.test, cache_dir)
    held_out = data.held_out
    return Protocol(
        extractors=measures.extractors,
        metrics=measures.metrics,
        real=RealImages(config.dataset.name, list(config.dataset.class_names), data.reference, data.training, held_out),
        num_samples=config.evaluation.num_samples,
        latents=build_latents(config.model),
        value_range=list(config.model.value_range),
        conditional=config.model.conditional,
        weights="raw" if OmegaConf.select(config, "task.ema.half_life_kimg") is None else "EMA",
        cache_dir=cache_dir,
        augmentations=augmentations,
        no_class_head=why_no_class_head(config),
    )


def why_no_class_head(config: DictConfig) -> str:
    """Return why the discriminator's class head cannot be asked; an empty string where it was trained.

    Weights of another run may hold one that was trained there.
    """
    if not config.model.class_head:
        return NO_CLASS_HEAD
    return "" if trains_class_head(config) or config.init_from is not None else UNTRAINED


def _build_callbacks(
    config: DictConfig,
    directory: Path,
    module: TrainingModule,
    data: Data,
    protocol: Protocol | None,
    alarm_parts: Mapping[str, Any],
) -> Callbacks:
    status = TrainingStatus(config.log_every_iterations)
    checkpoint_dir = directory / "checkpoints"
    budget = BudgetCallback(module, config.budget)
    evaluation = samples = None
    if protocol is not None:
        settings = config.evaluation
        evaluation = Evaluation(
            module,
            protocol,
            settings.every_kimg,
            settings.best,
            settings.patience_kimg,
            best_checkpoint=checkpoint_dir / BEST,
            status=status,
        )
    if isinstance(module, GAN):
        samples = SampleGrids(
            gan=module,
            directory=directory / "samples",
            every_kimg=config.sample_every_kimg,
            real=data.training,
            conditional=config.model.conditional,
            by_class=config.samples_by_class,
            value_range=config.model.value_range,
            seed=config.seed,
        )
    return Callbacks(
        losses=Losses(module, status),
        evaluation=evaluation,
        alarms=Alarms(module, alarm_parts, status),
        samples=samples,
        budget=budget,
        progress=ProgressBar(budget, status),
        streams=RandomStreams(module, config.seed, status),
        checkpoints=Checkpoints(module, checkpoint_dir, config.checkpoint_every_kimg, config.keep_checkpoints, status),
        status=status,
    )


def build_loggers(config: DictConfig, directory: Path, manifest: Manifest) -> list[Logger]:
    """Build the loggers; those that are partial get the run's facts. The manifest keeps the identities they give it."""
    choices = manifest.choices
    if HydraConfig.initialized() and HydraConfig.get().mode is RunMode.MULTIRUN:
        manifest.sweep = manifest.sweep or Path(HydraConfig.get().sweep.dir).name
    about = RunInfo(
        directory=directory,
        name=config.name or run_name(choices, manifest.overrides, config.seed),
        group=manifest.sweep or str(choices.get("experiment") or choices.get("dataset")),
        config={**manifest.config, "choices": choices},
        tags=list(config.tags),
        notes=config.notes,
        run_ids=manifest.tracker_ids,
    )
    loggers = (instantiate(config.logger, "logger") or {}).values()
    return [logger(about=about) if callable(logger) else logger for logger in loggers]
