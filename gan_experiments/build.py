"""The composition root: from a checked config to what trains and measures."""

import copy
import json
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.loggers import Logger
from safetensors.torch import save
from torch import Tensor, nn

from gan_experiments.callbacks.alarms.base import Alarms
from gan_experiments.callbacks.budget import BudgetCallback
from gan_experiments.callbacks.checkpoints import Checkpoints
from gan_experiments.callbacks.evaluation import Evaluation
from gan_experiments.callbacks.progress import Progress
from gan_experiments.callbacks.record import Record
from gan_experiments.callbacks.samples import Samples
from gan_experiments.callbacks.streams import RandomStreams
from gan_experiments.config.instantiate import instantiate
from gan_experiments.config.schema import count_training_images, trains_class_head, without_task_facts
from gan_experiments.datasets.base import TensorImageSet
from gan_experiments.datasets.loader import fits_in_memory
from gan_experiments.engine.autoencoder import AutoencoderRecipe, fit_autoencoder, reconstruct
from gan_experiments.engine.classifier_fit import fit_classifier
from gan_experiments.engine.datamodule import Feed
from gan_experiments.engine.gan import GAN
from gan_experiments.engine.module import Optimization, TrainingModule
from gan_experiments.io import is_first_process
from gan_experiments.loggers.base import About, hooks
from gan_experiments.loggers.csv import LocalRecord
from gan_experiments.loggers.naming import run_name
from gan_experiments.losses.objective import Objective
from gan_experiments.metrics.base import Measure, Metric
from gan_experiments.metrics.class_head_accuracy import NO_CLASS_HEAD, UNTRAINED
from gan_experiments.metrics.extractors.base import Extractor
from gan_experiments.metrics.extractors.classifier import ClassifierExtractor
from gan_experiments.metrics.protocol import Protocol, RealImages, check_measures
from gan_experiments.models.autoencoder import AutoencoderNetwork
from gan_experiments.models.latents import build_latents
from gan_experiments.models.small_cnn import SmallCNN
from gan_experiments.models.summary import LayerRow, layer_table
from gan_experiments.rng import stream_seed
from gan_experiments.runs.checkpoints import load_checkpoint
from gan_experiments.runs.load import own_weights
from gan_experiments.sampling.images import save_grid
from gan_experiments.types import ImageSet, ImageSource, NetworkName, Reconstructions, Regime, UserError, Workshop

NETWORKS: tuple[NetworkName, ...] = ("generator", "discriminator")
log = logging.getLogger(__name__)


def assemble(cfg: DictConfig) -> tuple[TrainingModule, dict[str, list[LayerRow]]]:
    """Build the task's module with the run's seed; also give the layer table of each network that it trains.

    Raises:
        UserError: a constructor refuses its arguments, or the networks do not fit the data or each other.
    """
    if cfg.trainer.get("accelerator") in ("gpu", "cuda") and torch.cuda.device_count() == 0:
        raise UserError(f"trainer.accelerator={cfg.trainer.accelerator}: PyTorch finds no GPU here. Write trainer=cpu.")
    pl.seed_everything(cfg.seed, verbose=False)
    unused = cfg.task.get("unused") or []
    networks: dict[str, nn.Module] = {
        name: instantiate(cfg.model[name], f"model.{name}") for name in NETWORKS if f"model.{name}" not in unused
    }
    tables = _try_networks(cfg, networks)
    _try_augmentations(cfg)
    initialization = instantiate(cfg.model.initialization, "model.initialization")
    optimizer = instantiate(cfg.optimizer, "optimizer")
    for name, network in networks.items():
        initialization(network)
        try:
            optimizer[name](network.parameters())
        except (TypeError, ValueError) as error:
            raise UserError(f"optimizer.{name} cannot be made: {error}. Write other values below it.") from error
    optimization = Optimization(
        optimizers={name: optimizer[name] for name in NETWORKS if name in networks},
        learning_rate=optimizer["learning_rate"],
        gradient_clip=optimizer["gradient_clip"],
        batch_size=cfg.batch_size,
        batches_per_epoch=count_training_images(cfg) // cfg.batch_size,
    )
    if "loss" in unused:
        return _task(cfg, networks, optimization), tables
    facts = {"latents": build_latents(cfg.model), "ema_half_life_kimg": cfg.ema_half_life_kimg}
    schedule = instantiate(cfg.schedule, "schedule")
    return _task(cfg, networks, optimization, objective=_objective(cfg), schedule=schedule, **facts), tables


