"""What pydantic objects to, in the words of someone who edits a YAML file.

Which question this module answers: *what is wrong at this key, what is allowed, how to mend it?*
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from pydantic import BaseModel

from pimsim.config import fields
from pimsim.config.document import Document, KeyPath, Place, Problem, shown
from pimsim.errors import nearest

_NAME_PATTERN: Final = "^[a-z][a-z0-9_]*$"
_INTEGER: Final = re.compile(r"[-+]?[0-9]+")
_SCIENTIFIC: Final = re.compile(r"([-+]?)([0-9]+)?(?:\.([0-9]*))?[eE]([-+]?)([0-9]+)")
_KEY_MARK: Final = "[key]"
"""What pydantic appends to the location of a bad key of a ``dict``."""


def translate(
    details: Iterable[Mapping[str, Any]], document: Document, model: type[BaseModel]
) -> list[Problem]:
    """Turn pydantic's error details into problems with a place.

    Parameters
    ----------
    details
        As from ``ValidationError.errors()``.
    document
        What was validated. A path that has a problem already gets no second one.
    model
        The model it was validated against.
    """
    known = {problem.path for problem in document.problems}
    problems = [_problem(detail, document, model) for detail in details]
    return [problem for problem in problems if problem.path not in known]


def _problem(detail: Mapping[str, Any], document: Document, model: type[BaseModel]) -> Problem:
    kind, value = detail["type"], detail["input"]
    path = tuple(part for part in detail["loc"] if part != _KEY_MARK)
    if kind == "missing":
        return Problem(document.place(path), path, "missing")
    if kind == "extra_forbidden":
        return Problem(document.place(path), path, _unknown_key(path, document, model))
    if kind == "value_error":
        message = str(detail["ctx"]["error"])
        key, colon, rest = message.partition(": ")
        if colon and (*path, key) in document.places:  # the validator of a section blames one key
            return Problem(document.place((*path, key)), (*path, key), rest)
        return Problem(_blamed(message, path, document), path, message)
    context = detail.get("ctx", {})
    wording = _WORDINGS.get(kind)
    message = wording(value, context) if wording else _plain(detail["msg"])
    return Problem(document.place(path), path, f"{message} (found {shown(value)})")


def _unknown_key(path: KeyPath, document: Document, model: type[BaseModel]) -> str:
    annotation: object = model
    data: object = document.data
    for part in path[:-1]:
        annotation = fields.child(annotation, part)
        data = data.get(part) if isinstance(data, Mapping) else None
    key = str(path[-1])
    return f"unknown key {shown(key)}{nearest(key, fields.keys(annotation, data))}"


def _blamed(message: str, path: KeyPath, document: Document) -> Place:
    """Find the place to blame for a broken rule between several keys of the section at ``path``.

    That is an override below ``path`` whose key the message names; else the key that the message
    begins with; else the section.
    """
    words = set(re.findall(r"[A-Za-z0-9_]+", message))
    overridden = [
        place
        for key, place in document.places.items()
        if place.line is None and key and key[: len(path)] == path and str(key[-1]) in words
    ]
    if overridden:
        return overridden[-1]
    first_word = message.partition(" ")[0]
    return document.place((*path, *first_word.split(".")))


def _plain(message: str) -> str:
    return message.replace("Input should", "must").replace("be a valid", "be a")


def _number(value: object, context: Mapping[str, Any]) -> str:
    text = "must be a number"
    if not isinstance(value, str):
        return text
    match = _SCIENTIFIC.fullmatch(value)
    if match:
        sign, whole, fraction, exponent_sign, exponent = match.groups()
        remedy = f"{sign}{whole or '0'}.{fraction or '0'}e{exponent_sign or '+'}{exponent}"
        return f"{text}; YAML reads {value} as text, write {remedy}"
    return f"{text} without quotes" if _is_number(value) else text


def _whole_number(value: object, context: Mapping[str, Any]) -> str:
    text = "must be a whole number"
    if isinstance(value, float) and value.is_integer():
        return f"{text}, write {int(value)}"
    quoted = isinstance(value, str) and _INTEGER.fullmatch(value)
    return f"{text} without quotes" if quoted else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _text(value: object, context: Mapping[str, Any]) -> str:
    if isinstance(value, bool):
        return "must be text; YAML reads yes, no, on and off as booleans, write it in quotes"
    return "must be text, write it in quotes" if isinstance(value, int | float) else "must be text"


def _choice(value: object, context: Mapping[str, Any]) -> str:
    expected = str(context["expected"])
    expected = {"True": "true", "False": "false"}.get(expected, expected)
    return f"must be {expected}"


def _pattern(value: object, context: Mapping[str, Any]) -> str:
    if context["pattern"] == _NAME_PATTERN:
        return "must be a name: lower-case letters, digits and _, a letter first"
    return f"must match {context['pattern']}"


def _says(text: str) -> Callable[[object, Mapping[str, Any]], str]:
    def say(value: object, context: Mapping[str, Any]) -> str:
        bounds = {
            key: f"{bound:g}" if isinstance(bound, float) else bound
            for key, bound in context.items()
        }
        return text.format(**bounds)

    return say


_WORDINGS: Final[Mapping[str, Callable[[object, Mapping[str, Any]], str]]] = {
    "int_type": _whole_number,
    "float_type": _number,
    "finite_number": _says("must be a finite number"),
    "string_type": _text,
    "bool_type": _says("must be true or false"),
    "literal_error": _choice,
    "greater_than_equal": _says("must be at least {ge}"),
    "greater_than": _says("must be above {gt}"),
    "less_than_equal": _says("must be at most {le}"),
    "less_than": _says("must be below {lt}"),
    "model_type": _says("must be a section of keys"),
    "dict_type": _says("must be a section of keys"),
    "tuple_type": _says("must be a list"),
    "list_type": _says("must be a list"),
    "none_required": _says("must be null"),
    "too_short": _says("must have at least {min_length} entry"),
    "string_pattern_mismatch": _pattern,
}
"""pydantic's error types that an architecture file can cause, and what is said instead."""


def in_order(problems: Sequence[Problem]) -> list[Problem]:
    """Sort problems as a reader meets them: lines of the file first, then overrides."""
    return sorted(problems, key=lambda problem: problem.place.line or _AFTER_ALL_LINES)


_AFTER_ALL_LINES: Final = 1 << 62
