"""pimsim: analog processing-in-memory chips running traced transformers.

One YAML file describes a chip, one traced PyTorch transformer is the work; pimsim says how accurate
the answers are, what they cost in energy and area, how long they take, and how that compares.

Examples
--------
::

    import pimsim

    result = pimsim.simulate("rap", "vit_digits", samples=64, chips=2, seed=0)
    print(result.accuracy, result.energy_uj, result.latency_us)
    pimsim.report.write(result, "my-result")
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

# Imported here, and kept light, so that `pimsim.simulate` is always the function: importing the
# submodule later no longer rebinds the name to the module.
from pimsim.provenance import VERSION
from pimsim.simulate import simulate

__version__ = VERSION

__all__ = [
    "Architecture",
    "PimsimError",
    "Result",
    "Workload",
    "__version__",
    "load_architecture",
    "load_result",
    "load_workload",
    "report",
    "simulate",
    "sweep",
]

if TYPE_CHECKING:
    from pimsim import report
    from pimsim.config import Architecture, load_architecture
    from pimsim.errors import PimsimError
    from pimsim.records import Result
    from pimsim.report import load_result
    from pimsim.sweeps import sweep
    from pimsim.workload import Workload, load_workload

_HOMES = {
    "Architecture": "pimsim.config",
    "load_architecture": "pimsim.config",
    "PimsimError": "pimsim.errors",
    "Result": "pimsim.records",
    "load_result": "pimsim.report",
    "Workload": "pimsim.workload",
    "sweep": "pimsim.sweeps",
    "load_workload": "pimsim.workload",
}


def __getattr__(name: str) -> Any:
    if name == "report":
        return import_module("pimsim.report")
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'pimsim' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
