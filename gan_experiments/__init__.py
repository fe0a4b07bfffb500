"""A research framework in which one short yaml is a GAN experiment.

The Python API, which the command line uses too. Each name is imported when it is first used, so that
`import gan_experiments` needs neither torch nor Lightning:

- `compose(*words)`: a checked config, as the command line composes it;
- `train(config)`: a run trained to its end;
- `Run`: a run directory: `Run.open(path).generator().sample(64)`, its config, results and values;
- `Sampler`: images from any generator;
- `evaluate(generator, dataset=..., metrics=[...])`: values of any generator with their protocols.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gan_experiments.config.compose import compose
    from gan_experiments.evaluation import evaluate
    from gan_experiments.runs.run import Run
    from gan_experiments.sampling.sampler import Sampler
    from gan_experiments.training import train

__all__ = ["Run", "Sampler", "compose", "evaluate", "train"]
_MODULES = {
    "Run": "runs.run",
    "Sampler": "sampling.sampler",
    "compose": "config.compose",
    "evaluate": "evaluation",
    "train": "training",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
