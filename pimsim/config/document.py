"""A YAML text as plain data that remembers where each key stands.

Which question this module answers: *what does this text say, on which line, and is it plain YAML?*

Only data is read: text, numbers, booleans, null, lists and mappings with text keys. Anchors,
aliases, tags and repeated keys are refused, and so are the spellings that YAML 1.1 reads as
something else than they look: octal ``010``, base-60 ``1:30``, ``.nan`` and ``.inf``.
"""

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from pimsim.errors import ConfigError

KeyPath = tuple[str | int, ...]
"""Keys and list indices from the top of the document down to a value."""

MAX_DEPTH: Final = 32
"""Deepest nesting that is read; an architecture file needs seven levels."""

_YAML: Final = "tag:yaml.org,2002:"
_NUMBERS: Final = (f"{_YAML}int", f"{_YAML}float")
_CONSTRUCTED: Final = (*_NUMBERS, f"{_YAML}bool", f"{_YAML}null")
_OCTAL: Final = re.compile(r"[-+]?0[0-9_]+")
_SHOWN_CHARACTERS: Final = 60


@dataclass(frozen=True, slots=True)
class Place:
    """Where something was written: a line of a file, or an override of the command line."""

    source: str
    line: int | None = None
    """Counted from 1; ``None`` for an override."""

    def __str__(self) -> str:
        return self.source if self.line is None else f"{self.source}:{self.line}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, and where."""

    place: Place
    path: KeyPath
    message: str

    def __str__(self) -> str:
        return ": ".join(filter(None, (str(self.place), dotted(self.path), self.message)))


@dataclass(frozen=True, slots=True)
class Document:
    """What a YAML text says.

    Reading does not stop at the first problem: whatever could be understood stands in ``data``.
    """

    data: Any
    places: dict[KeyPath, Place]
    """Where each key and each list item stands; the empty path is the text as a whole."""
    problems: list[Problem] = field(default_factory=list)

    def place(self, path: KeyPath) -> Place:
        """Place of the longest part of ``path`` that was written down."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.places:
                return self.places[path[:length]]
        return self.places[()]


def parse(text: str, origin: Place) -> Document:
    """Read one YAML document.

    Parameters
    ----------
    text
        The whole text.
    origin
        Its first line, or the override it comes from.

    Returns
    -------
    Document
        With ``data`` ``None`` for an empty text.

    Raises
    ------
    ConfigError
        If the text is not YAML, or uses anchors, aliases or tags, or nests deeper than
        :data:`MAX_DEPTH`: then nothing after that place can be trusted.

    Examples
    --------
    >>> parse("adc: {bits: 010}", Place("chip.yaml", 1)).problems[0].message
    "'010' is an octal number in YAML (8); write it without the leading zero"
    """
    with _syntax_errors(text, origin):
        loader = _PlainLoader(text, origin)
        try:
            node = loader.get_single_node()
        finally:
            loader.dispose()
    document = Document(data=None, places={(): origin})
    if node is None:
        return document
    return Document(_build(node, (), document, loader), document.places, document.problems)


def dotted(path: KeyPath) -> str:
    """Write a path as the user does.

    Examples
    --------
    >>> dotted(("macros", "mram", "notes", 0))
    'macros.mram.notes[0]'
    """
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def shown(value: object) -> str:
    """Write a value as YAML does, briefly, for the end of a message.

    Examples
    --------
    >>> shown(True), shown("256"), shown({"rows": 8})
    ('true', "'256'", 'a section with rows')
    """
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, dict):
        text = f"a section with {', '.join(map(str, value))}" if value else "an empty section"
    elif isinstance(value, list):
        text = f"a list of {len(value)}"
    else:
        text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 3]}..."


class _PlainLoader(yaml.SafeLoader):
    """Composes nodes of plain data only, and knows on which line each stands."""

    def __init__(self, text: str, origin: Place) -> None:
        super().__init__(text)
        self._origin = origin
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]  # absent from the stubs
        line = event.start_mark.line
        if getattr(event, "anchor", None) is not None:
            mark = "*" if isinstance(event, yaml.AliasEvent) else "&"
            refuse = f"{mark}{event.anchor}: anchors and aliases are not read; write the value out"
            raise self._refusal(line, refuse)
        if getattr(event, "tag", None) is not None:
            raise self._refusal(line, f"tag {event.tag!r}: tags are not read; write plain data")
        if self._depth >= MAX_DEPTH:
            raise self._refusal(line, f"nested deeper than {MAX_DEPTH} levels")
        self._depth += 1
        node: yaml.Node | None = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def place(self, node: yaml.Node) -> Place:
        """Where ``node`` begins."""
        return _at(self._origin, node.start_mark.line)

    def _refusal(self, line: int, message: str) -> ConfigError:
        return ConfigError([f"{_at(self._origin, line)}: {message}"])


def _at(origin: Place, line: int) -> Place:
    """Place of the text's line ``line``, counted from 0."""
    return origin if origin.line is None else Place(origin.source, origin.line + line)


