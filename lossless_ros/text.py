"""Text from files and messages, made safe to show."""


def clean(text: str) -> str:
    """Return text in one line in which nothing acts on a terminal.

    White space of any kind becomes single blanks. Other characters that are not printed (escape sequences, marks that
    reverse the direction) become escapes such as `\\x1b`.
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in " ".join(text.split()))
