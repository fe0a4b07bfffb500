"""What trains with a task: its callbacks and its data, for a start, a resumed run, or after a rollback."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig
from pytorch_lightning.callbacks import Callback

from gan_experiments.callbacks.alarms.base import Alarms
from gan_experiments.callbacks.budget import BudgetCallback
from gan_experiments.callbacks.checkpoints import Checkpoints
from gan_experiments.callbacks.evaluation import Evaluation
from gan_experiments.callbacks.progress import Progress
from gan_experiments.callbacks.record import Record
from gan_experiments.callbacks.samples import Samples
from gan_experiments.callbacks.streams import RandomStreams
from gan_experiments.components import build
from gan_experiments.data.order import stream_seed
from gan_experiments.data.pipeline import fits_in_memory
from gan_experiments.evaluation.protocol import Protocol
from gan_experiments.files import is_first_process
from gan_experiments.tracking.local import LocalRecord
from gan_experiments.training.feed import Feed
from gan_experiments.training.gan import GAN
from gan_experiments.training.module import TrainingModule
from gan_experiments.types import ImageSet


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
    alarms = Alarms(module, build(cfg.alarms, "alarms") or {}, record)
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
        augmentations=build(cfg.augment, "augment") or {},
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
