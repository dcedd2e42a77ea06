"""The tokens of the text form: what ``parser.py`` reads graphs from."""

from __future__ import annotations

import json
import re
from typing import NoReturn

from edgec.ir.codes import Code
from edgec.ir.diagnostics import Error, Finding
from edgec.ir.dims import Dim, parse_dim
from edgec.ir.printer import is_number

_TOKEN = re.compile(
    r"""\s*(?:(?P<comment>\#[^\n]*)
    |(?P<digest>sha256:[0-9a-f]{64})
    |(?P<sigil>[%@](?:"(?:[^"\\]|\\.)*"|[A-Za-z0-9_.$/-]+))
    |(?P<string>"(?:[^"\\]|\\.)*")
    |(?P<dim><(?:[^<>'\n]|'(?:[^'\\\n]|\\.)*')*>)
    |(?P<number>-?(?:inf|nan)(?![A-Za-z0-9_.$/-])|[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)
    |(?P<name>[A-Za-z_][A-Za-z0-9_.$/-]*)
    |(?P<mark>[()\[\]{}=:,|]))""",
    re.VERBOSE,
)
_NAMED = re.compile(r" *=")
_TYPED = re.compile(r" *\[")
_DIM_PIECE = re.compile(r"'(?:[^'\\\n]|\\.)*'|[^'(),\]\n]+|.|\n")
_PLAIN_DIMS = re.compile(r"\[([A-Za-z0-9_,+*/ -]*)\]")  # no name in quotes, no nested comma


class Tokens:
    """One token at hand, of a kind, at ``start``; the one read before it began at ``left``."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.kind = ""
        self.token = ""
        self.start = self.left = 0
        self.dims_memo: dict[str, tuple[Dim, ...]] = {}
        self.advance()

    def advance(self) -> str:
        """Move to the next token and return the one left behind."""
        left = self.token
        self.left = self.start
        while True:
            match = _TOKEN.match(self.text, self.position)
            if match is None:
                rest = self.text[self.position :].lstrip()
                if rest:
                    self.left = len(self.text) - len(rest)
                    self.fail(f"cannot read {rest.splitlines()[0][:40]!r}")
                self.kind, self.token, self.start = "end", "", len(self.text)
                return left
            self.position = match.end()
            if match.lastgroup != "comment":
                break
        self.kind = match.lastgroup or ""
        self.token = match.group(self.kind)
        self.start = match.start(self.kind)
        return left

    def accept(self, token: str) -> bool:
        if self.token == token and self.kind in ("mark", "name"):
            self.advance()
            return True
        return False

    def expect(self, token: str) -> None:
        if not self.accept(token):
            self.wanted(repr(token))

    def wanted(self, what: str) -> NoReturn:
        """Refuse the token at hand."""
        self.left = self.start
        self.fail(f"expected {what}, found {self.token!r}")

    def fail(self, message: str, cause: Exception | None = None) -> NoReturn:
        """Refuse what was read last."""
        line = self.text.count("\n", 0, self.left) + 1
        shown = self.text.split("\n")[line - 1].strip()[:120]
        finding = Finding(message, f"line {line}: {shown}")
        raise Error(Code.TEXT, "the text is not a graph", [finding]) from cause

    # -- pieces ---------------------------------------------------------------------------------

    def at_named_argument(self) -> bool:
        return self.kind == "name" and _NAMED.match(self.text, self.position) is not None

    def at_inline_constant(self) -> bool:
        return self.kind == "name" and _TYPED.match(self.text, self.position) is not None

    def dims(self) -> tuple[Dim, ...]:
        """``[…]`` read from the text itself: dims are expressions, with their own commas."""
        if self.token != "[":
            self.wanted("'['")
        plain = _PLAIN_DIMS.match(self.text, self.start)
        if plain is None:
            parts = self.dim_texts()
            self.advance()
            return _parsed(parts)
        self.position = plain.end()
        self.advance()
        inner = plain.group(1)
        found = self.dims_memo.get(inner)
        if found is None:
            found = self.dims_memo[inner] = _parsed(inner.split(","))
        return found

    def dim_texts(self) -> list[str]:
        """The parts of a list of dims at the commas outside of parentheses and quotes."""
        parts: list[str] = []
        begin = self.start + 1
        depth = 0
        mark = ""
        for piece in _DIM_PIECE.finditer(self.text, begin):
            mark = piece.group()
            depth += (mark == "(") - (mark == ")")
            if depth == 0 and mark in (",", "]"):
                parts.append(self.text[begin : piece.start()])
                begin = piece.end()
            if depth < 0 or mark == "\n" or (depth == 0 and mark == "]"):
                break
        if depth or mark != "]":
            self.left = self.start
            self.fail("a list of dims is not closed")
        self.position = begin
        return parts

    def name(self) -> str:
        if self.kind == "string":
            return self.string()
        if self.kind not in ("name", "number"):
            self.wanted("a name")
        return self.advance()

    def string(self) -> str:
        if self.kind != "string":
            self.wanted("a quoted text")
        return quoted(self.advance())

    def sigil(self) -> str:
        if self.kind != "sigil":
            self.wanted("%name or @name")
        text = self.advance()
        if text[1] != '"':
            return text
        name = quoted(text[1:])
        return text[0] + (json.dumps(name) if is_number(name) or name[:1] == '"' else name)


def quoted(text: str) -> str:
    """What a JSON string says. Raises ValueError when that is no text (half a character)."""
    found = str(json.loads(text))
    found.encode()
    return found


def _parsed(parts: list[str]) -> tuple[Dim, ...]:
    """Dims from their texts; ``[]`` is the one list of a single empty text."""
    texts = [part.strip() for part in parts]
    return tuple([parse_dim(text) for text in texts if text or len(texts) > 1])
