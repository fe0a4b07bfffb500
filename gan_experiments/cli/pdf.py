"""A page as PDF, printed by a browser without a window."""

import shutil
import subprocess
import tempfile
from pathlib import Path

from gan_experiments.io import write_atomically
from gan_experiments.types import UserError

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
TIMEOUT = 300  # seconds
MARK = b"\n% report of gan-experiments\n"
"""Ends a file of ours; readers of PDF skip it."""


def find_browser() -> str:
    """Return the path of a browser that can print.

    Raises:
        UserError: there is none.
    """
    for name in BROWSERS:
        if found := shutil.which(name):
            return found
    raise UserError(
        f"--pdf needs a browser that prints, and none of {', '.join(BROWSERS)} is on PATH. Install Chromium (apt-get "
        "install chromium) or Google Chrome, or leave --pdf out and print the .html from any browser."
    )


def check_pdf(path: Path) -> None:
    """Make sure that a file, if there is one, may be written over.

    Raises:
        UserError: it is no report.
        OSError: it cannot be read.
    """
    if path.exists() and not (path.is_file() and path.read_bytes().endswith(MARK)):
        raise UserError(f"{path} exists and is not a report: move it away, or name another file.")


def print_page(page: Path, pdf: Path, browser: str) -> None:
    """Print a page, with all its figures drawn, to a PDF.

    Raises:
        UserError: the browser fails; quotes its last lines.
        OSError: the PDF cannot be written.
    """
    with tempfile.TemporaryDirectory(prefix="gan_experiments_pdf_") as name:
        printed = Path(name) / "printed.pdf"
        command = [
            browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--no-pdf-header-footer",
            f"--user-data-dir={name}/profile",  # that of an open browser is left alone
            "--virtual-time-budget=20000",  # figures are drawn before it prints
            f"--print-to-pdf={printed}", f"{page.absolute().as_uri()}#print",
        ]  # fmt: skip
        try:
            ended = subprocess.run(command, capture_output=True, timeout=TIMEOUT, stdin=subprocess.DEVNULL)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise UserError(f"{browser} could not print {page}: {error}") from error
        content = printed.read_bytes() if printed.exists() else b""
        if ended.returncode != 0 or not content.startswith(b"%PDF"):
            words = ended.stderr.decode(errors="replace").strip().splitlines()[-3:]
            raise UserError(f"{browser} could not print {page} (exit code {ended.returncode}): {' '.join(words)}")
        write_atomically(pdf, lambda file: file.write(content.rstrip() + MARK))
