"""Read and write a workload as a folder of three files.

Which question this module answers: *is this folder a workload, and what is in it?*

``graph.json``
    the graph (:mod:`pimsim.workload.schema`).
``weights.safetensors``
    trained parameters and constants under their tensor names. Without this file the workload is
    shape-only: it can be mapped, timed and costed, not evaluated.
``samples.safetensors``
    ``calibration.<input>``, ``evaluation.<input>``, ``labels`` and ``reference.<output>``.

Form, names, shapes and element types are checked when a folder is read; whether every weight is
finite only on request (``values``), as a run does, because that reads the whole file. Nothing is
unpickled, and no file outside the folder is opened. Weights are memory-mapped, so a large model
costs time and memory only where it is touched, and written one tensor after the other.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pimsim.config import workload_path
from pimsim.errors import OutputError, WorkloadError
from pimsim.workload import schema
from pimsim.workload.checks import check_graph, check_samples, check_weights
from pimsim.workload.graph import Samples, Workload

GRAPH_FILE: Final = "graph.json"
WEIGHTS_FILE: Final = "weights.safetensors"
SAMPLES_FILE: Final = "samples.safetensors"

_DTYPES: Final = {
    "F16": "float16",
    "F32": "float32",
    "F64": "float64",
    "I8": "int8",
    "I16": "int16",
    "I32": "int32",
    "I64": "int64",
    "U8": "uint8",
    "BOOL": "bool",
}
"""Element types of the safetensors format that a workload may hold, and NumPy's names."""

_CODES: Final = {name: code for code, name in _DTYPES.items()}


def load_workload(name_or_path: str | os.PathLike[str], *, values: bool = False) -> Workload:
    """Find, read and check a workload.

    Parameters
    ----------
    name_or_path
        A path, or a name found in ``$PIMSIM_PATH``, in ``$PIMSIM_CACHE`` or among the bundled
        workloads.
    values
        As in :func:`load`.

    Raises
    ------
    NotFoundError
        If there is no such folder or name; the nearest names are given.
    WorkloadError
        As :func:`load`.

    Examples
    --------
    >>> load_workload("vit_digits").samples.count
    360
    """
    return load(workload_path(name_or_path), values=values)


def load(folder: Path, *, values: bool = False) -> Workload:
    """Read and check a workload folder.

    Parameters
    ----------
    folder
        Holds graph.json and, unless shape-only, the two safetensors files.
    values
        Whether to read every weight and refuse those that are not finite.

    Returns
    -------
    Workload
        Its arrays are read-only views of the files.

    Raises
    ------
    WorkloadError
        If a file is missing, damaged, too large, from a newer version or outside the folder, or if
        graph, weights and samples contradict each other. The message names file, place, value and
        what to do.
    UnsupportedOpError
        If the graph holds a kind of operation that this version does not know.
    """
    folder = Path(folder)
    if not folder.is_dir():
        problem = "is not a folder" if folder.exists() else "does not exist"
        raise WorkloadError(
            f"{folder}: {problem}; a workload is a folder with {GRAPH_FILE}, {WEIGHTS_FILE} and "
            f"{SAMPLES_FILE}"
        )
    graph_path = _member(folder, GRAPH_FILE)
    if graph_path is None:
        raise WorkloadError(f"{folder}: has no {GRAPH_FILE}, so it is not a workload folder")
    graph = schema.parse(_read_graph(graph_path), str(graph_path))
    check_graph(graph, str(graph_path))
    weights_path, samples_path = _member(folder, WEIGHTS_FILE), _member(folder, SAMPLES_FILE)
    if weights_path is None:
        if samples_path is not None:
            raise WorkloadError(
                f"{folder}: has {SAMPLES_FILE} but no {WEIGHTS_FILE}; restore the weights, or "
                "remove the samples for a shape-only workload"
            )
        return graph
    workload = replace(graph, weights=_read_tensors(weights_path))
    check_weights(workload, str(weights_path), values=values)
    if samples_path is None:
        return workload
    samples = _samples(_read_tensors(samples_path), str(samples_path))
    check_samples(workload, samples, str(samples_path))
    return replace(workload, samples=samples)


def save(workload: Workload, folder: Path) -> None:
    """Write a workload folder; the same workload gives the same bytes.

    Parameters
    ----------
    workload
        Checked exactly as :func:`load` would.
    folder
        Created if it is missing. The three files are written beside those that are there and put
        in their places when all are complete; other files stay.

    Raises
    ------
    WorkloadError
        If the workload would not load again.
    OutputError
        If the folder cannot be written.
    """
    folder = Path(folder)
    where = f"workload {workload.name!r}"
    text = schema.render(workload, where)
    check_graph(workload, where)
    files: dict[str, Content | None] = {WEIGHTS_FILE: None, SAMPLES_FILE: None}
    if workload.weights:
        check_weights(workload, where)
        files[WEIGHTS_FILE] = workload.weights
    if workload.samples is not None:
        if workload.shape_only:
            raise WorkloadError(
                f"{where}: has samples but no weights; a shape-only one has neither"
            )
        check_samples(workload, workload.samples, where)
        files[SAMPLES_FILE] = _named(workload.samples)
    files[GRAPH_FILE] = text
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _replace_files(folder, files)
    except OSError as error:
        raise OutputError(
            f"{folder}: cannot be written ({error.strerror}); choose another folder"
        ) from error


