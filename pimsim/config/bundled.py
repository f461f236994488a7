"""Find architectures, sweeps and workloads by name.

Which question this module answers: *which file does the user mean by ``rap``?*

A name is looked for as a path, then in each folder of ``$PIMSIM_PATH``, then (a workload) among
those that build scripts put into ``$PIMSIM_CACHE``, then among the bundled data, and the first
place that has it wins. The data are inside the package when it was installed from a wheel, and
beside it in a source tree. Names are flat: an architecture is called as its file
(``arch_configs/<name>.yaml``) or, for a published chip, as its folder
(``arch_configs/published/<name>/chip.yaml``), a workload as its folder.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pimsim.errors import InputError, NotFoundError, nearest

PATH_VARIABLE: Final = "PIMSIM_PATH"
"""Environment variable: folders, separated as in ``PATH``, that each hold ``arch_configs/`` and
``workloads/``, or architecture files and workload folders directly."""

CACHE_VARIABLE: Final = "PIMSIM_CACHE"
"""Environment variable: the folder for what is too large for the package and is built or fetched
once, ``~/.cache/pimsim`` where it is not set."""

_GRAPH_FILE: Final = "graph.json"
_CHIP_FILE: Final = "chip.yaml"
_PACKAGE: Final = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class _Kind:
    word: str
    folder: str
    globs: tuple[str, ...]


_ARCHITECTURE: Final = _Kind(
    "architecture", "arch_configs", ("*.yaml", f"published/*/{_CHIP_FILE}")
)
_SWEEP: Final = _Kind("sweep", "arch_configs", ("sweeps/*.yaml",))
_WORKLOAD: Final = _Kind("workload", "workloads", (f"*/{_GRAPH_FILE}",))


def architecture_path(name_or_path: str | os.PathLike[str]) -> Path:
    """Find an architecture file.

    Parameters
    ----------
    name_or_path
        What holds a separator or ends in ``.yaml`` or ``.yml`` is a path, and so is the name of
        a file in the current folder; anything else is a name.

    Returns
    -------
    Path
        Whether the file is valid is not looked at.

    Raises
    ------
    NotFoundError
        If there is no such file or name; the nearest names are given.
    InputError
        If one place has the name twice.

    Examples
    --------
    >>> architecture_path("rap").name
    'rap.yaml'
    """
    return _file_path(name_or_path, _ARCHITECTURE)


def sweep_path(name_or_path: str | os.PathLike[str]) -> Path:
    """Find a sweep file, as :func:`architecture_path` finds an architecture.

    Names are those of ``arch_configs/sweeps/<name>.yaml``.

    Raises
    ------
    NotFoundError, InputError
        As there.
    """
    return _file_path(name_or_path, _SWEEP)


def workload_path(name_or_path: str | os.PathLike[str]) -> Path:
    """Find a workload folder.

    Parameters
    ----------
    name_or_path
        What holds a separator is a path, and so is the name of a folder with a ``graph.json`` in
        the current folder; anything else is a name.

    Returns
    -------
    Path
        Whether the folder is a valid workload is not looked at.

    Raises
    ------
    NotFoundError
        If there is no such folder or name; the nearest names are given.
    InputError
        If one place has the name twice.
    """
    text = os.fspath(name_or_path)
    path = Path(text)
    is_path = _has_separator(text)
    if _is_file(path / _GRAPH_FILE) or (is_path and _exists(path)):
        return path
    if is_path:
        raise _missing_path(text, path.name or text, _WORKLOAD)
    hint = ""
    if _exists(path):
        hint = f", and the folder {text!r} here has no {_GRAPH_FILE}"
        if _is_file(path):
            hint = f", and {text!r} here is a file, not a folder"
    return _find_name(text, _WORKLOAD, hint)


def bundled_architectures() -> dict[str, Path]:
    """Return the architectures that come with pimsim, by name, sorted."""
    return _named_in(_bundled_folders(_ARCHITECTURE), _ARCHITECTURE)


def bundled_workloads() -> dict[str, Path]:
    """Return the workloads that come with pimsim, by name, sorted."""
    return _named_in(_bundled_folders(_WORKLOAD), _WORKLOAD)


def known_sweeps() -> dict[str, Path]:
    """Return every sweep that goes by a name, those of ``$PIMSIM_PATH`` included."""
    return _known(_SWEEP)


def cache_folder() -> Path:
    """Return the folder of ``$PIMSIM_CACHE``; it need not exist yet."""
    named = os.environ.get(CACHE_VARIABLE, "")
    return Path(named) if named else Path.home() / ".cache" / "pimsim"


def known_architectures() -> dict[str, Path]:
    """Return every architecture that goes by a name, those of ``$PIMSIM_PATH`` included."""
    return _known(_ARCHITECTURE)


def known_workloads() -> dict[str, Path]:
    """Return every workload that goes by a name, in ``$PIMSIM_PATH``, cached or bundled."""
    return _known(_WORKLOAD)


def _file_path(name_or_path: str | os.PathLike[str], kind: _Kind) -> Path:
    text = os.fspath(name_or_path)
    path = Path(text)
    is_path = _has_separator(text) or path.suffix in (".yaml", ".yml")
    if _is_file(path) or (is_path and _exists(path)):  # the reader refuses what is not a file
        return path
    if is_path:
        raise _missing_path(text, _architecture_name(path), kind)
    beside = f"{text}.yaml"
    hint = f"; did you mean the file '{beside}'?" if _is_file(Path(beside)) else ""
    return _find_name(text, kind, hint)


def _find_name(name: str, kind: _Kind, hint: str) -> Path:
    """Find what goes by a name; ``hint`` tells what else the user may have meant."""
    known = _known(kind)
    if name not in known:
        hint = hint or nearest(name, known)
        raise NotFoundError(f"no {kind.word} is called {name!r}{hint}")
    return known[name]


def _missing_path(text: str, name: str, kind: _Kind) -> NotFoundError:
    """Say that there is nothing at a path, and which name may have been meant."""
    known = _known(kind)
    hint = nearest(name, known)
    if name in known:
        hint = f"; the {kind.word} that comes by name is called just {name!r}"
    return NotFoundError(f"{text}: no such {kind.word}{hint}")


def _is_file(path: Path) -> bool:
    """Whether ``path`` is a file; a name that no file system takes is none."""
    try:
        return path.is_file()
    except OSError:
        return False


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False


def _known(kind: _Kind) -> dict[str, Path]:
    """Everything of one kind by name; an earlier place hides the same name in a later one."""
    known = _named_in(_bundled_folders(kind), kind)
    if kind is _WORKLOAD:
        known |= _named_in([cache_folder() / kind.folder], kind)
    for place in reversed(_user_places()):
        known |= _named_in([place, place / kind.folder], kind)
    return dict(sorted(known.items()))


def _user_places() -> list[Path]:
    places = [Path(part) for part in os.environ.get(PATH_VARIABLE, "").split(os.pathsep) if part]
    for place in places:
        if not place.is_dir():
            raise NotFoundError(
                f"${PATH_VARIABLE} names {str(place)!r}, which is not a folder; correct or unset it"
            )
    return places


def _bundled_folders(kind: _Kind) -> list[Path]:
    """Folders inside the package, as a wheel installs it, else those beside it."""
    inside = _PACKAGE / "_bundled"
    root = inside if inside.is_dir() else _PACKAGE.parent
    if not (root / _ARCHITECTURE.folder).is_dir():
        raise NotFoundError(f"the bundled data of pimsim are missing from {root}; reinstall it")
    return [root / kind.folder]


def _named_in(folders: Iterable[Path], kind: _Kind) -> dict[str, Path]:
    """What one place holds; a name that two of its files claim is an error."""
    named: dict[str, Path] = {}
    marks = (mark for folder in folders for glob in kind.globs for mark in folder.glob(glob))
    for mark in sorted(marks):
        path = mark.parent if mark.name == _GRAPH_FILE else mark
        name = path.name if kind is _WORKLOAD else _architecture_name(path)
        if name in named:
            raise InputError(
                f"two {kind.word}s are called {name!r}: {named[name]} and {path}; rename one"
            )
        named[name] = path
    return dict(sorted(named.items()))


def _architecture_name(path: Path) -> str:
    return path.parent.name if path.name == _CHIP_FILE else path.stem


def _has_separator(text: str) -> bool:
    return os.sep in text or bool(os.altsep and os.altsep in text)
