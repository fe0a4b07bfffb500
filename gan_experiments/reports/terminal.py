"""The terminal renderer: the same sections as lines and tables, without control characters."""

from collections.abc import Iterable, Sequence

from gan_experiments.formatting import print_table, say
from gan_experiments.reports.blocks import (
    Block,
    Bullets,
    Choice,
    Code,
    Details,
    Facts,
    Heading,
    Pictures,
    Section,
    Table,
    Text,
    Widget,
)


def show(sections: Iterable[Section], everything: bool = False) -> None:
    """Print sections; `everything` includes what a page folds."""
    for section in (one for one in sections if not one.browser_only):
        say()
        say(section.title)
        show_blocks(section.blocks, everything)


def show_blocks(blocks: Sequence[Block], everything: bool = False) -> None:
    """Print blocks, one below the other."""
    for block in blocks:
        match block:
            case Text(text, _, label):
                say(f"  {label}: {text}" if label else f"  {text}")
            case Heading(text):
                say(f"  {text}:")
            case Facts(facts):
                for name, text in facts.items():
                    say(f"  {name}: {text}")
            case Bullets(items):
                for item in items:
                    say(f"  - {item}")
            case Code(text):
                for line in text.splitlines():
                    say(f"    {line}")
            case Table(columns, rows) if rows:
                kept = block.columns_without("screen", "page")
                print_table(
                    [columns[at][0].replace("\n", "") for at in kept],
                    [[row[at] for at in kept] for row in rows],
                    right=",".join(columns[at][0].replace("\n", "") for at in kept if "number" in columns[at][1]),
                )
            case Pictures(pictures):
                for picture in pictures:
                    say(f"  {picture.path}")
            case Choice(_, options) if options:
                show_blocks(options[0][1], everything)
            case Widget(_, _, static):
                show_blocks(static, everything)
            case Details(summary, inner) if everything:
                say(f"  {summary}:")
                show_blocks(inner, everything)
