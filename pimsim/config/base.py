"""What all YAML-backed models share: strict, frozen, no unknown keys.

Which question this module answers: *what does every configuration model promise?*
"""

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, ConfigDict

from pimsim.errors import nearest
from pimsim.registry import Registry


class Config(BaseModel):
    """Base of every configuration model: frozen, strict types, unknown keys are errors."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True
    )


def known_in(registry: Registry[Any]) -> Callable[[str], str]:
    """Return a validator that accepts the names of ``registry`` and suggests the nearest one."""

    def check(name: str) -> str:
        if name not in registry:
            raise ValueError(f"unknown {registry.kind} {name!r}{nearest(name, registry)}")
        return name

    return check
