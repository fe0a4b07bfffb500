"""Training on some classes only, with the same classes as the reference."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

from pydantic import Field

from gan_experiments.datasets.regimes.base import Regime, Subset
from gan_experiments.types import ImageSet, TrainingFacts, UserError

Class = str | int


@dataclass(frozen=True)
class Classes(Regime):
    """The images of some classes. Labels stay as they are, so that a class has its number in every run.

    The one regime that changes the reference and the held-out images too: what a generator was never to make is not
    missing from its samples.
    """

    keep: Annotated[  # by name or, where no name is so, by number
        Class | Annotated[list[Class], Field(min_length=1)] | None,
        Field(description="a class by its name or number, or a list of them, such as 3, dog or [3,dog]"),
    ]
    class_names: Sequence[str]  # of the data set, by number

    def describe(self, facts: TrainingFacts) -> TrainingFacts:
        # Only labels tell how many images are left: a regime before it may have left one class alone.
        return replace(facts, num_classes=min(facts.num_classes, len(self.numbers())), wrong_labels=False)

    def apply(self, image_set: ImageSet) -> ImageSet:
        kept = self.reference(image_set)
        if len(kept) == 0:
            raise UserError(
                f"regime.classes.keep={self.keep}: no training image is of these classes after the regimes before it. "
                "Name classes that those keep."
            )
        return kept

    def reference(self, image_set: ImageSet) -> ImageSet:
        import torch

        wanted = torch.isin(image_set.labels, torch.tensor(self.numbers()))
        return Subset(image_set, wanted.nonzero().flatten())

    def numbers(self) -> list[int]:
        if self.keep is None:
            raise UserError(
                "regime.classes.keep has no value: write a class by its name or number, such as regime.classes.keep=3, "
                f"or several, such as regime.classes.keep=[3,5], of these: {self._there()}."
            )
        given = self.keep if isinstance(self.keep, list) else [self.keep]
        return sorted({self._number(wanted) for wanted in given})

    def _there(self) -> str:
        names = list(self.class_names)
        if not names:
            raise UserError("regime=classes needs labels, and this data set has none: write regime=none.")
        return ", ".join(f"{number} {name}" if name != str(number) else name for number, name in enumerate(names))

    def _number(self, wanted: Class) -> int:
        names = list(self.class_names)
        named = find_class(str(wanted), names)  # the command line cannot tell the name 2019 from a number
        if named is not None:
            return named
        if isinstance(wanted, int) and 0 <= wanted < len(names):
            return wanted
        raise UserError(
            f"regime.classes.keep: the data set has no class {wanted!r}. Write a name or a number of these: "
            f"{self._there()}."
        )


def find_class(word: str, names: Sequence[str]) -> int | None:
    """Return the number of a class by its name, in any case where only one is spelt so; None where there is none."""
    folded = [name.casefold() for name in names]
    if word in names:
        return list(names).index(word)
    return folded.index(word.casefold()) if folded.count(word.casefold()) == 1 else None