def _task(cfg: DictConfig, networks: Mapping[str, nn.Module], optimization: Optimization, **own: Any) -> TrainingModule:
    module: TrainingModule = instantiate(without_task_facts(cfg).task, "task")(
        **networks, optimization=optimization, **own
    )
    return module


def _objective(cfg: DictConfig) -> Objective:
    objective = Objective(instantiate(cfg.loss, "loss"))
    told = any("class_head" in term.needs for term in objective.terms.values())
    if cfg.model.conditional and not told and cfg.model.discriminator.get("condition", "its own") is None:
        log.warning(
            "The generator is told classes, but neither the loss nor the discriminator looks at them: samples will not "
            "follow their labels. Add +loss/term=auxiliary_class, or choose model=dcgan_projection or model=dcgan."
        )
    return objective


def _try_augmentations(cfg: DictConfig) -> None:
    images = torch.zeros(2, cfg.dataset.channels, cfg.dataset.image_size, cfg.dataset.image_size)
    for name, augmentation in (instantiate(cfg.augment, "augment") or {}).items():
        try:
            augmentation(images, torch.Generator())
        except (RuntimeError, ValueError) as error:
            raise UserError(f"augment.{name} does not fit images of {tuple(images.shape[1:])}: {error}") from error


def _try_networks(cfg: DictConfig, networks: Mapping[str, nn.Module]) -> dict[str, list[LayerRow]]:
    """Run copies of the networks on the meta device: shapes only, hardly any memory, no random numbers."""
    data, size = cfg.dataset, cfg.dataset.image_size
    expected = (2, data.channels, size, size)
    labels = torch.zeros(2, dtype=torch.int64, device="meta")
    rows: dict[str, list[LayerRow]] = {}
    if "generator" in networks:
        latents = torch.zeros(2, cfg.model.latent_dim, device="meta")
        made, rows["generator"] = _try_network(cfg, "generator", networks["generator"], latents, labels)
        if made.shape != expected:
            raise UserError(
                f"model.generator gives images of shape {tuple(made.shape[1:])}, but dataset {data.name!r} has "
                f"{expected[1:]}. Choose a model for these images, such as model=dcgan."
            )
    images = torch.zeros(expected, device="meta")
    judged, rows["discriminator"] = _try_network(cfg, "discriminator", networks["discriminator"], images, labels)
    has_logits = judged.class_logits is not None
    if judged.scores.shape != (2,) or has_logits != bool(cfg.model.class_head):
        raise UserError(
            f"model.discriminator gives scores of shape {tuple(judged.scores.shape)} for 2 images, "
            f"{'with' if has_logits else 'without'} class logits; expected is shape (2,), and the yaml declares "
            f"model.class_head: {str(bool(cfg.model.class_head)).lower()}."
        )
    return rows


def _try_network(cfg: DictConfig, name: str, network: nn.Module, *inputs: torch.Tensor) -> tuple[Any, list[LayerRow]]:
    probe = copy.deepcopy(network).to("meta").eval()
    try:
        return layer_table(probe, *inputs)
    except (RuntimeError, ValueError, IndexError) as error:
        raise UserError(
            f"model.{name} of model {cfg.model.name!r} cannot take input of shape {tuple(inputs[0].shape)} "
            f"(dataset {cfg.dataset.name!r}): {error}"
        ) from error


log = logging.getLogger(__name__)


