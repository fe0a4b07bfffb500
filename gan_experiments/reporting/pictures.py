"""Pictures inside a page."""

import base64
import io
import warnings
from dataclasses import dataclass
from pathlib import Path

LONGEST_SIDE = 1200


@dataclass(frozen=True)
class Picture:
    """A picture as a page holds it."""

    uri: str  # data:image/...
    width: int  # pixels, as the page holds it
    reduced: bool  # smaller than its file, and compressed with losses


def read_picture(path: Path, longest_side: int = LONGEST_SIDE, compress: bool = False) -> Picture:
    """Read a picture for a page, pixel by pixel the same, or reduced if it is larger than asked.

    Args:
        path: the file.
        longest_side: width or height, in pixels, that the page holds at most.
        compress: take time to make it about a third smaller, without losses.

    Raises:
        OSError: it is missing, or no picture that can be read.
    """
    from PIL import Image

    try:
        content = path.read_bytes()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # a grid of large images is no attack
            with Image.open(io.BytesIO(content)) as opened:
                kind = opened.format
                opened.load()
                image = opened.convert("RGB")
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        reason = (
            error.strerror if isinstance(error, OSError) and error.strerror else "it is no picture, or a part of one"
        )
        raise OSError(f"{path.name} cannot be read: {reason}") from error
    reduced = max(image.size) > longest_side
    if not reduced and not compress and kind == "PNG":
        return Picture(_uri("png", content), image.width, reduced)
    buffer = io.BytesIO()
    if reduced:
        image.thumbnail((longest_side, longest_side), Image.Resampling.LANCZOS)
        image.save(buffer, "WEBP", quality=85)
    else:
        image.save(buffer, "WEBP", lossless=True)
    return Picture(_uri("webp", buffer.getvalue()), image.width, reduced)


def _uri(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
