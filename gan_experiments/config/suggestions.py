"""The options of each group as their yaml files list them, and where a key belongs that was written elsewhere."""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

PACKAGE = Path(__file__).resolve().parents[1]
CONFIG_DIR = PACKAGE / "conf" if (PACKAGE / "conf").is_dir() else PACKAGE.parent / "conf"
"""In a wheel the configs lie inside the package, in a checkout beside it."""
MOST_PLACES = 4


def right_place(key: str, beside: Mapping[str, Any], word: str) -> str:
    """Return what to write instead of a key that is not known where it was written; empty where no place is known.

    Args:
        key: the unknown key, dotted.
        beside: what stands where it was written, as plain values.
        word: the word of the command line, such as regime.num_images=3; it begins with the key.
    """
    if step := _step(key, beside, word):
        return step
    parent, _, name = key.rpartition(".")
    below = [f"{parent}.{path}".lstrip(".") for path in _below(beside, name)]
    if 0 < len(below) <= MOST_PLACES:
        return "write " + " or ".join(word.replace(key, place, 1) for place in below)
    group = parent
    while group:
        path = key.removeprefix(f"{group}.")
        if added := _added(_group(group), path):
            return f"write +{added} {word}"
        if having := [option for option, content in _options(_group(group)) if _lists(content, path)]:
            return _write(_group(group), having, word)
        group = group.rpartition(".")[0]
    return ""


def _step(key: str, beside: Mapping[str, Any], word: str) -> str:
    """Return how a step gets into a chain, for keys of a step that is not there; empty for other keys."""
    if not re.fullmatch(r"regime\.steps(\.\w+)?", key):
        return ""
    there = beside if key != "regime.steps" else beside.get("steps")
    steps = list(there) if isinstance(there, Mapping) else []
    named = re.match(r"regime\.steps\.(\w+)", word)
    if named and not (CONFIG_DIR / "regime" / "step" / f"{named.group(1)}.yaml").is_file():
        return ""
    steps += named.groups() if named else ()
    return f"write regime=chain regime/step=[{','.join(steps)}]{f' {word}' if named else ''}" if steps else ""


def _write(group: str, having: list[str], word: str) -> str:
    if len(having) == 1:
        return f"write {group}={having[0]} {word}"
    return f"write {group}=NAME {word}, where NAME is {', '.join(having[:-1])} or {having[-1]}"


def _group(dotted: str) -> str:
    return dotted.replace(".", "/")


def _options(group: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Return what each option of a group lists, with the other files of the group that it is made of."""
    yield from ((path.stem, _content(path)) for path in sorted((CONFIG_DIR / group).glob("*.yaml")))


def _content(path: Path) -> dict[str, Any]:
    content: Any = OmegaConf.to_container(OmegaConf.load(path))
    if not isinstance(content, dict):
        return {}
    files = [path.parent / f"{entry}.yaml" for entry in content.pop("defaults", []) if isinstance(entry, str)]
    parts = [_content(file) for file in files if file.is_file()]
    merged: Any = OmegaConf.to_container(OmegaConf.merge(*parts, content))
    return dict(merged)


def _added(group: str, path: str) -> str:
    """Return the first option that lists a key and adds to a group, such as loss/term=r1; empty where there is none."""
    for file in sorted((CONFIG_DIR / group).glob("*/*.yaml")):
        if file.read_text(encoding="utf-8").startswith(f"# @package {group}\n") and _lists(_content(file), path):
            return f"{group}/{file.parent.name}={file.stem}"
    return ""


def _lists(content: Any, path: str) -> bool:
    for name in path.split("."):
        if not isinstance(content, dict) or name not in content:
            return False
        content = content[name]
    return True


def _below(content: Mapping[str, Any], name: str) -> Iterator[str]:
    """Return the paths, below the first level, of keys of a name; not of those that take their value from elsewhere."""
    for key, value in content.items():
        if isinstance(value, dict) and key != "hydra":
            if name in value and "${" not in str(value[name]):
                yield f"{key}.{name}"
            yield from (f"{key}.{path}" for path in _below(value, name))


def suggest(word: str, known: Iterable[str]) -> str:
    """Return '; did you mean ...?' for the nearest of the known words, or list them where they are few."""
    known = sorted(known)
    few = f"; known here: {', '.join(known)}" if 0 < len(known) <= 40 else ""
    return nearest(word, known) or few


def nearest(word: str, known: Iterable[str]) -> str:
    """Return '; did you mean ...?' for the nearest of the known words, nothing where none is near."""
    near = difflib.get_close_matches(word, sorted(known), n=2, cutoff=0.6)
    return f"; did you mean {' or '.join(repr(name) for name in near)}?" if near else ""


def suggest_key(key: str, beside: Mapping[str, Any], known: Iterable[str], word: str) -> str:
    """Return what to write instead of an unknown key: the key in its place, the nearest of those known here, or these.

    Args:
        key: dotted.
        beside: what stands where it was written.
        known: the names that are known there.
        word: the word of the command line.
    """
    known, name = list(known), key.rpartition(".")[2]
    place = right_place(key, beside, word)
    if not place:
        return suggest(name, known)
    near = nearest(name, known)
    return f"{near} Or else: {place}" if near else f": {place}"