def _member(folder: Path, name: str) -> Path | None:
    """Path of a file of the folder, ``None`` if it is not there; never one outside the folder."""
    path = folder / name
    if not os.path.lexists(path):
        return None
    if not path.resolve().is_relative_to(folder.resolve()):
        raise WorkloadError(
            f"{path}: points to {path.resolve()}, outside the workload folder; copy the file into "
            "the folder"
        )
    if not path.is_file():
        raise WorkloadError(f"{path}: must be a regular file")
    return path


def _read_graph(path: Path) -> bytes:
    size_bytes = path.stat().st_size
    if size_bytes > schema.MAX_GRAPH_BYTES:
        raise WorkloadError(
            f"{path}: is {size_bytes} bytes; at most {schema.MAX_GRAPH_BYTES} are read, and a "
            "graph holds no weights; trace the model again"
        )
    return path.read_bytes()


def _read_tensors(path: Path) -> dict[str, NDArray[Any]]:
    """Map every tensor of a safetensors file into memory, read-only.

    The safetensors library checks the header and the length of the file; its NumPy reader copies
    each tensor, so the views are made here from the offsets in the header.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np"):
            pass
    except (SafetensorError, OSError, ValueError) as error:
        raise WorkloadError(
            f"{path}: truncated or damaged safetensors file ({error}); restore it or build the "
            "workload again"
        ) from None
    mapped = np.memmap(path, dtype=np.uint8, mode="r").view(np.ndarray)
    start = 8 + int.from_bytes(mapped[:8].tobytes(), "little")
    header: dict[str, Any] = json.loads(mapped[8:start].tobytes())
    header.pop("__metadata__", None)
    return {name: _view(mapped[start:], header[name], f"{path}: {name}") for name in sorted(header)}


def _view(data: NDArray[np.uint8], entry: Mapping[str, Any], place: str) -> NDArray[Any]:
    if entry["dtype"] not in _DTYPES:
        raise WorkloadError(
            f"{place}: element type {entry['dtype']} is not read; allowed: {', '.join(_DTYPES)}"
        )
    first, last = entry["data_offsets"]
    return data[first:last].view(_DTYPES[entry["dtype"]]).reshape(entry["shape"])


def _samples(arrays: Mapping[str, NDArray[Any]], where: str) -> Samples:
    roles: dict[str, dict[str, NDArray[Any]]] = {
        "calibration": {},
        "evaluation": {},
        "reference": {},
    }
    for name, array in arrays.items():
        role, _, tensor = name.partition(".")
        if name == "labels":
            continue
        if role not in roles or not tensor:
            raise WorkloadError(
                f"{where}: unknown array {name!r}; allowed: calibration.<input>, "
                "evaluation.<input>, labels, reference.<output>"
            )
        roles[role][tensor] = array
    return Samples(
        calibration=roles["calibration"],
        evaluation=roles["evaluation"],
        labels=arrays.get("labels"),
        reference=roles["reference"],
    )


def _named(samples: Samples) -> dict[str, NDArray[Any]]:
    arrays: dict[str, NDArray[Any]] = {}
    for role in ("calibration", "evaluation", "reference"):
        members: Mapping[str, NDArray[Any]] = getattr(samples, role)
        arrays.update({f"{role}.{name}": array for name, array in members.items()})
    if samples.labels is not None:
        arrays["labels"] = samples.labels
    return arrays


def _replace_files(folder: Path, files: Mapping[str, "Content | None"]) -> None:
    """Write all files beside their places, then put each there in one step; ``None`` removes.

    Maps of the old files stay valid, and an interruption while writing leaves them as they were.
    """
    partial = {name: folder / f".{name}.partial" for name in files}
    try:
        for name, content in files.items():
            if isinstance(content, bytes):
                partial[name].write_bytes(content)
            elif content is not None:
                write_tensors(partial[name], content)
        for name, content in files.items():
            if content is None:
                (folder / name).unlink(missing_ok=True)
            else:
                partial[name].replace(folder / name)
    finally:
        for path in partial.values():
            path.unlink(missing_ok=True)


Content = bytes | Mapping[str, NDArray[Any]]
"""What a file holds: its text, or arrays by name."""


def write_tensors(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write a safetensors file one tensor after the other.

    Parameters
    ----------
    path
        Is overwritten.
    arrays
        Each is asked for once for its form and once for its values, and copied only if its memory
        is not in C order.

    Notes
    -----
    The format is eight bytes with the length of a JSON header, the header padded with spaces to a
    multiple of eight, and the arrays' bytes. They are ordered by falling width of their elements,
    then by name, which aligns every array.
    """
    order = sorted(arrays, key=lambda name: (-arrays[name].dtype.itemsize, name))
    header, offset = {}, 0
    for name in order:
        array = arrays[name]
        end = offset + array.nbytes
        code = _CODES[array.dtype.name]
        header[name] = {"dtype": code, "shape": array.shape, "data_offsets": (offset, end)}
        offset = end
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name in order:
            file.write(np.ascontiguousarray(arrays[name]).reshape(-1).view(np.uint8).data)
