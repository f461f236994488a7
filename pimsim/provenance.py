"""Where and with what a run took place.

Which question this module answers: *what else must I know to repeat this run?* The answer goes into
the manifest and influences no result.
"""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Final

VERSION: Final = "0.1.0"
"""Version of pimsim, the one place where it is written."""

_PACKAGES: Final = ("numpy", "scipy", "numba", "simpy", "pandas", "pydantic", "safetensors")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that compute."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "unknown"
    return found


def host() -> dict[str, str]:
    """Operating system, processor and cores."""
    return {
        "system": platform.system(),
        "machine": platform.machine(),
        "cores": str(os.cpu_count() or 1),
    }
