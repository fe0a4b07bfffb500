"""`gan-experiments VERB RUN ...`: what is done with finished runs."""

import logging
import sys

import typer

from gan_experiments.cli.clean import clean
from gan_experiments.cli.compare import compare
from gan_experiments.cli.diff import diff
from gan_experiments.cli.evaluate import evaluate, fit_extractor
from gan_experiments.cli.export import export
from gan_experiments.cli.inspect import inspect
from gan_experiments.cli.list import list_parts
from gan_experiments.cli.report import report
from gan_experiments.cli.runs import runs
from gan_experiments.cli.sample import sample
from gan_experiments.cli.show import show
from gan_experiments.config.errors import COMPOSITION_ERRORS, explain, explain_plain
from gan_experiments.types import RunFailedError, UserError

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)


@app.callback()
def verbs() -> None:
    """Do something with finished runs; training itself is `python -m gan_experiments`."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)


app.command("list")(list_parts)
for verb in (runs, show, diff, compare, report, evaluate, fit_extractor, sample, export, inspect, clean):
    app.command()(verb)


def main() -> None:
    """Run the command line; 2 is the exit code of a mistake that the user can mend."""
    try:
        app()
    except (UserError, RunFailedError) as error:
        sys.exit(_fail(str(error)))
    except COMPOSITION_ERRORS as error:
        sys.exit(_fail(explain(error, sys.argv[1:])))
    except (ValueError, TypeError) as error:
        said = explain_plain(error, sys.argv[1:])
        if said is None:
            raise
        sys.exit(_fail(said))


def _fail(message: str) -> int:
    sys.stderr.write(f"error: {message}\n")
    return 2
