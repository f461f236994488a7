"""The result folder: written as a whole or not at all, and read back without loss.

Which question this module answers: *how does a run keep its result on disk?*

A folder holds ``result.json`` (the headline and the manifest), ``actions.csv``,
``components.csv``, ``sources.csv`` and ``timeline.parquet`` with their checksums (all that
:func:`load_result` needs), ``recost.json`` (for ``pimsim recost``), ``ops.csv``,
``resources.csv``, ``trace.json``, ``figures/`` as SVG and PNG, and ``report.html``. Same inputs and
seed give the same bytes, the manifest in ``result.json`` and in ``report.html`` apart.

Everything is written into a sibling folder first, which then takes the target's name. On failure
or Ctrl-C the sibling goes away and whatever stood at the target stays. The exchange is two renames:
a crash of the machine between them leaves the old folder under the sibling's ``.old`` name.
"""

import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from pimsim.errors import InputError, OutputError
from pimsim.records import Result
from pimsim.report import document

RESULT_FILE: Final = "result.json"


def write(result: Result, folder: str | os.PathLike[str]) -> Path:
    """Write everything about ``result`` into ``folder``.

    Parameters
    ----------
    result
        What a run found.
    folder
        Where to write; made with its parents. A folder that holds a pimsim result is replaced.

    Returns
    -------
    Path
        The folder, absolute.

    Raises
    ------
    OutputError
        If the folder holds anything else, or cannot be written; what was there stays.

    See Also
    --------
    load_result : the way back.
    """
    return write_whole(folder, lambda place: _fill(result, place))


def write_whole(
    folder: str | os.PathLike[str],
    fill: Callable[[Path], None],
    holds: Callable[[Path], bool] | None = None,
) -> Path:
    """Write a folder as a whole or not at all.

    Parameters
    ----------
    folder
        Where to write; made with its parents.
    fill
        Writes every file into the empty folder that it is given.
    holds
        Whether a folder that is there may be replaced; if it holds a result when absent.

    Returns
    -------
    Path
        The folder, absolute.

    Raises
    ------
    OutputError
        If the folder holds anything else, or cannot be written; what was there stays.
    """
    target = _resolve(folder)
    check_output(target, holds)
    made = _make_parents(target)
    try:
        with _sibling(target) as sibling:
            fill(sibling)
            _exchange(sibling, target)
    except BaseException as error:
        _remove_empty(made)
        if isinstance(error, OSError):
            raise OutputError(f"cannot write to {target}: {_reason(error)}") from error
        raise
    return target


def load_result(folder: str | os.PathLike[str]) -> Result:
    """Read back the result that :func:`write` put into ``folder``, equal in every value.

    Raises
    ------
    InputError
        If there is no result, a newer pimsim wrote it, or one of its files is cut short or changed.
    """
    from pimsim.report import basis_file, tables, timeline_file

    place = Path(folder)
    path = place / RESULT_FILE
    if not path.is_file():
        if place.exists() and not place.is_dir():
            raise InputError(f"{place} is a file; name the folder that 'pimsim run' wrote")
        there = "it has no result.json" if place.is_dir() else "there is no such folder"
        raise InputError(f"no result in {place}: {there}; 'pimsim run --output {place}' writes one")
    try:
        text = path.read_text(encoding="utf-8")
        document.check_version(text, path)
        tables.check_complete(place)
        return document.from_json(
            text,
            path,
            counts=tables.read_counts(place / "actions.csv"),
            costs=tables.read_costs(place / "components.csv", place / "sources.csv"),
            timeline=timeline_file.read(place / "timeline.parquet"),
            sources=tables.read_sources(place / "sources.csv"),
            recost=basis_file.read(place),
        )
    except UnicodeDecodeError:
        raise InputError(f"{path}: not text in UTF-8") from None
    except OSError as error:
        raise InputError(f"cannot read the result in {place}: {_reason(error)}") from None


