"""The page of domain parameters, from the dataclasses of the simulator."""

from lossless_sim.domains.parameters import PARAMETERS, SECTIONS

from scripts.docs.comments import field_comments, sentence
from scripts.docs.markdown import code, table

INTRO = """# Domain parameters

A domain file (`config/domains/`, or [your own](../how-to/make-a-domain.md)) has these sections and keys. Each value is
`{range: [LOW, HIGH], unit: UNIT, reason: "WHY"}`, with the unit of this page. In every episode each of the "size"
numbers is drawn uniformly from the range by itself. What a file does not list has its nominal value. Unit `1` means a
number without a unit, such as a factor."""


def render() -> str:
    """Return the page."""
    parts = [INTRO]
    for section, kind in SECTIONS.items():
        comments = field_comments(kind)
        rows = [
            (code(name), spec.unit, str(spec.size), f"{spec.nominal:g}", sentence(comments.get(name, "")))
            for name, spec in PARAMETERS[section].items()
        ]
        about = " ".join(str(kind.__doc__).split())
        parts += [f"## {section}", about, table(("key", "unit", "size", "nominal", "description"), rows)]
    return "\n\n".join(parts)
