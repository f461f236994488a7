"""From a result to what people read: tables, figures, one page, and a folder that holds them.

Which question this package answers: *how do I keep, show and reopen what a run found?*

Everything here starts from a :class:`pimsim.records.Result`, or the record of a sweep, and computes
nothing that the passes did not. ``frames`` makes tidy tables of it, ``figures`` draws tables,
``page`` puts both on one self-contained page, and :func:`write` and :func:`load_result` keep all of
it in a folder without loss. :func:`write_page` tells sweeps and several results on one page.
Importing this package loads neither pandas nor matplotlib.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pimsim.report import figures, frames
    from pimsim.report.document import to_json
    from pimsim.report.folder import check_output, load_result, write
    from pimsim.report.pages import render_page, write_page

__all__ = [
    "check_output",
    "figures",
    "frames",
    "load_result",
    "render_page",
    "to_json",
    "write",
    "write_page",
]

_MODULES = ("figures", "frames")
_HOMES = {
    "check_output": "pimsim.report.folder",
    "load_result": "pimsim.report.folder",
    "render_page": "pimsim.report.pages",
    "to_json": "pimsim.report.document",
    "write": "pimsim.report.folder",
    "write_page": "pimsim.report.pages",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"pimsim.report.{name}")
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'pimsim.report' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
