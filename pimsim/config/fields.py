"""Which keys a configuration model allows, and where.

Which question this module answers: *which paths exist, so that a wrong one can be set right?*

A place in a model is described by its annotation: a section is a pydantic model, a library (such
as ``macros``) is a ``dict`` whose keys are names that the user invents, anything else is a value.
"""

import types
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel


def section(annotation: object) -> type[BaseModel] | None:
    """Return the model that a place holds, if it is a section."""
    for member in _members(annotation):
        if isinstance(member, type) and issubclass(member, BaseModel):
            return member
    return None


def entry(annotation: object) -> object | None:
    """Return the annotation of one entry, if the place is a library of named entries."""
    for member in _members(annotation):
        if get_origin(member) is dict:
            value: object = get_args(member)[1]
            return value
    return None


def keys(annotation: object, data: object) -> tuple[str, ...]:
    """List the keys that a place knows: a section's fields, or the names a library holds.

    Parameters
    ----------
    annotation
        What the model says of the place.
    data
        What the file holds there.
    """
    model = section(annotation)
    if model is not None:
        return tuple(model.model_fields)
    if entry(annotation) is not None and isinstance(data, Mapping):
        return tuple(data)
    return ()


def child(annotation: object, key: str | int) -> object | None:
    """Return the annotation below ``key``, or ``None`` if nothing can stand there."""
    model = section(annotation)
    if model is not None:
        known = model.model_fields.get(str(key))
        return None if known is None else known.annotation
    return entry(annotation)


def paths(annotation: object, data: object, prefix: str = "") -> Iterator[str]:
    """Yield every dotted path that a file may set, sections before what is in them."""
    for key in keys(annotation, data):
        yield f"{prefix}{key}"
        inner = data.get(key) if isinstance(data, Mapping) else None
        yield from paths(child(annotation, key), inner, f"{prefix}{key}.")


def _members(annotation: Any) -> tuple[object, ...]:
    """Strip ``Annotated`` and open up unions."""
    if get_origin(annotation) is Annotated:
        return _members(annotation.__origin__)
    if get_origin(annotation) in (Union, types.UnionType):
        return tuple(part for arg in get_args(annotation) for part in _members(arg))
    return (annotation,)