def check_output(
    folder: str | os.PathLike[str], holds: Callable[[Path], bool] | None = None
) -> None:
    """Check that a result may be written to ``folder``, before the work is done.

    Parameters
    ----------
    folder
        Where it is to be written.
    holds
        Whether a folder that is there may be replaced; if it holds a result when absent.

    Raises
    ------
    OutputError
        If it is a file, the current folder, a folder with other content than a pimsim result, or
        lies where nothing can be created.
    """
    target = _resolve(folder)
    try:
        _check_target(target, holds or _holds_result)
        existing = next(parent for parent in target.parents if parent.exists())
    except OSError as error:
        raise OutputError(f"cannot write to {target}: {_reason(error)}") from None
    if not existing.is_dir():
        raise OutputError(f"cannot write to {target}: {existing} is a file, not a folder")
    probe = existing / f".pimsim.{secrets.token_hex(4)}.tmp"
    try:  # permission bits do not tell: they do not bind root, nor say what a file system takes
        probe.mkdir()
        probe.rmdir()
    except OSError as error:
        raise OutputError(
            f"cannot write to {target}: nothing can be created in {existing} ({_reason(error)}); "
            "choose another folder with --output"
        ) from None


def _check_target(target: Path, holds: Callable[[Path], bool]) -> None:
    if not target.exists():
        return
    if not target.is_dir():
        raise OutputError(f"cannot write to {target}: it is a file; name a folder")
    if target == Path.cwd() or target in Path.cwd().parents:
        raise OutputError(
            f"cannot write to {target}: the current folder lies in it and a result replaces the "
            "whole folder; name a folder inside it"
        )
    first = next(iter(sorted(target.iterdir())), None)
    if first is not None and not holds(target):
        raise OutputError(
            f"cannot write to {target}: it holds other things ({first.name}, ...) and no pimsim "
            "result; name another folder with --output or empty this one"
        )


def _holds_result(folder: Path) -> bool:
    """Whether the folder carries a pimsim result of whatever version."""
    path = folder / RESULT_FILE
    if not path.is_file():
        return False
    try:
        document.stated_version(path.read_text(encoding="utf-8"), path)
    except (InputError, UnicodeDecodeError):
        return False
    return True


def _fill(result: Result, folder: Path) -> None:
    """Write every file of a result into an empty folder."""
    from pimsim.report import basis_file, figures, page, style, tables, trace

    (folder / RESULT_FILE).write_text(document.to_json(result), encoding="utf-8")
    tables.write_tables(result, folder)
    basis_file.write(result.recost, folder)
    trace.write_trace(result.timeline, folder / "trace.json")
    drawings: dict[str, str] = {}
    (folder / "figures").mkdir()
    for name, figure in figures.draw_all(result).items():
        drawings[name] = style.to_svg(figure)
        (folder / "figures" / f"{name}.svg").write_text(drawings[name], encoding="utf-8")
        style.save_png(figure, folder / "figures" / f"{name}.png")
    (folder / "report.html").write_text(page.render(result, drawings), encoding="utf-8")


@contextmanager
def _sibling(target: Path) -> Iterator[Path]:
    """Make a folder beside ``target``, and remove it if it is still there at the end."""
    sibling = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        sibling.mkdir()
        yield sibling
    finally:
        shutil.rmtree(sibling, ignore_errors=True)


def _exchange(sibling: Path, target: Path) -> None:
    """Give ``sibling`` the name ``target``; what had the name before is removed afterwards."""
    if not target.exists():
        sibling.rename(target)
        return
    old = sibling.with_suffix(".old")
    try:
        target.rename(old)
        sibling.rename(target)
    except BaseException:
        if old.exists() and not target.exists():
            old.rename(target)
        raise
    try:
        shutil.rmtree(old)
    except BaseException:
        shutil.rmtree(old, ignore_errors=True)
        raise


def _make_parents(target: Path) -> list[Path]:
    """Make the missing parents of ``target`` and return them, the innermost first."""
    missing = [parent for parent in target.parents if not parent.exists()]
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        _remove_empty(missing)
        raise OutputError(f"cannot write to {target}: {_reason(error)}") from None
    return missing


def _remove_empty(folders: list[Path]) -> None:
    """Remove folders made on the way, the innermost first; one that is in use stays."""
    for folder in folders:
        with suppress(OSError):
            folder.rmdir()


def _resolve(folder: str | os.PathLike[str]) -> Path:
    """Return the absolute path behind links, so that a link to a folder stays a link."""
    try:
        return Path(folder).expanduser().resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise OutputError(f"cannot write to {os.fspath(folder)!r}: {error}") from None


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
