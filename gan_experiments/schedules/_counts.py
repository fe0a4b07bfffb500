"""The check that schedules share."""

from __future__ import annotations

from gan_experiments.types import UserError


def check_counts(discriminator: int, generator: int, unit: str) -> None:
    """Hold a pair of counts to sense: none negative, not both 0.

    Raises:
        UserError: they make no sense; names the key.

    """
    for name, count in (("discriminator", discriminator), ("generator", generator)):
        if count < 0:
            raise UserError(f"schedule.{name}: a number of {unit}, 0 or more, not {count}")
    if discriminator == generator == 0:
        raise UserError(
            f"schedule.discriminator and schedule.generator: both are 0, so nothing would be trained; "
            f"write the number of {unit} of each, such as 1 and 1"
        )
