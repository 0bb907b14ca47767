#!/usr/bin/env python3
"""Fill the tables of results in README.md and docs/ from benchmarks/results.

    python scripts/update_results.py            rewrite pages whose tables are out of date
    python scripts/update_results.py --check    change nothing; exit with status 1 and name the pages that are

A table stands between `<!-- results: NAME begin -->` and `<!-- results: NAME end -->`; benchmarks/tables has the names.
"""

import argparse
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.tables import TABLES  # noqa: E402

BLOCK = re.compile(r"(<!-- results: (?P<name>\S+) begin -->\n).*?(<!-- results: (?P=name) end -->)", re.DOTALL)


def fill(text: str) -> str:
    """Return the page with current tables between its markers.

    Raises:
        ValueError: a marker names no table, or has no partner.
    """

    def table(block: re.Match[str]) -> str:
        name = block["name"]
        if name not in TABLES:
            raise ValueError(f"unknown table '{name}'; known: {', '.join(TABLES)}")
        return f"{block[1]}{TABLES[name]()}\n{block[3]}"

    filled, blocks = BLOCK.subn(table, text)
    if len(re.findall(r"<!-- results: \S+ (begin|end) -->", text)) != 2 * blocks:
        raise ValueError("a results marker has no partner")
    return filled


def main() -> int:
    """Update or check all pages; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing; fail if a page is out of date")
    parser.add_argument("--root", type=Path, default=ROOT, help="folder of README.md and docs/")
    options = parser.parse_args()
    stale = False
    for page in (options.root / "README.md", *sorted((options.root / "docs").rglob("*.md"))):
        name, text = page.relative_to(options.root), page.read_text()
        try:
            current = fill(text)
        except ValueError as error:
            parser.error(f"{name}: {error}")
        if current == text:
            continue
        stale = True
        if options.check:
            print(f"{name}: out of date; run scripts/update_results.py")
        else:
            page.write_text(current)
            print(f"{name}: updated")
    return int(options.check and stale)


if __name__ == "__main__":
    sys.exit(main())
