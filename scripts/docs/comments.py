"""Descriptions that stand as comments behind dataclass fields and YAML keys."""

import ast
import inspect
import io
import re
import textwrap
import tokenize
from pathlib import Path


def field_comments(cls: type) -> dict[str, str]:
    """Return the comment on the last line of each field of a class; fields without one are left out."""
    source = textwrap.dedent(inspect.getsource(cls))
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    comments = {token.start[0]: token.string.lstrip("# ") for token in tokens if token.type == tokenize.COMMENT}
    body = ast.parse(source).body[0]
    assert isinstance(body, ast.ClassDef)
    fields = {str(getattr(n.target, "id", "")): n.end_lineno for n in body.body if isinstance(n, ast.AnnAssign)}
    return {name: comments[line] for name, line in fields.items() if line in comments}


def yaml_comments(path: Path) -> dict[str, str]:
    """Return the comment on the line of each top-level key of a YAML file; keys without one are left out."""
    lines = re.finditer(r"^(\w+):[^#\n]*#\s*(.+)$", path.read_text(), re.MULTILINE)
    return {line[1]: line[2].strip() for line in lines}


def sentence(text: str) -> str:
    """Return a comment with a capital letter at its start and a full stop at its end."""
    return f"{text[:1].upper()}{text[1:].rstrip('.')}." if text else ""
