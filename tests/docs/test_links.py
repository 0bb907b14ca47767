"""Links, paths and options in the documentation exist."""

import re
from functools import cache
from pathlib import Path

import pytest

from tests.support.doc_commands import check_lossless
from tests.support.doc_pages import PAGES, ROOT, code_spans, name_of, prose

OTHER_OPTIONS = {  # of other programs
    "--break-system-packages",
    "--enclave",
    "--logdir",
    "--nproc-per-node",
    "--ros-args",
    "--show-args",
    "--system-site-packages",
}
FOLDERS = ("lossless_ros", "sim/lossless_sim", "sim", "config", "docs", "launch", "tests", "scripts", "benchmarks")
PATH = re.compile(rf"(?:{'|'.join(FOLDERS)})/[\w./*-]*|(?:[\w*-]+/)*[\w*-]+\.(?:py|xml|sh)")


@cache
def anchors(page: Path) -> set[str]:
    """Return the anchors of the headings of a page, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    plain = [re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", title).replace("`", "").lower() for title in titles]
    return {re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in plain}


@cache
def tracked_names() -> set[str]:
    """Return names of files in the folders of the source tree."""
    return {path.name for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.is_file()}


def links(page: Path) -> list[str]:
    return [*re.findall(r"\]\(([^)\s]+)\)", prose(page)), *re.findall(r'(?:src|href)="([^"]+)"', prose(page))]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        if re.match(r"https?://", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{link}: no such file"
        assert target.is_relative_to(ROOT), f"{link}: outside the repository"
        assert not anchor or anchor in anchors(target), f"{link}: no such heading; known: {sorted(anchors(target))}"


def test_every_page_is_reachable_from_the_index() -> None:
    index, reached = ROOT / "docs" / "index.md", set()
    todo = [index]
    while todo:
        page = todo.pop()
        if page not in reached and page in PAGES:
            reached.add(page)
            todo += [(page.parent / link.partition("#")[0]).resolve() for link in links(page)]
    assert set(PAGES) == reached


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_paths_of_the_source_tree_exist(page: Path) -> None:
    for span in code_spans(page):
        if not PATH.fullmatch(span):
            continue
        pattern = re.sub(r"[A-Z]{3,}", "*", span).rstrip("/")
        roots = [ROOT, ROOT / "lossless_ros", ROOT / "sim" / "lossless_sim"]
        found = any(next(root.glob(pattern), None) for root in roots)
        assert found or ("/" not in span and span in tracked_names()), f"`{span}` does not exist"


@cache
def all_options() -> set[str]:
    """Return the options of all commands, from their page."""
    page = (ROOT / "docs" / "reference" / "commands.md").read_text()
    return {"--help", *re.findall(r"^\| `(--[\w-]+)`", page, re.MULTILINE)}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_options_in_the_text_exist(page: Path) -> None:
    for span in code_spans(page):
        for option in re.findall(r"(?<!\S)--[a-z][\w-]*", span):
            assert option in all_options() | OTHER_OPTIONS, f"`{span}`: no command has {option}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_in_the_text_exist(page: Path) -> None:
    for span in code_spans(page):
        words = span.split()
        if words[0] == "lossless" and len(words) > 1:
            check_mentioned(words)


def check_mentioned(words: list[str]) -> None:
    """Check a command that may lack required options, by the page of commands."""
    page = (ROOT / "docs" / "reference" / "commands.md").read_text()
    names = re.findall(r"^## lossless (.+)$", page, re.MULTILINE)
    name = max((n for n in names if words[1 : 1 + len(n.split())] == n.split()), key=len, default=None)
    groups = {n.split()[0] for n in names}
    if name is None:
        assert words[1] in groups or words[1].startswith("--"), f"lossless has no command {words[1]}"
        return
    section = page.partition(f"## lossless {name}\n")[2].partition("\n## ")[0]
    for option in [word.partition("=")[0] for word in words if word.startswith("--")]:
        assert option == "--help" or f"`{option}`" in section, f"lossless {name} has no option {option}"


def test_a_wrong_option_is_found() -> None:
    with pytest.raises(AssertionError, match="lossless train has no option --epochs"):
        check_mentioned(["lossless", "train", "--epochs", "3"])
    check_lossless(["lossless", "bench", "sim", "--steps", "3"])
