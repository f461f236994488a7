"""What all YAML-backed models share: strict, frozen, no unknown keys.

Which question this module answers: *what does every configuration model promise?*
"""

from collections.abc import Callable
from typing import Any, Final

from pydantic import BaseModel, ConfigDict

from pimsim.errors import nearest
from pimsim.registry import Registry

PICOSECOND_NS: Final = 0.001
"""Shortest time: one tick of the timing pass. [ns]"""


class Config(BaseModel):
    """Base of every configuration model: frozen, strict and finite, unknown keys are errors."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )


def known_in(registry: Registry[Any], role: str | None = None) -> Callable[[str], str]:
    """Return a validator that accepts names of ``registry`` and suggests the nearest one.

    Parameters
    ----------
    registry
        Where the name is looked up.
    role
        What the model must be for; a plug-in's model is taken at its user's word.
    """

    def check(name: str) -> str:
        if registry.is_own(name) and (role is None or registry.suits(name, role)):
            return name  # without a look at the plug-ins, which takes milliseconds
        suitable = [known for known in registry if role is None or registry.suits(known, role)]
        if name in suitable:
            return name
        wrong = f"unknown {registry.kind} {name!r}"
        if name in registry:
            wrong = f"{name!r} is no {registry.kind} for {role}"
        raise ValueError(f"{wrong}{nearest(name, suitable)}")

    return check
