"""The rules by which a run starts, goes on, or lends its weights. Imports no torch by itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from gan_experiments.config.compose import Composition, DataParts, check_structure, prepare
from gan_experiments.config.keys import FREE_TO_CHANGE, within
from gan_experiments.config.schema import Root
from gan_experiments.config.suggestions import suggest_key
from gan_experiments.io import is_rank_zero
from gan_experiments.runs.manifest import FILE
from gan_experiments.runs.run import Run
from gan_experiments.types import UserError


@dataclass(frozen=True)
class Launch:
    """What `train.run` is to do: a checked config, and the directory where it happens."""

    directory: Path
    config: DictConfig
    overrides: list[str]
    choices: dict[str, Any]
    resumed: Run | None = None
    parts: DataParts | None = None  # that were built to check the config


def plan_launch(cfg: DictConfig, directory: Path, overrides: Sequence[str], choices: Mapping[str, Any]) -> Launch:
    """Decide from a composed config what is to be run, and check all that can be checked without torch."""
    if cfg.resume is not None:
        run = Run.open(cfg.resume, f"resume={cfg.resume}")
        merged = merge_resumed(cfg, run, overrides, choices)
        check_structure(Composition(merged, list(overrides), dict(choices)))
        config, parts = prepare(merged)
        return Launch(run.directory, config, list(overrides), dict(run.manifest.choices), run, parts)
    if (directory / FILE).exists() and is_rank_zero():
        raise UserError(
            f"hydra.run.dir={directory} already holds a run. Go on with it by resume={directory}, or choose another "
            "hydra.run.dir."
        )
    if cfg.get("init_from") is not None:
        cfg.init_from = str(Path(cfg.init_from).expanduser().absolute())
        Run.open(cfg.init_from, f"init_from={cfg.init_from}")
    checked = Composition(cfg, list(overrides), dict(choices)).checked()
    return Launch(directory, checked.config, checked.overrides, checked.choices, parts=checked.parts)


def merge_resumed(cfg: DictConfig, run: Run, overrides: Sequence[str], choices: Mapping[str, Any]) -> DictConfig:
    """Return the run's own config with what this command line may change; `cfg` holds the groups that it chooses."""
    merged = run.omegaconf()
    before = run.manifest.choices
    refused = []
    for override in OverridesParser.create().parse_overrides(overrides=list(overrides)):
        key = override.key_or_group
        if key in ("resume", "allow_changes") or key.startswith("hydra"):
            continue
        root = key.replace("/", ".")
        is_group = key in choices or key in before
        if not is_group and not (override.is_add() and "." in root):
            _check_known(merged, root, override.input_line or "")
        content = OmegaConf.select(cfg, root) if is_group else None
        old, new = (
            (before.get(key), choices.get(key)) if is_group else (OmegaConf.select(merged, root), override.value())
        )
        if old == new:
            continue
        if not within(root, (*FREE_TO_CHANGE, *cfg.allow_changes)):
            refused.append(f"  {root}: {old} -> {new}")
            continue
        if is_group and content is None:
            raise UserError(f"{key}={new} cannot be put into a resumed run; write its keys one by one instead.")
        # A group's content is taken unresolved: it is resolved among the run's values.
        value = OmegaConf.to_container(content) if is_group else new
        OmegaConf.update(merged, root, value, merge=False, force_add=True)
    if refused:
        raise UserError(
            "a resumed run goes on as it was, but this command line changes:\n"
            + "\n".join(refused)
            + f"\nLeave that out, start a new run (init_from={run.directory} takes the weights), or allow it by name: "
            f"allow_changes=[{refused[0].split(':')[0].strip()}]"
        )
    result = OmegaConf.merge(OmegaConf.structured(Root), merged)
    assert isinstance(result, DictConfig)
    return result


def _check_known(config: DictConfig, key: str, word: str) -> None:
    """Raise `UserError` for a key that the run does not have."""
    parent, _, name = key.rpartition(".")
    node = OmegaConf.select(config, parent) if parent else config
    siblings: Any = OmegaConf.to_container(node) if isinstance(node, DictConfig) else {name: None}
    if name not in siblings:
        raise UserError(f"unknown key '{key}'{suggest_key(key, siblings, map(str, siblings), word)}")