def build_extractors(cfg: DictConfig) -> dict[str, Extractor]:
    """Build the extractors, so that missing weights are found out before data are fetched.

    Raises:
        UserError: weights are missing, or not those that are named.
    """
    with torch.random.fork_rng(devices=[]):  # a network draws its first weights, and training must not notice
        found: dict[str, Extractor] = instantiate(cfg.evaluation.extractors, "evaluation.extractors") or {}
    for name, extractor in found.items():
        if not isinstance(extractor, Extractor):
            raise UserError(
                f"evaluation.extractors.{name} is a {type(extractor).__name__}, no extractor: name it as the module of "
                "gan_experiments.metrics.extractors.module.ModuleExtractor."
            )
    return found


def check_evaluation(cfg: DictConfig, extractors: dict[str, Extractor]) -> None:
    """Find out before data are fetched what cannot be measured.

    Raises:
        UserError: two extractors of one name, too few samples for a metric, or `evaluation.best` names no value.
    """
    metrics: dict[str, Measure] = instantiate(cfg.evaluation.metrics, "evaluation.metrics") or {}
    check_measures(extractors, metrics, cfg.evaluation.num_samples)
    if not extractors:
        metrics = {name: metric for name, metric in metrics.items() if not isinstance(metric, Metric)}
    names = [name for metric in metrics.values() for name in metric.names]
    if cfg.evaluation.best is not None and metrics and cfg.evaluation.best not in names:
        raise UserError(
            f"evaluation.best={cfg.evaluation.best} is no value of the chosen metrics: write one of {names}."
        )


@dataclass(frozen=True)
class TrainingImages:
    """The training split, what the regime makes of it, and what is known of that."""

    whole: ImageSet  # with the true labels
    used: ImageSet  # trained on; the same object where the regime leaves all as it is
    facts: dict[str, Any]  # for the manifest, such as the error of an autoencoder
    pictures: dict[str, Tensor]  # by file name: rows of ten images, uint8, N×C×H×W

    def save_pictures(self, directory: Path) -> None:
        """Write the pictures into a run's directory."""
        for name, pixels in self.pictures.items():
            save_grid(pixels, 10, directory / name)


def open_training_images(cfg: DictConfig) -> tuple[ImageSet, ImageSet]:
    """Return `whole` and `used` of `prepare_training_images`."""
    images = prepare_training_images(cfg)
    return images.whole, images.used


def prepare_training_images(cfg: DictConfig) -> TrainingImages:
    """Open the training split, train on it what the regime must train first, and apply the regime.

    Raises:
        UserError: data are missing or not as many as stated, the regime asks for what they have not, or leaves too few
            for a batch, or of too few classes for the task.
    """
    source: ImageSource = instantiate(cfg.dataset.source, "dataset.source")
    whole = source.open("train")
    if len(whole) != cfg.dataset.num_train:
        raise UserError(
            f"dataset.num_train={cfg.dataset.num_train}, but dataset {cfg.dataset.name!r} gives {len(whole)} training "
            f"images. Write dataset.num_train={len(whole)}, or null to have it filled in."
        )
    regime: Regime = instantiate(cfg.regime, "regime")
    facts: dict[str, Any] = {}
    pictures: dict[str, Tensor] = {}
    if regime.needs_fit:
        held_out = regime.reference(source.open("test")) if cfg.dataset.num_test else None
        workshop = Workshop(reconstruct_images, Path(cfg.cache_dir), held_out or None, facts, pictures)
        regime = regime.fit(whole, workshop)
    used = regime.apply(whole)
    if len(used) < cfg.batch_size:
        raise UserError(
            f"batch_size={cfg.batch_size} is larger than what the regime leaves of dataset {cfg.dataset.name!r}: "
            f"{len(used)} training images. Write batch_size={len(used)} or less."
        )
    classes, least = len(set(used.labels.tolist())), cfg.task.get("min_classes") or 0
    if classes < least:
        raise UserError(
            f"this task learns to tell classes apart and needs {least}, but what the regime leaves of dataset "
            f"{cfg.dataset.name!r} shows {classes} ({len(used)} of {len(whole)} images). Leave more images, or take "
            f"regime=first_n_per_class."
        )
    return TrainingImages(whole, used, facts, pictures)


