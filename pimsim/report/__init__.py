"""From a result to what people read: tables, figures, one page, and a folder that holds them.

Which question this package answers: *how do I keep, show and reopen what a run found?*

Everything here starts from one :class:`pimsim.records.Result` and computes nothing that the passes
did not. ``frames`` makes tidy tables of it, ``figures`` draws tables, ``page`` puts both on one
self-contained page, and :func:`write` and :func:`load_result` keep all of it in a folder without
loss. Importing this package loads neither pandas nor matplotlib.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pimsim.report import figures, frames
    from pimsim.report.document import to_json
    from pimsim.report.folder import check_output, load_result, write

__all__ = ["check_output", "figures", "frames", "load_result", "to_json", "write"]

_MODULES = ("figures", "frames")
_HOMES = {
    "check_output": "pimsim.report.folder",
    "load_result": "pimsim.report.folder",
    "to_json": "pimsim.report.document",
    "write": "pimsim.report.folder",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"pimsim.report.{name}")
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'pimsim.report' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
