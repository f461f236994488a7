"""Architecture files: what a chip is, and how its YAML file is found, read and checked.

Which question this package answers: *which chip does the user mean, and is its description whole?*

Importing the package costs nothing: pydantic and PyYAML are loaded on the first use of a name.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pimsim.config.architecture import Architecture, ideal_parts
    from pimsim.config.bundled import architecture_path, workload_path
    from pimsim.config.load import config_hash, load_architecture

__all__ = [
    "Architecture",
    "architecture_path",
    "config_hash",
    "ideal_parts",
    "load_architecture",
    "workload_path",
]

_HOMES: Final = {
    "Architecture": "pimsim.config.architecture",
    "architecture_path": "pimsim.config.bundled",
    "config_hash": "pimsim.config.load",
    "ideal_parts": "pimsim.config.architecture",
    "load_architecture": "pimsim.config.load",
    "workload_path": "pimsim.config.bundled",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'pimsim.config' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
