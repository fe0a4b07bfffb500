"""What can be written: the text of `--help`, the nearest of known words, and where a misplaced key belongs."""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from gan_experiments.config.keys import flat

PACKAGE = Path(__file__).resolve().parents[1]
CONFIG_DIR = PACKAGE / "conf" if (PACKAGE / "conf").is_dir() else PACKAGE.parent / "conf"
"""In a wheel the configs lie inside the package, in a checkout beside it."""
MOST_PLACES = 4
SEVERAL_REGIMES = "several regimes in order are a list: write regime=[classes,first_n] regime.first_n.num_images=500"
FORMER = {"chain": SEVERAL_REGIMES, "regime/step": SEVERAL_REGIMES}
"""Words of older versions, and what is written instead."""
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


def suggest(word: str, known: Iterable[str]) -> str:
    """Return '; did you mean ...?' for the nearest of the known words, or list them where they are few."""
    if word in FORMER:
        return f"; {FORMER[word]}"
    known = sorted(known)
    few = f"; known here: {', '.join(known)}" if 0 < len(known) <= 40 else ""
    return nearest(word, known) or few


def nearest(word: str, known: Iterable[str]) -> str:
    """Return '; did you mean ...?' for the nearest of the known words, nothing where none is near."""
    near = difflib.get_close_matches(word, sorted(known), n=2, cutoff=0.6)
    return f"; did you mean {' or '.join(repr(name) for name in near)}?" if near else ""


def suggest_key(key: str, siblings: Mapping[str, Any], known: Iterable[str], word: str = "") -> str:
    """Return what to write instead of an unknown key: the nearest known name, the same name elsewhere, or all names."""
    known, name = list(known), key.rpartition(".")[2]
    word = word or f"{key}=VALUE"
    advice = right_place(key, siblings, word)
    if not advice:
        return suggest(name, known)
    near = nearest(name, known)
    return f"{near} Or else: {advice}" if near else f": {advice}"


def right_place(key: str, siblings: Mapping[str, Any], word: str) -> str:
    """Return 'write ...' with the places of a key of this name below `siblings`, or in another option of the group."""
    written, _, value = word.partition("=")
    parent, name = key.rpartition(".")[0], f".{written.rpartition('.')[2]}"
    settings = [(option, path) for option, paths in _options(key.partition(".")[0]).items() for path in paths]
    exact = [(option, path) for option, path in settings if path == written]
    below = [path for path in _settings(siblings, f"{parent}." if parent else "") if path.endswith(name)]
    if not exact and 0 < len(below) <= MOST_PLACES:
        return "write " + " or ".join(f"{path}={value}" for path in below)
    # The first setting of a part whose name alone was given, such as regime.classes=3.
    first = {option: path for option, path in reversed(settings) if path.startswith(f"{written}.")}
    matches = exact or list(first.items()) or [(option, path) for option, path in settings if path.endswith(name)]
    matches.sort(key=lambda match: not match[0].startswith("+"))  # what is added keeps the option that was chosen
    groups = {(option.rpartition("=")[0], path) for option, path in matches}
    if len(groups) != 1 or len(matches) == 1:
        return " or ".join(f"write {option} {path}={value}" for option, path in matches[:1])
    [(group, path)] = groups
    *names, last = (option.rpartition("=")[2] for option, _ in matches)
    return f"write {group}=NAME {path}={value}, where NAME is {', '.join(names)} or {last}"


def _options(group: str) -> dict[str, list[str]]:
    """Return the settings of each option of a group and of the groups below it, by the word that chooses the option."""
    options = {}
    for file in sorted((CONFIG_DIR / group).rglob("*.yaml")):
        content: Any = OmegaConf.to_container(OmegaConf.load(file))
        folder = file.parent.relative_to(CONFIG_DIR).as_posix()
        first_line = file.read_text(encoding="utf-8").partition("\n")[0]
        added = first_line.startswith("# @package ")
        package = first_line.removeprefix("# @package ") if added else folder.replace("/", ".")
        options[f"{'+' if added else ''}{folder}={file.stem}"] = list(_settings(content, f"{package}."))
    return options


def _settings(content: Mapping[str, Any], prefix: str) -> Iterator[str]:
    """Return the dotted keys that hold values of their own, none that copies another."""
    for key, value in flat(content).items():
        if not key.startswith(("hydra.", "defaults")) and "_target_" not in key and "${" not in str(value):
            yield prefix + key


def help_text(config_dirs: Iterable[str | Path] = ()) -> str:
    """Return how the command is used, and the options of each group, those of the user's own directories among them."""
    groups: dict[str, set[str]] = {}
    for directory in (CONFIG_DIR, *map(Path, config_dirs)):
        for path in directory.glob("*/**/*.yaml"):
            groups.setdefault(path.parent.relative_to(directory).as_posix(), set()).add(path.stem)
    options = "\n".join(f"{group}: {', '.join(sorted(names))}" for group, names in sorted(groups.items()))
    return f"{USAGE}\n{options}\n\nHydra's own flags: --hydra-help"
