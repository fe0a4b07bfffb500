"""Several regimes, one after another."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

from gan_experiments.types import DatasetFacts, ImageSet, Regime, UserError, Workshop


@dataclass(frozen=True)
class Chain(Regime):
    """Each step works on what the one before it leaves."""

    steps: Mapping[str, Regime]  # by name, in this order

    def count(self, facts: DatasetFacts) -> int:
        """Return the number of images after the last step.

        Raises:
            UserError: there is no step, or one of them asks for what it cannot have.
        """
        if not self.steps:
            raise UserError("regime=chain has no steps: write, say, regime=chain regime/step=[classes,first_n].")
        for name, step in self.steps.items():
            if isinstance(step, Mapping):  # keys of a step that was never chosen
                raise UserError(
                    f"regime.steps.{name} names no _target_: choose the step by regime=chain "
                    f"regime/step=[{','.join(self.steps)}]."
                )
            with _naming(name):
                facts = replace(facts, num_train=step.count(facts))
        return facts.num_train

    @property
    def needs_fit(self) -> bool:
        """Return whether a step must train something first."""
        return any(step.needs_fit for step in self.steps.values())

    def count_classes(self, facts: DatasetFacts) -> int:
        """Return the fewest that a step leaves."""
        return min((step.count_classes(facts) for step in self.steps.values()), default=facts.num_classes)

    @property
    def selects_by_label(self) -> bool:
        """Return whether a step does."""
        return any(step.selects_by_label for step in self.steps.values())

    @property
    def relabels(self) -> bool:
        """Return whether a step changes labels by which no step after it chooses images."""
        steps = list(self.steps.values())
        first = next((place for place, step in enumerate(steps) if step.relabels), None)
        return first is not None and not any(step.selects_by_label for step in steps[first + 1 :])

    def fit(self, image_set: ImageSet, workshop: Workshop) -> Regime:
        """Train what steps must train, each on what the one before it leaves."""
        ready: dict[str, Regime] = {}
        for name, step in self.steps.items():
            with _naming(name):
                ready[name] = step.fit(image_set, workshop)
                image_set = ready[name].apply(image_set)
        return Chain(ready)

    def apply(self, image_set: ImageSet) -> ImageSet:
        """Return the images after the last step.

        Raises:
            UserError: a step asks for what the one before it has not left.
        """
        for name, step in self.steps.items():
            with _naming(name):
                image_set = step.apply(image_set)
        return image_set

    def reference(self, image_set: ImageSet) -> ImageSet:
        """Return the images that are left by every step which changes what samples are judged by."""
        for step in self.steps.values():
            image_set = step.reference(image_set)
        return image_set


@contextmanager
def _naming(name: str) -> Iterator[None]:
    """Let messages name the keys of a step where they stand."""
    try:
        yield
    except UserError as error:
        raise UserError(re.sub(r"\bregime\.(?=\w)", lambda _: f"regime.steps.{name}.", str(error))) from error
