"""``recost.json``: what a stored result can be costed again from.

Which question this module answers: *how does a result keep what re-costing needs, beside its counts
and its timeline?*

The keys are those of :func:`pimsim.cost.basis.to_document`. A result without the file, from before
there was re-costing, is a result all the same.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pimsim.errors import InputError

NAME: Final = "recost.json"


def write(document: Mapping[str, Any], folder: Path) -> None:
    """Write the file, with a checksum of its content; nothing for a result without one."""
    if document:
        content = {"sha256": _digest(document), **document}
        text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
        (folder / NAME).write_text(f"{text}\n", encoding="utf-8")


def read(folder: Path) -> dict[str, Any]:
    """Read the file of a result folder back; empty if there is none.

    Raises
    ------
    InputError
        If the file is cut short or changed.
    """
    path = folder / NAME
    if not path.is_file():
        return {}
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        expected = content.pop("sha256", None)
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
        raise InputError(f"{path}: cut short or changed since the run wrote it: {error}") from None
    if _digest(content) != expected:
        raise InputError(f"{path}: changed since the run wrote it; restore it or run again")
    return content


def _digest(document: Mapping[str, Any]) -> str:
    canonical = json.dumps(document, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
