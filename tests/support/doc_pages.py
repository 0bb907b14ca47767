"""The pages of the documentation, and the fenced blocks in them."""

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md")))
_FENCE = re.compile(
    r"(?:^ *<!-- not run: (?P<reason>.+?) -->\n)?^(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)^ *```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        page: path of the page in the repository.
        line: line of its fence.
        language: bash, python, yaml or text.
        text: what is in it, without indentation.
        reason: why it is not run; empty if it is.
        saved_as: name of the file as which the page says to save it; empty if it does not.
    """

    page: str
    line: int
    language: str
    text: str
    reason: str
    saved_as: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def name_of(page: Path) -> str:
    """Return the path of a page in the repository."""
    return str(page.relative_to(ROOT))


def blocks(page: Path) -> list[Block]:
    """Return the blocks of a page, from top to bottom."""
    text = page.read_text()
    found = []
    for match in _FENCE.finditer(text):
        saved = re.search(r"Save this as `(\S+)`[^`]*\Z", text[: match.start()])
        found.append(
            Block(
                page=name_of(page),
                line=text.count("\n", 0, match.start("indent")) + 1,
                language=match["language"],
                text=textwrap.dedent(match["text"]),
                reason=match["reason"] or "",
                saved_as=saved[1] if saved else "",
            )
        )
    return found


def all_blocks(language: str) -> list[Block]:
    """Return the blocks of a language on all pages."""
    return [block for page in PAGES for block in blocks(page) if block.language == language]


def prose(page: Path) -> str:
    """Return the text of a page without its blocks and comments."""
    return re.sub(r"<!--.*?-->", "", _FENCE.sub("", page.read_text()), flags=re.DOTALL)


def code_spans(page: Path) -> list[str]:
    """Return what stands in backticks in the prose of a page."""
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose(page))]