def prepare_protocol(
    cfg: DictConfig, extractors: dict[str, Extractor], whole: ImageSet, training: ImageSet
) -> Protocol | None:
    """Make the protocol of a config, training on the data what must be trained first; None where nothing is measured.

    Args:
        cfg: the resolved config.
        extractors: from `build_extractors`.
        whole: the training split, whose labels are true: extractors are trained on all its classes.
        training: what the regime makes of it; the same object where it leaves it as it is.

    Raises:
        UserError: data are missing, or an extractor cannot be trained on them.
    """
    metrics: dict[str, Measure] = instantiate(cfg.evaluation.metrics, "evaluation.metrics") or {}
    if not extractors:
        metrics = {name: metric for name, metric in metrics.items() if not isinstance(metric, Metric)}
    if not metrics:
        return None
    source: ImageSource = instantiate(cfg.dataset.source, "dataset.source")
    held_out = source.open("test") if cfg.dataset.num_test else None
    cache_dir = Path(cfg.cache_dir)
    for extractor in extractors.values():
        if extractor.needs_fit:
            extractor.fit(whole, held_out, fit_classifier, cache_dir)
    regime: Regime = instantiate(cfg.regime, "regime")
    judging = None if held_out is None else regime.reference(held_out)
    if judging is not None and len(judging) == 0:  # the test split lacks the classes that are kept
        judging = None
    reference = regime.reference(whole)
    return Protocol(
        extractors=extractors,
        metrics=metrics,
        real=RealImages(cfg.dataset.name, list(cfg.dataset.class_names), reference, training, judging),
        num_samples=cfg.evaluation.num_samples,
        latents=build_latents(cfg.model),
        value_range=list(cfg.model.value_range),
        conditional=cfg.model.conditional,
        weights="raw" if cfg.ema_half_life_kimg is None else "EMA",
        cache_dir=cache_dir,
        augmentations=instantiate(cfg.augment, "augment") or {},
        no_class_head=why_no_class_head(cfg),
        fit=None if judging is None else _fit_on_samples(judging, len(cfg.dataset.class_names)),
    )


def why_no_class_head(cfg: DictConfig) -> str:
    """Return why the discriminator's class head has nothing to tell; an empty string where it was trained.

    It is, where the task needs it, as a classifier does, or a loss term trains it; weights of another run may hold one
    that was trained there.
    """
    if not cfg.model.class_head:
        return NO_CLASS_HEAD
    return "" if trains_class_head(cfg) or cfg.init_from is not None else UNTRAINED


def train_extractor(cfg: DictConfig, path: Path) -> float | None:
    """Train a classifier of the data set by the recipe of the shipped ones; gives its accuracy on the test split.

    Raises:
        UserError: the data set has no labels.
    """
    data = cfg.dataset
    if data.num_classes == 0:
        raise UserError(f"dataset {data.name!r} has no labels, so no classifier can be trained on it.")
    extractor = ClassifierExtractor(data.name, data.image_size, data.channels, data.num_classes)
    source: ImageSource = instantiate(data.source, "dataset.source")
    held_out = source.open("test") if data.num_test else None
    accuracy = extractor.train_anew(source.open("train"), held_out, fit_classifier)
    extractor.save(path, accuracy)
    return accuracy


def _fit_on_samples(held_out: ImageSet, num_classes: int) -> Callable[[Tensor, Tensor, int], float]:
    def fit(pixels: Tensor, labels: Tensor, seed: int) -> float:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(stream_seed("classification accuracy score", seed))
            network = SmallCNN(pixels.shape[-1], pixels.shape[1], num_classes)
        history = fit_classifier(network, num_classes, TensorImageSet(pixels, labels), held_out, seed)
        return history[-1]["test_accuracy"]

    return fit