@contextmanager
def _syntax_errors(text: str, origin: Place) -> Iterator[None]:
    try:
        yield
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position)
        message = f"character U+{error.character:04X} is not allowed in YAML; remove it"
        raise ConfigError([f"{_at(origin, line)}: {message}"]) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = _at(origin, mark.line if mark else 0)
        raise ConfigError([f"{place}: {_syntax_message(error)}"]) from None


def _syntax_message(error: yaml.MarkedYAMLError) -> str:
    problem = error.problem or "unreadable"
    if r"'\t'" in problem:
        return "a tab cannot indent or start a value in YAML; use spaces"
    if "another document" in problem:
        return "a second document begins here; a file holds one"
    if not error.context:
        return f"not valid YAML: {problem}"
    begun = ""
    if error.context_mark and error.problem_mark:
        first, last = error.context_mark.line, error.problem_mark.line
        begun = f" (begun on line {first + 1})" if first != last else ""
    if problem.startswith("expected <block end>"):
        return f"does not continue the block{begun}; check the indentation and the quotes"
    return f"not valid YAML: {error.context}{begun}: {problem}"


def _build(node: yaml.Node, path: KeyPath, document: Document, loader: _PlainLoader) -> Any:
    """Turn a node into plain data, noting the place of every key and item."""
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, document, loader)
    if isinstance(node, yaml.SequenceNode):
        items = []
        for index, item in enumerate(node.value):
            document.places[*path, index] = loader.place(item)
            items.append(_build(item, (*path, index), document, loader))
        return items
    return _scalar(node, path, document, loader)


def _mapping(
    node: yaml.MappingNode, path: KeyPath, document: Document, loader: _PlainLoader
) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for key_node, value_node in node.value:
        place = loader.place(key_node)
        if key_node.tag != f"{_YAML}str" and key_node.value not in ("=", "<<"):
            message = _key_message(key_node)
            document.problems.append(Problem(place, path, message))
            continue
        key = str(key_node.value)
        inner = (*path, key)
        if key in data:
            first = document.places[inner].line
            where = f" (first on line {first})" if first is not None else ""
            message = f"repeated key {shown(key)}{where}; keep one of them"
            document.problems.append(Problem(place, inner, message))
            continue
        document.places[inner] = place
        data[key] = _build(value_node, inner, document, loader)
    return data


def _key_message(node: yaml.Node) -> str:
    if not isinstance(node, yaml.ScalarNode):
        return "a key must be a word, found a list or section"
    meaning = {"bool": "a boolean", "null": "null", "int": "a number", "float": "a number"}
    kind = meaning.get(node.tag.removeprefix(_YAML), "a date")
    return f"key {shown(node.value)} is {kind} in YAML; write it in quotes"


def _scalar(node: yaml.Node, path: KeyPath, document: Document, loader: _PlainLoader) -> Any:
    if node.tag not in _CONSTRUCTED:
        return node.value
    problem = _misleading_number(node.value) if node.tag in _NUMBERS else None
    if problem is None:
        try:
            value = loader.construct_object(node)
        except ValueError:  # thousands of digits, or 0x without any
            problem = f"{shown(node.value)} is not a number that can be read"
        else:
            if not isinstance(value, float) or math.isfinite(value):
                return value
            problem = f"{shown(node.value)} is not a finite number"
    document.problems.append(Problem(loader.place(node), path, problem))
    return node.value


def _misleading_number(text: str) -> str | None:
    if ":" in text:
        return f"{shown(text)} is a base-60 number in YAML; write a plain number or use quotes"
    if _OCTAL.fullmatch(text):
        meaning = f"an octal number in YAML ({int(text.replace('_', ''), 8)})"
        return f"{shown(text)} is {meaning}; write it without the leading zero"
    return None
