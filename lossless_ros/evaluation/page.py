"""Fill the HTML templates in `pages/`."""

from pathlib import Path
from typing import Any

from lossless_ros.errors import LosslessError
from lossless_ros.text import clean


def write_page(template: str, path: Path, values: dict[str, Any]) -> None:
    """Fill `template` and write the page to `path`; all values but `Markup` are cleaned and escaped.

    Raises:
        LosslessError: the page cannot be written.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    folder = Path(__file__).parent / "pages"
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: clean(value) if type(value) is str else value,  # not of Markup
    )
    environment.filters["percent"] = lambda rate: f"{100 * rate:.1f} %"
    page = environment.get_template(template).render(values)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page)
    except OSError as error:
        raise LosslessError(f"cannot write {path}: {error.strerror}") from None