def reconstruct_images(
    images: ImageSet, held_out: ImageSet | None, num_layers: int, width: int, code_channels: int, seed: int, **how: Any
) -> Reconstructions:
    """Train an autoencoder on images, with random streams of its own, and give what it makes of them.

    Args:
        images: N images of C channels.
        held_out: images to measure the error on; None: it is not measured.
        num_layers: of the network, as the next two.
        width: see `AutoencoderNetwork`.
        code_channels: see `AutoencoderNetwork`.
        seed: of the first weights and of the order.
        how: the values of an `AutoencoderRecipe`.

    Raises:
        UserError: the network does not fit the images, or there are fewer than two.
    """
    channels, side = images.read(torch.tensor([0])).shape[1:3]
    log.info("Training an autoencoder (num_layers=%d) on %s images, once", num_layers, f"{len(images):,}")
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(stream_seed("autoencoder weights", seed))
        network = AutoencoderNetwork(side, channels, num_layers, width, code_channels)
    fit_autoencoder(network, images, seed, AutoencoderRecipe(**how))
    pixels, error = reconstruct(network, images)
    return Reconstructions(pixels, error, None if held_out is None else reconstruct(network, held_out)[1])


@dataclass(frozen=True)
class Gear:
    """Callbacks in the order in which they act, those that are asked by name, and the data."""

    callbacks: list[Callback]
    checkpoints: Checkpoints
    samples: Samples | None  # of a task with a generator
    alarms: Alarms
    evaluation: Evaluation | None
    feed: Feed


def gear_up(
    cfg: DictConfig,
    directory: Path,
    module: TrainingModule,
    train_set: ImageSet,
    protocol: Protocol | None,
    local: LocalRecord,
    saved: dict[str, Any] | None,
    rolled_back: bool,
) -> Gear:
    """Make callbacks and feed, and put them where a checkpoint had them.

    Args:
        cfg: the resolved config.
        directory: the run's.
        module: the networks, which have taken `saved` back already.
        train_set: the images trained on.
        protocol: how to measure; None: nothing is measured.
        local: the metrics.csv, which is cut back to the checkpoint.
        saved: the checkpoint to go on from; None: the start.
        rolled_back: go on with other random streams than those of the checkpoint.
    """
    record = Record(module, cfg.log_every_iterations)
    budget = BudgetCallback(module, **cfg.budget)
    checkpoints = Checkpoints(
        module, directory / "checkpoints", cfg.checkpoint_every_kimg, cfg.keep_checkpoints, record
    )
    alarms = Alarms(module, instantiate(cfg.alarms, "alarms") or {}, record)
    evaluation = None
    if protocol is not None:
        settings = cfg.evaluation
        evaluation = Evaluation(
            module,
            protocol,
            settings.every_kimg,
            settings.best,
            settings.patience_kimg,
            checkpoints=checkpoints,
            alarms=alarms,
        )
    samples = _samples(cfg, directory, module, train_set) if isinstance(module, GAN) else None
    measuring = {} if evaluation is None else {"evaluation": evaluation}
    checkpoints.remembering = {"alarms": alarms, **measuring}
    if saved is not None:
        record.last_row = saved["last_row"]
        for name, callback in checkpoints.remembering.items():
            if name in saved["callbacks"]:
                callback.load_state_dict(saved["callbacks"][name])
        if is_first_process():
            local.cut_back(saved["callbacks"].get("evaluation", {}).get("last_row", 0), saved["last_row"])
    rollbacks = module.clock.rollbacks
    feed = Feed(
        train_set,
        batch_size=cfg.batch_size,
        seed=stream_seed("rollback", cfg.seed, rollbacks) if rollbacks else cfg.seed,
        value_range=cfg.model.value_range,
        augmentations=instantiate(cfg.augment, "augment") or {},
        in_memory=fits_in_memory(train_set, cfg.data.in_memory_gib),
        num_workers=cfg.data.num_workers,
    )
    streams = RandomStreams(
        cfg.seed, saved["random"] if saved is not None else None, checkpoints if rolled_back else None
    )
    # The order matters: a row before the alarms that read it, an evaluation before the checkpoint that knows of it, the
    # random streams at the very last.
    callbacks: list[Callback] = [
        record, alarms, *measuring.values(), *([] if samples is None else [samples]), checkpoints, budget,
        Progress(record, budget), streams,
    ]  # fmt: skip
    return Gear(callbacks, checkpoints, samples, alarms, evaluation, feed)


