"""The check of networks that were published for images of one size."""

from gan_experiments.types import NetworkName, UserError


def require_image_size(network: NetworkName, image_size: int, required: int, report: str, instead: str) -> None:
    """Refuse another size than the published one.

    Args:
        network: whose argument it is.
        image_size: pixels of a side, as asked for.
        required: pixels of a side that the layers are for.
        report: letter of the report, for the message.
        instead: name of a model for other sizes, for the message.

    Raises:
        UserError: the sizes differ.
    """
    if image_size != required:
        raise UserError(
            f"model.{network}.image_size is {image_size}: report {report}'s networks are for {required}×{required} "
            f"images only. Write model={instead} for other sizes."
        )
