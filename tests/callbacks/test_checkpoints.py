"""When the processes of a run tell each other of a signal."""

import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gan_experiments.callbacks.checkpoints import Checkpoints
from gan_experiments.callbacks.status import TrainingStatus


@pytest.mark.parametrize(("num_processes", "stopped_at"), [(1, 4), (2, 6)])
def test_several_processes_wait_for_each_other_only_at_rows_of_losses(num_processes: int, stopped_at: int) -> None:
    asked: list[int] = []

    def share(decision: bool, all: bool) -> bool:
        asked.append(module.clock.iterations)
        return decision

    module: Any = SimpleNamespace(batch_size=16, clock=SimpleNamespace(iterations=0, passed=lambda *_: False))
    strategy = SimpleNamespace(reduce_boolean_decision=share)
    trainer: Any = SimpleNamespace(world_size=num_processes, strategy=strategy, should_stop=False)
    status = TrainingStatus(log_every_iterations=3)
    checkpoints = Checkpoints(module, Path("unused"), every_kimg=1, keep=1, status=status)
    checkpoints.save = lambda trainer: None  # type: ignore[method-assign]

    while not trainer.should_stop:
        module.clock.iterations += 1
        if module.clock.iterations == 4:
            status.stop_signal = signal.SIGTERM
        checkpoints.on_train_batch_end(trainer, module)

    assert module.clock.iterations == stopped_at
    assert asked == ([1, 2, 3, 4] if num_processes == 1 else [3, 6])
