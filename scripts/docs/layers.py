"""The layers of lossless_ros, for the architecture page."""

from pathlib import Path

import yaml

from scripts.docs.markdown import codes, table

LAYERS = Path(__file__).resolve().parents[2] / "docs" / "layers.yaml"


def render() -> str:
    """Return the table, lowest layer first."""
    rows = [(codes(row["parts"]), row["about"]) for row in yaml.safe_load(LAYERS.read_text())]
    return table(("part", "contents"), rows)
