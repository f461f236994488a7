"""``timeline.parquet``: every busy interval of a replay, with what belongs to all of them.

Which question this module answers: *how is a timeline kept, and read back without loss?*

One row per interval: ``start_ps``, ``end_ps``, ``resource``, ``op``, ``token``, ``wait_ps`` (how
long its customer had queued) and ``request`` (which inference). Names, totals and the critical path
stand as JSON in the file's metadata under ``pimsim_timeline``. Columns and keys may be added
without a new format version; those of the first one must be there.
"""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from pimsim.errors import InputError
from pimsim.records import MovedBits, Timeline

if TYPE_CHECKING:
    import pyarrow as pa

_METADATA_KEY: Final = b"pimsim_timeline"
_COLUMNS: Final = ("start_ps", "end_ps", "resource", "op", "token")
_ADDED_COLUMNS: Final = ("wait_ps", "request")
_NUMBERS: Final = ("latency_ps", "events")
_ADDED_NUMBERS: Final = ("loading_ps", "reprogramming_ps", "token_group")
_ADDED_TUPLES: Final = ("request_start_ps", "request_end_ps", "path_class")
_ADDED_ARRAYS: Final = ("path_end_ps", "path_op", "path_resource")


def write(timeline: Timeline, path: Path) -> None:
    """Write ``timeline`` to ``path``."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    metadata = {
        "format_version": 1,
        "resources": timeline.resources,
        "resource_classes": timeline.resource_classes,
        "ops": timeline.ops,
        "critical_path_ps": dict(timeline.critical_path_ps),
        "reads": dict(timeline.reads),
        "writes": dict(timeline.writes),
        "moved": {op: dataclasses.asdict(moved) for op, moved in timeline.moved.items()},
        **{name: getattr(timeline, name) for name in (*_NUMBERS, *_ADDED_NUMBERS, *_ADDED_TUPLES)},
        **{name: getattr(timeline, name).tolist() for name in _ADDED_ARRAYS},
    }
    text = json.dumps(metadata, ensure_ascii=False, default=int)
    table = pa.table(_columns(timeline)).replace_schema_metadata({_METADATA_KEY: text.encode()})
    pq.write_table(table, path, compression="zstd")


def _columns(timeline: Timeline) -> "dict[str, pa.Array]":
    import pyarrow as pa

    def named(names: tuple[str, ...], index: NDArray[np.int32]) -> "pa.Array":
        return pa.array(np.asarray(names, dtype=object)[index], type=pa.string())

    added = [
        name for name in _ADDED_COLUMNS if len(getattr(timeline, name)) == len(timeline.start_ps)
    ]
    arrays = {name: getattr(timeline, name) for name in (*_COLUMNS, *added)}
    columns = {name: pa.array(values) for name, values in arrays.items()}
    columns["resource"] = named(timeline.resources, timeline.resource)
    columns["op"] = named(timeline.ops, timeline.op)
    return columns


def read(path: Path) -> Timeline:
    """Rebuild the timeline that :func:`write` wrote.

    Raises
    ------
    InputError
        If the file is no parquet file, or none of pimsim's.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(path).read()  # read_table imports pandas
        metadata = json.loads((table.schema.metadata or {})[_METADATA_KEY])
        return Timeline(**_intervals(table, metadata), **_whole(metadata))
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: not a timeline that pimsim wrote: {error}") from None


def _intervals(table: "pa.Table", metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The columns, as arrays; names become positions again."""
    found: dict[str, Any] = {}
    for name in ("resource", "op"):
        positions = {entry: index for index, entry in enumerate(metadata[f"{name}s"])}
        entries = (positions[entry] for entry in table.column(name).to_pylist())
        found[name] = np.fromiter(entries, dtype=np.int32, count=table.num_rows)
    for name in (*_COLUMNS, *(name for name in _ADDED_COLUMNS if name in table.column_names)):
        if name not in found:
            found[name] = _column(table, name)
    return found


def _column(table: "pa.Table", name: str) -> NDArray[Any]:
    """One column of numbers; pyarrow's own conversion to NumPy would import pandas."""
    chunks = [np.from_dlpack(chunk) for chunk in table.column(name).chunks]
    whole: NDArray[Any] = np.concatenate(chunks) if chunks else np.zeros(0, np.int64)
    return whole.astype(_type_of(name))


def _whole(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """What belongs to the timeline as a whole."""
    tuples = ("resources", "resource_classes", "ops")
    found: dict[str, Any] = {name: tuple(metadata[name]) for name in tuples}
    for name in (*_NUMBERS, "critical_path_ps", "reads"):
        found[name] = metadata[name]
    found["moved"] = {op: MovedBits(**bits) for op, bits in metadata["moved"].items()}
    for name in (*_ADDED_NUMBERS, "writes"):
        if name in metadata:
            found[name] = metadata[name]
    for name in _ADDED_TUPLES:
        if name in metadata:
            found[name] = tuple(metadata[name])
    for name in _ADDED_ARRAYS:
        if name in metadata:
            found[name] = np.array(metadata[name], dtype=_type_of(name))
    return found


def _type_of(name: str) -> type[np.int64] | type[np.int32]:
    """Times have 64 bits, everything else 32."""
    return np.int64 if name.endswith("_ps") else np.int32
