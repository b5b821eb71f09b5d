"""Names and sentences from outside as Markdown that holds no markup of theirs."""

from batchclf.core.text import visible

LONGEST_NAME = 80

_ESCAPES = {ord(character): f"\\x{ord(character):02x}" for character in "`@<|"}
_MARKUP = {ord(character): f"\\{character}" for character in "\\*_[]#~>"}


def code(name: str, longest: int | None = LONGEST_NAME) -> str:
    r"""Show a name from outside as a code span; what could end it, notify somebody or break a table is escaped.

    Hidden characters and line breaks stand as in the page; a backtick, `@`, `<` and a pipe as `\x60`, `\x40`, `\x3c`
    and `\x7c`: then no program that reads Markdown, however well, takes them for more than text.
    """
    shown = visible(name).strip() or " "
    if longest is not None and len(shown) > longest:
        shown = f"{shown[: longest // 2]}…{shown[-(longest // 2) :]}"
    # Backslashes and longer fences are not understood by every Markdown reader (decision 076)
    return f"`{shown.translate(_ESCAPES)}`"


def prose(text: str) -> str:
    """Show a sentence as plain text: nothing in it is markup, a link or a mention."""
    return visible(text).translate(_MARKUP | _ESCAPES)
