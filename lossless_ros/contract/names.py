"""Names in contracts and bundles: of topics, and of what is shown to users."""

import re

from lossless_ros.contract.size_limits import MAX_NAME_LENGTH

_TOPIC = re.compile(r"(~/|/)?[A-Za-z_][A-Za-z0-9_]*(/[A-Za-z_][A-Za-z0-9_]*)*")


def check_topic_name(what: str, name: str) -> None:
    """Check that ROS 2 accepts a topic name.

    Raises:
        ValueError: it does not.
    """
    if len(name) > MAX_NAME_LENGTH or not _TOPIC.fullmatch(name):
        raise ValueError(
            f"{what} is {name[:80]!r}, expected a topic name: letters, digits, '_' and '/', no digit after '/', "
            f"at most {MAX_NAME_LENGTH} characters"
        )


def check_text(what: str, text: str) -> None:
    """Check that a name is short and has printable characters only.

    Raises:
        ValueError: it is empty, too long, or has other characters.
    """
    if not text or len(text) > MAX_NAME_LENGTH or not text.isprintable():
        raise ValueError(f"{what} is {text[:80]!r}, expected 1 to {MAX_NAME_LENGTH} printable characters")
