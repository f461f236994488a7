"""The page of any number of sweeps and results, and where it is written.

Which question this module answers: *how do I send a colleague what is in these folders?*
"""

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from pimsim.dse.record import SweepRecord, is_sweep, open_sweep
from pimsim.errors import InputError, OutputError
from pimsim.report import designs_page, sweep_page
from pimsim.report.folder import RESULT_FILE, load_result
from pimsim.report.page_frame import MARK
from pimsim.report.page_parts import Part, joined, result_part

FILE: Final = "report.html"
_SEVERAL: Final = Path("pimsim-out")
"""Where the page of several folders goes unless told."""
_HEAD_BYTES: Final = 4096
_SUFFIXES: Final = (".html", ".htm")


def render_page(paths: Sequence[str | os.PathLike[str]]) -> str:
    """Return the page of some folders, as the text of one HTML file.

    Parameters
    ----------
    paths
        Folders of sweeps and of results. Each sweep is a part of the page, in their order; then
        the results, set against each other if there are several.

    Raises
    ------
    InputError
        If there is none, one is given twice, is neither, or cannot be read.
    """
    folders = _checked(paths)
    sweeps = {folder: open_sweep(folder) for folder in folders if is_sweep(folder)}
    parts = [_told_apart(sweeps, folder) for folder in sweeps]
    results = {folder: load_result(folder) for folder in folders if not is_sweep(folder)}
    if len(results) == 1:
        parts += [result_part(result) for result in results.values()]
    elif results:
        parts.append(designs_page.part(results))
    return joined(parts)


def _told_apart(sweeps: Mapping[Path, SweepRecord], folder: Path) -> Part:
    """The part of a sweep; of sweeps with one name, the folder tells which."""
    part = sweep_page.part(sweeps[folder])
    same = [record for record in sweeps.values() if record.name == sweeps[folder].name]
    return part if len(same) == 1 else replace(part, title=f"{part.title} in {folder.name}")


def write_page(
    paths: Sequence[str | os.PathLike[str]], output: str | os.PathLike[str] | None = None
) -> Path:
    """Write the page of some folders.

    Parameters
    ----------
    paths
        As for :func:`render_page`.
    output
        The file; absent: ``report.html`` in the folder, of several folders in ``pimsim-out``.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    InputError
        See :func:`render_page`.
    OutputError
        If the file cannot be written, or is there and is no page of pimsim's.
    """
    folders = _checked(paths)
    default = folders[0] / FILE if len(folders) == 1 else _SEVERAL / FILE
    target = default if output is None else Path(output)
    check_page_output(target)
    _write(target, render_page(folders))
    return target


def check_page_output(target: Path) -> None:
    """Check, before the work is done, that a page may be written.

    Raises
    ------
    OutputError
        If it is a folder, does not end in ``.html`` or ``.htm``, or is a file that is no page of
        pimsim's.
    """
    if target.is_dir():
        raise OutputError(f"cannot write to {target}: it is a folder; name a file in it")
    if target.suffix not in _SUFFIXES:
        raise OutputError(f"cannot write to {target}: the page is HTML; end its name in .html")
    if not target.exists():
        return
    try:
        with target.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError as error:
        raise _unwritable(target, error) from None
    if MARK.encode() not in head:
        raise OutputError(
            f"cannot write to {target}: it is there and is no page of pimsim's; name another file "
            "with --output or remove it"
        )


def _checked(paths: Sequence[str | os.PathLike[str]]) -> list[Path]:
    """Folders that each hold a sweep or a result, none of them twice."""
    folders = [Path(path) for path in paths]
    if not folders:
        raise InputError("name the folder of a sweep or of a result, or several")
    for number, folder in enumerate(folders):
        if folder.resolve() in [other.resolve() for other in folders[:number]]:
            raise InputError(f"{folder}: is given twice")
        if not is_sweep(folder) and not (folder / RESULT_FILE).is_file():
            raise InputError(f"{folder}: {_why_neither(folder)}")
    return folders


def _why_neither(folder: Path) -> str:
    if not folder.exists():
        return "there is no such folder; name what 'pimsim sweep' or 'pimsim run' wrote"
    if not folder.is_dir():
        return "is a file; name the folder that 'pimsim sweep' or 'pimsim run' wrote"
    return (
        "holds neither a sweep (sweep.json) nor a result (result.json); name a folder that "
        "'pimsim sweep' or 'pimsim run' wrote"
    )


def _write(target: Path, text: str) -> None:
    """Write beside the file first; what is written then takes its place."""
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(target)
    except OSError as error:
        raise _unwritable(target, error) from None
    finally:
        with suppress(OSError):
            temporary.unlink()


def _unwritable(target: Path, error: OSError) -> OutputError:
    return OutputError(f"cannot write to {target}: {(error.strerror or str(error)).lower()}")
