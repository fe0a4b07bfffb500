"""The options of each group as their yaml files list them, and where a key belongs that was written elsewhere."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

PACKAGE = Path(__file__).resolve().parent
CONFIG_DIR = PACKAGE / "conf" if (PACKAGE / "conf").is_dir() else PACKAGE.parent / "conf"
"""In a wheel the configs lie inside the package, in a checkout beside it."""
MOST_PLACES = 4


def right_place(key: str, beside: Mapping[str, Any], word: str) -> str:
    """Say what to write instead of a key that is not known where it was written; empty where no place is known.

    Args:
        key: the unknown key, dotted.
        beside: what stands where it was written, as plain values.
        word: the word of the command line, such as regime.num_images=3; it begins with the key.
    """
    parent, _, name = key.rpartition(".")
    below = [f"{parent}.{path}".lstrip(".") for path in _below(beside, name)]
    if 0 < len(below) <= MOST_PLACES:
        return "write " + " or ".join(word.replace(key, place, 1) for place in below)
    group = parent
    while group:
        path = key.removeprefix(f"{group}.")
        if added := _added(_group(group), path):
            return f"write +{added} {word}"
        options = _options(_group(group))
        having = [option for option, content in options.items() if _lists(content, path)]
        if having:
            content = {other: beside[other] for other in beside if other != name}  # an added key stands there already
            chosen = _chosen(options, content) if group == parent else ""
            now = f"{_group(group)}={chosen}" if chosen else f"the chosen {_group(group)}"
            return f"{now} has no {path}; {_write(_group(group), having, word)}"
        group = group.rpartition(".")[0]
    return ""


def _write(group: str, having: list[str], word: str) -> str:
    if len(having) == 1:
        return f"write {group}={having[0]} {word}"
    return f"write {group}=NAME {word}, where NAME is {', '.join(having[:-1])} or {having[-1]}"


def _group(dotted: str) -> str:
    return dotted.replace(".", "/")


def _options(group: str) -> dict[str, dict[str, Any]]:
    """Give what each option of a group lists, with the other files of the group that it is made of."""
    return {path.stem: _content(path) for path in sorted((CONFIG_DIR / group).glob("*.yaml"))}


def _content(path: Path) -> dict[str, Any]:
    content: Any = OmegaConf.to_container(OmegaConf.load(path))
    if not isinstance(content, dict):
        return {}
    found: dict[str, Any] = {}
    for entry in content.pop("defaults", []):
        if isinstance(entry, str) and (file := path.parent / f"{entry}.yaml").is_file():
            found |= _content(file)
    return found | content


def _added(group: str, path: str) -> str:
    """Give the first option that lists a key and adds to a group, such as loss/term=r1; empty where there is none."""
    for file in sorted((CONFIG_DIR / group).glob("*/*.yaml")):
        if file.read_text(encoding="utf-8").startswith(f"# @package {group}\n") and _lists(_content(file), path):
            return f"{group}/{file.parent.name}={file.stem}"
    return ""


def _chosen(options: Mapping[str, Mapping[str, Any]], content: Mapping[str, Any]) -> str:
    """Give the option that has these keys and this class; empty where none has, or several."""
    alike = [
        name
        for name, option in options.items()
        if option.keys() == content.keys() and option.get("_target_") == content.get("_target_")
    ]
    return alike[0] if len(alike) == 1 else ""


def _lists(content: Any, path: str) -> bool:
    for name in path.split("."):
        if not isinstance(content, dict) or name not in content:
            return False
        content = content[name]
    return True


def _below(content: Mapping[str, Any], name: str) -> Iterator[str]:
    """Give the paths, below the first level, of keys of a name."""
    for key, value in content.items():
        if isinstance(value, dict) and key != "hydra":
            if name in value:
                yield f"{key}.{name}"
            yield from (f"{key}.{path}" for path in _below(value, name))