def _samples(cfg: DictConfig, directory: Path, gan: GAN, train_set: ImageSet) -> Samples:
    return Samples(
        gan,
        directory=directory / "samples",
        every_kimg=cfg.sample_every_kimg,
        real=train_set,
        conditional=cfg.model.conditional,
        by_class=cfg.samples_by_class,
        value_range=cfg.model.value_range,
        seed=cfg.seed,
    )


log = logging.getLogger(__name__)


def build_trackers(cfg: DictConfig, directory: Path, manifest: dict[str, Any]) -> list[Logger]:
    """Build the loggers of a config; those that are partial are told of the run.

    Args:
        cfg: the resolved config.
        directory: the run's.
        manifest: of the run; keeps the identities that trackers give it, and the sweep that it belongs to.
    """
    choices = manifest["choices"]
    sweep = manifest.setdefault("sweep", _sweep())
    about = About(
        directory=directory,
        name=cfg.name or run_name(choices, manifest["overrides"], cfg.seed),
        group=sweep or str(choices.get("experiment") or choices.get("dataset")),
        config={**manifest["config"], "choices": choices},
        tags=list(cfg.tags),
        notes=cfg.notes,
        run_ids=manifest.setdefault("tracker_ids", {}),
    )
    built = instantiate(cfg.logger, "logger") or {}
    return [tracker(about=about) if callable(tracker) else tracker for tracker in built.values()]


def _sweep() -> str | None:
    """Return the name of the directory of the sweep that is running, if one is."""
    if not HydraConfig.initialized() or HydraConfig.get().mode is not RunMode.MULTIRUN:
        return None
    return Path(HydraConfig.get().sweep.dir).name


def log_samples(trackers: Iterable[Logger], samples: Samples, class_names: list[str]) -> None:
    """Hand the images of the last grid to the trackers that lay them out by themselves."""
    if samples.pixels is None:  # another process has drawn them
        return
    labels = samples.labels.tolist() if samples.conditional else []
    for hook in hooks(trackers, "log_samples"):
        hook(samples.pixels.permute(0, 2, 3, 1).numpy(), labels, class_names, samples.gan.clock.kimg)


def log_best_generator(trackers: Iterable[Logger], directory: Path, config: dict[str, Any]) -> None:
    """Hand the best generator to the trackers that keep models; nothing where none was ever measured.

    It is three files: `generator.safetensors`, the weights under the generator's own names; `config.json`, from which
    it can be built; `metrics.json`, all that was measured of it, with protocols.

    Args:
        trackers: of the run.
        directory: the run's.
        config: the run's, resolved.
    """
    path, wanting = directory / "checkpoints" / "best.pt", hooks(trackers, "log_model")
    if not wanting or not path.exists() or not is_first_process():
        return
    try:
        state = load_checkpoint(path)
        chosen_by, values = state["chosen_by"], state["measured"]
        own, averaged = own_weights(state["networks"])
        if not own:  # a task without a generator
            return
        # Copies: safetensors takes neither another memory format nor weights that two layers share.
        weights = {name: value.clone(memory_format=torch.contiguous_format) for name, value in own.items()}
        files = {
            "generator.safetensors": save(weights),
            "config.json": json.dumps(config, indent=2).encode(),
            "metrics.json": json.dumps({"chosen_by": chosen_by, "values": values}, indent=2).encode(),
        }
    except Exception as error:  # a damaged or older file: the run is what matters
        log.warning("%s cannot be handed to %d trackers (%s).", path, len(wanting), error)
        return
    facts = {**chosen_by, "weights": "EMA" if averaged else "raw", "values": values}
    for hook in wanting:
        hook(files, facts)
