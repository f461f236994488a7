"""The last sections: where the numbers come from, and how the result came to be.

Which question this module answers: *who says so, and how do I get the same again?*
"""

import re
from collections.abc import Mapping
from html import escape
from typing import Final

import pandas as pd

from pimsim.records import Result
from pimsim.report import frames, markup
from pimsim.report.markup import Column, Section, heading, paragraph, section, table
from pimsim.report.wording import number

_COLUMNS: Final = (
    Column("Reference"),
    Column("Where"),
    Column("Kind"),
    Column("Node [nm]", number=True),
    Column("Condition", prose=True),
)
_FOLDER: Final = re.compile(r"(?<![^\s=])/(?:[^\s/]+/)*")
"""Folders of an absolute path, at the start of a word or behind an equals sign."""


def sources(*results: Result) -> Section:
    """Every source once, those that are assumed last, with BibTeX of those that are cited."""
    frame = pd.concat([frames.sources(result) for result in results], ignore_index=True)
    frame = frame.drop(columns="variant").drop_duplicates()
    frame = frame.assign(last=frame["kind"] == "assumed")
    frame = frame.sort_values(["last", "reference", "place"], kind="stable")
    return section(
        "sources",
        "Where the numbers come from",
        paragraph(
            "Constants behind energy, area and time, over all cost variants, and the methods and "
            "devices behind the answers. Those marked measured, fitted or published are cited; "
            "assumed ones are choices made here."
        ),
        table(_COLUMNS, _rows(frame)),
        _bibtex([str(key) for key in frame["citation_key"] if key]),
        short="Sources",
    )


def _rows(frame: pd.DataFrame) -> list[tuple[str, ...]]:
    """One row for a place in a reference, and a line of its last cell for each condition."""
    keys = ["reference", "place", "kind", "node_nm"]
    rows: list[tuple[str, ...]] = []
    for _, group in frame.groupby(keys, sort=False, dropna=False):
        first = group.iloc[0]
        conditions = [text for text in dict.fromkeys(group["condition"].astype(str)) if text]
        mark = "– " if len(conditions) > 1 else ""
        node = "" if pd.isna(first["node_nm"]) else f"{first['node_nm']:g}"
        rows.append(
            (
                str(first["reference"]),
                str(first["place"]),
                str(first["kind"]),
                node,
                "\n".join(mark + text for text in conditions),
            )
        )
    return rows


def _bibtex(keys: list[str]) -> str:
    """BibTeX of the sources; keys without an entry, such as a plug-in's, are named."""
    from pimsim.cost.citations import bibtex, known_entries

    unknown = sorted({key for key in keys if key not in known_entries()})
    entries = bibtex(key for key in keys if key not in unknown)
    missing = f"pimsim ships no BibTeX entry for: {', '.join(unknown)}."
    return "\n".join(
        [
            f"{heading('BibTeX')}\n<pre>{escape(entries)}</pre>" if entries else "",
            paragraph(missing, "note") if unknown else "",
        ]
    )


def manifest(result: Result) -> Section:
    """The manifest, less the paths of the machine that it was made on."""
    return section(
        "manifest",
        "How this result came to be",
        markup.pairs(manifest_entries(result)),
        paragraph(
            "File paths are in result.json only, so that this page can be passed on.", "note"
        ),
        short="Manifest",
    )


def manifest_entries(result: Result) -> dict[str, str]:
    """What a manifest says, in words."""
    record = result.manifest

    def joined(entries: Mapping[str, object]) -> str:
        return ", ".join(f"{key} {value}" for key, value in entries.items())

    walls = {name: f"{number(seconds)} s" for name, seconds in record.wall_times_s.items()}
    return {
        "Command": without_folders(record.command),
        "Created": record.created,
        "pimsim": record.pimsim_version,
        "Workload": f"{result.workload['name']}, {result.workload['parameters']:,} parameters, "
        f"{result.workload['macs']:,} MACs per inference (sha256 {record.workload_hash})",
        "Architecture": f"{result.architecture_name} (sha256 {record.config_hash})",
        "Overrides": ", ".join(record.overrides) or "none",
        "Numerics": result.scheme,
        "Seed": str(record.seed),
        "Samples, chips": f"{record.samples}, {record.chips}",
        "Batch": str(record.batch),
        "Dimensions": joined(record.dims) or "fixed",
        "Models": joined(record.models),
        "Versions": joined(record.versions),
        "Threads": str(record.threads),
        "Host": joined(record.host),
        "Wall time": joined(walls),
    }


def without_folders(command: str) -> str:
    """Leave of every absolute path in a command its last name only.

    Examples
    --------
    >>> without_folders("/home/me/bin/pimsim run --arch=/secret/chip.yaml --set a.b=1/2 -o out/x")
    'pimsim run --arch=chip.yaml --set a.b=1/2 -o out/x'
    """
    return _FOLDER.sub("", command)
