"""The text of `--help`: Hydra's own lists the same in ten times the time."""

from collections.abc import Iterable
from pathlib import Path

from gan_experiments.config.suggestions import CONFIG_DIR

USAGE = """gan_experiments: one short yaml is a GAN experiment.

The demo:            python -m gan_experiments
Run an experiment:   python -m gan_experiments +experiment=fmnist_acgan
Change one thing:    python -m gan_experiments +experiment=fmnist_acgan loss=hinge seed=1
Add a loss term:     python -m gan_experiments +experiment=fmnist_acgan +loss/term=r1 loss.r1.weight=1
Sweep:               python -m gan_experiments -m +experiment=digits_acgan loss=hinge,wgan_gp seed=0,1
A ready sweep:       python -m gan_experiments +experiment=digits_acgan +sweep=seeds
Go on with a run:    python -m gan_experiments resume=outputs/fmnist_acgan/2026-01-31_12-00-00
Your own parts:      python -m gan_experiments --config-dir my_conf loss=my_loss
Show all keys:       python -m gan_experiments +experiment=fmnist_acgan --cfg job

Parts to choose from (group=option):
"""


def help_text(config_dirs: Iterable[str | Path] = ()) -> str:
    """Return how the command is used, and the options of each group, those of the user's own directories among them."""
    groups: dict[str, set[str]] = {}
    for directory in (CONFIG_DIR, *map(Path, config_dirs)):
        for path in directory.glob("*/**/*.yaml"):
            groups.setdefault(path.parent.relative_to(directory).as_posix(), set()).add(path.stem)
    options = "\n".join(f"{group}: {', '.join(sorted(names))}" for group, names in sorted(groups.items()))
    return f"{USAGE}\n{options}\n\nHydra's own flags: --hydra-help"
