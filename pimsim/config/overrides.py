"""Change keys of a configuration from the command line: ``--set macros.mram.adc.levels=17``.

Which question this module answers: *what does the file say once the user's changes are in it?*

A value is read as YAML and put in the file's place before anything is checked, so an override is
held to the same rules as the file; only the place in a message is ``--set PATH=VALUE``.
"""

import copy
import difflib
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import BaseModel

from pimsim.config import fields
from pimsim.config.converters import ADC_ALTERNATIVES, Adc
from pimsim.config.document import Document, KeyPath, Place, Problem, dotted, parse, shown
from pimsim.errors import ConfigError, nearest

ALTERNATIVES: Final[Mapping[type[BaseModel], tuple[tuple[str, ...], ...]]] = {
    Adc: (("levels", "bits"), *ADC_ALTERNATIVES)
}
"""Groups of keys of a section that exclude each other: setting one removes the others."""

_NULLS: Final = ("null", "Null", "NULL", "~")
_SUGGESTIONS: Final = 3
_CLOSE_RATIO: Final = 0.75
"""How alike two paths must be for one to be suggested for the other, from 0 to 1."""


def apply(document: Document, overrides: Sequence[str], model: type[BaseModel]) -> Document:
    """Return the document with the overrides in it.

    Parameters
    ----------
    document
        As read from the file; it is not changed.
    overrides
        ``PATH=VALUE``: keys joined by dots, and YAML. Optional keys that the file leaves out may be
        set; a whole section may be given as ``{key: value}``.
    model
        What the document is checked against afterwards; it knows which keys are allowed.

    Returns
    -------
    Document
        With a problem for every override that has no ``=``, no readable value or no place in the
        document, or that undoes another one; checking the document reports them with the file's.
    """
    changed = Document(copy.deepcopy(document.data), dict(document.places), list(document.problems))
    done: dict[KeyPath, str] = {}
    for override in overrides:
        place = Place(f"--set {override}")
        try:
            path, value = _split(override, place)
            _refuse_clash(path, done, place)
            _put(changed, path, value, model)
        except _Refused as refused:
            changed.problems.extend(refused.problems)
        else:
            done[path] = override
    return changed


class _Refused(Exception):  # noqa: N818  # never leaves this module
    """An override that cannot be applied."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__()
        self.problems = problems


def _split(override: str, place: Place) -> tuple[KeyPath, Document]:
    text, equals, value_text = override.partition("=")
    path = tuple(part.strip() for part in text.split("."))
    if not equals:
        raise _problem(place, (), "no '='; write --set PATH=VALUE")
    if not all(path):
        raise _problem(place, (), "the path has an empty part; write keys joined by dots")
    try:
        value = parse(value_text, place)
    except ConfigError as error:
        raise _problem(place, path, str(error).removeprefix(f"{place}: ")) from None
    if value.data is None and value_text.strip() not in _NULLS:
        raise _problem(place, path, "no value after '='; write null for nothing")
    if value.problems:
        raise _Refused(
            *(Problem(place, (*path, *found.path), found.message) for found in value.problems)
        )
    return path, value


def _refuse_clash(path: KeyPath, done: Mapping[KeyPath, str], place: Place) -> None:
    for earlier, override in done.items():
        if earlier[: len(path)] == path:
            raise _problem(place, path, f"undoes --set {override}; keep one of them")


def _put(document: Document, path: KeyPath, value: Document, model: type[BaseModel]) -> None:
    """Write a value into the document's data and note its place."""
    place = value.place(())
    holder, annotation = _holder(document, path, place, model)
    key = path[-1]
    if fields.child(annotation, key) is None:
        where = (annotation, holder)
        raise _unknown(path, len(path), where, place, document=document, model=model)
    if value.data is not None:
        for other in _alternatives(annotation, key):
            written = document.places.get((*path[:-1], other))
            if written is not None and written.line is None:
                raise _problem(place, path, f"excludes '{other}' of {written}; keep one of them")
            holder.pop(other, None)
            document.places.pop((*path[:-1], other), None)
    for known in [known for known in document.places if known[: len(path)] == path]:
        del document.places[known]
    for inner in value.places:
        document.places[*path, *inner] = place
    holder[key] = value.data


def _holder(
    document: Document, path: KeyPath, place: Place, model: type[BaseModel]
) -> tuple[dict[str | int, Any], object]:
    """Find the section that holds the last key of ``path``; optional ones are made."""
    holder: dict[str | int, Any] = document.data
    annotation: object = model
    for depth, key in enumerate(path[:-1], start=1):
        inner = fields.child(annotation, key)
        if inner is None:
            raise _unknown(path, depth, (annotation, holder), place, document=document, model=model)
        content = holder.get(key)
        if fields.section(inner) is None and fields.entry(inner) is None:
            raise _problem(place, path[:depth], _leaf(path[:depth], content))
        if content is None:
            if fields.entry(annotation) is not None:
                remedy = f"a new one is set as a whole, --set {dotted(path[:depth])}={{...}}"
                names = nearest(str(key), map(str, holder))
                raise _problem(place, path[:depth], f"no {shown(key)} here; {remedy}{names}")
            content = holder[key] = {}
            document.places[path[:depth]] = place
        elif not isinstance(content, dict):
            raise _problem(place, path[:depth], f"is no section in the file, but {shown(content)}")
        holder, annotation = content, inner
    return holder, annotation


def _alternatives(annotation: object, key: str | int) -> tuple[str, ...]:
    model = fields.section(annotation)
    groups = ALTERNATIVES.get(model, ()) if model is not None else ()
    return tuple(other for group in groups if key in group for other in group if other != key)


def _leaf(path: KeyPath, content: object) -> str:
    if isinstance(content, list):
        return f"is a list, set it as a whole: --set {dotted(path)}=[...]"
    return f"is a single value, nothing stands below it (found {shown(content)})"


def _unknown(
    path: KeyPath,
    depth: int,
    where: tuple[object, object],
    place: Place,
    *,
    document: Document,
    model: type[BaseModel],
) -> _Refused:
    """Say which part of a path is wrong, and which whole paths may have been meant.

    ``path[:depth]`` ends in the unknown key; ``where`` is the annotation and the content of the
    section that should hold it. A path whose first keys were left out is found by its end.
    """
    key = str(path[depth - 1])
    tails = {
        known: ".".join(known.split(".")[-len(path) :])
        for known in fields.paths(model, document.data)
    }
    close = difflib.get_close_matches(
        dotted(path), sorted(set(tails.values())), n=1, cutoff=_CLOSE_RATIO
    )
    meant = [known for known, tail in tails.items() if tail in close][:_SUGGESTIONS]
    hint = nearest(key, fields.keys(*where))
    if meant:
        hint = f"; did you mean {' or '.join(map(shown, meant))}?"
    return _problem(place, path[:depth], f"unknown key {shown(key)}{hint}")


def _problem(place: Place, path: KeyPath, message: str) -> _Refused:
    return _Refused(Problem(place, path, message))
