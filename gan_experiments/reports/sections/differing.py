"""The keys in which several runs differ."""

from gan_experiments.reports.blocks import Section, Table, Text
from gan_experiments.reports.table import Comparison

MOST_VALUES = 30


def section(comparison: Comparison) -> Section:
    """Return each key with its values."""
    rows = []
    for key in comparison.keys:
        options = list(dict.fromkeys(comparison.settings[key]))
        rows.append([key, len(options), "; ".join(options[:MOST_VALUES]) + "; …" * (len(options) > MOST_VALUES)])
    columns = [("key", "code"), ("values", "number"), ("which", "wrap")]
    blocks = Table(columns, rows) if rows else Text("The configs of the runs do not differ.")
    return Section("differing", "What differs", [blocks])
