"""`report`."""

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from gan_experiments.cli.paths import RunPaths
from gan_experiments.formatting import print_json, say
from gan_experiments.io import write_atomically
from gan_experiments.runs.run import find_runs
from gan_experiments.types import UserError

SHOWN = 20
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
TIMEOUT = 300  # seconds
PDF_MARK = b"\n% report of gan-experiments\n"
"""Ends a PDF of ours; readers skip it."""


def report(
    paths: RunPaths,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="The page to write, NAME.html; NAME.md goes beside it. [RUN/report.html; of several "
            "runs ./report.html]",
        ),
    ] = None,
    pdf: Annotated[bool, typer.Option("--pdf", help="Write NAME.pdf too, by a Chromium that is installed.")] = False,
    title: Annotated[str | None, typer.Option(help="What stands above it.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was written as JSON.")] = False,
) -> None:
    """Write the lab report of a run, or of several with their comparison: one page, and the same in Markdown."""
    from gan_experiments.reports.html import files
    from gan_experiments.reports.lab_report import write_report  # pages take a moment

    records = find_runs(paths)
    directory = records[0].directory if len(records) == 1 else Path.cwd()
    output = (output or directory / "report.html").expanduser().absolute()
    written = files(output, ".md")
    browser = ""
    try:
        if pdf:
            browser = find_browser()
            written.append(output.with_suffix(".pdf"))
            check_pdf(written[-1])
        write_report(records, output, title)
        if pdf:
            print_page(output, written[-1], browser)
    except OSError as error:
        raise UserError(f"{output} cannot be written ({error}): name another place with -o.") from error
    unread = {str(record.directory): record.problem for record in records if record.state == "unreadable"}
    if as_json:
        print_json({"written": [str(path) for path in written], "unread": unread})
        return
    for path, problem in list(unread.items())[:SHOWN]:
        say(f"Not read: {path}: {problem}.")
    if len(unread) > SHOWN:
        say(f"Not read: {len(unread) - SHOWN} more; the report lists them.")
    num_runs = len(records) - len(unread)
    others = " and ".join(path.name for path in written[1:])
    say(f"Report on {num_runs} run{'s' * (num_runs != 1)}: {written[0]}, beside it {others}.")


def find_browser() -> str:
    """Return the path of a browser that can print, or raise `UserError`."""
    for name in BROWSERS:
        if found := shutil.which(name):
            return found
    raise UserError(
        f"--pdf needs a browser that prints, and none of {', '.join(BROWSERS)} is on PATH. Install Chromium (apt-get "
        "install chromium) or Google Chrome, or leave --pdf out and print the .html from any browser."
    )


def check_pdf(path: Path) -> None:
    """Make sure that a file, if there is one, is a report and may be overwritten."""
    if path.exists() and not (path.is_file() and path.read_bytes().endswith(PDF_MARK)):
        raise UserError(f"{path} exists and is not a report: move it away, or name another file.")


def print_page(page: Path, pdf: Path, browser: str) -> None:
    """Print a page, with all its figures drawn, to a PDF."""
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
        write_atomically(pdf, lambda file: file.write(content.rstrip() + PDF_MARK))
