"""The command line, the code and the whole config of one run."""

from gan_experiments.formatting import show
from gan_experiments.reports.blocks import Code, Details, Facts, Heading, Section, Table
from gan_experiments.runs.run import Run

REPOSITORIES = {"git": "gan_experiments", "user_git": "launched in"}


def section(run: Run) -> Section:
    """Return all that determines the run's code and config."""
    overrides = [show(word) for word in run.manifest.overrides]
    choices = {show(group): show(choice) for group, choice in run.choices.items()}
    settings = [[key, show(value)] for key, value in run.flat_config.items()]
    columns = [("key", "code"), ("value", "wrap code")]
    return Section(
        "settings",
        "Settings and code",
        [
            Heading("Command line"),
            Code("\n".join(overrides) or "(all defaults)"),
            Heading("Code"),
            Facts({name: run.commit(key) or "no git checkout" for key, name in REPOSITORIES.items()}, wide=True),
            Details(f"Choices of config groups ({len(choices)})", [Facts(choices)]),
            Details(f"The whole config ({len(settings)} keys)", [Table(columns, settings, "tall")]),
        ],
    )
