"""Write the reference documentation from the code.

    .venv/bin/python scripts/generate_docs.py [--check]

Pages of docs/reference/ are written whole; in other pages, the text between `<!-- generated: NAME begin -->` and
`<!-- generated: NAME end -->` is replaced. With --check nothing is written: the exit status is 1 if a page is stale,
and its name is printed.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "sim")]  # document this tree, whatever is installed

from scripts.docs import bundle, commands, domains, layers, node_parameters, settings, topics  # noqa: E402
from scripts.docs.markdown import HEADER, fill_markers  # noqa: E402

PAGES: dict[str, Callable[[], str]] = {
    "docs/reference/node-parameters.md": node_parameters.render,
    "docs/reference/topics.md": topics.render,
    "docs/reference/settings.md": settings.render,
    "docs/reference/commands.md": commands.render,
    "docs/reference/bundle.md": bundle.render,
    "docs/reference/domain-parameters.md": domains.render,
}
SECTIONS: dict[str, tuple[str, Callable[[], str]]] = {  # page -> marker and text
    "docs/explanation/architecture.md": ("layers", layers.render),
}


def generate() -> dict[str, str]:
    """Return the text of every page that is generated, wholly or in part, by its path in the repository."""
    pages = {path: f"{HEADER}\n\n{render().strip()}\n" for path, render in PAGES.items()}
    for path, (marker, render) in SECTIONS.items():
        pages[path] = fill_markers((ROOT / path).read_text(), marker, render().strip())
    return pages


def main() -> int:
    """Write the pages, or check them; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if a page is stale")
    check = parser.parse_args().check
    stale = []
    for name, text in generate().items():
        path = ROOT / name
        if path.is_file() and path.read_text() == text:
            continue
        stale.append(name)
        if not check:
            path.write_text(text)
    for name in stale:
        print(f"{name}: stale; run scripts/generate_docs.py" if check else f"{name}: written")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
