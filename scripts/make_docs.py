"""Write what of docs/ follows from the code: python scripts/make_docs.py.

docs/architecture_keys.md, and the tables of docs/sweeps.md.
"""

import types
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo

from pimsim.config.architecture import Architecture
from pimsim.config.base import Config
from pimsim.dse.metrics import HEADLINES
from pimsim.dse.sweep_file import SweepFile

ROOT = Path(__file__).resolve().parent.parent
HEAD = """# Keys of an architecture file

Written by `scripts/make_docs.py` from the models in `pimsim/config/architecture.py`. A name's last
word is its unit. `NAME` stands for a name that you choose. A key without a default must be given.

| key | type | bounds | default | meaning |
| --- | --- | --- | --- | --- |
"""


_PLAIN = {
    int: "integer",
    float: "number",
    str: "text",
    bool: "true or false",
    type(None): "null",
    Any: "any value",
}


def architecture_keys() -> str:
    """The page of all keys."""
    rows = [f"| {' | '.join(row)} |" for row in _rows(Architecture, "")]
    return HEAD + "\n".join(rows) + "\n"


def _rows(model: type[Config], prefix: str) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for name, field in model.model_fields.items():
        path = f"{prefix}{name}"
        rows.append((f"`{path}`", _type(field.annotation), _bounds(field), _default(field),
                     " ".join((field.description or "").split())))  # fmt: skip
        for suffix, section in _sections(field.annotation):
            rows += _rows(section, f"{path}{suffix}.")
    return rows


def _sections(annotation: Any) -> list[tuple[str, type[Config]]]:
    """Configuration models inside a type, with what stands between the key and theirs."""
    if isinstance(annotation, type) and issubclass(annotation, Config):
        return [("", annotation)]
    found = []
    for argument in get_args(annotation):
        suffix = ".NAME" if get_origin(annotation) is dict else ""
        found += [(suffix + inner, model) for inner, model in _sections(argument)]
    return found


def _type(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    inner = [] if origin is Literal else [_type(argument) for argument in arguments]
    if origin is Literal:
        text = " or ".join(f"`{_yaml(value)}`" for value in arguments)
    elif origin in (Union, types.UnionType):
        text = " or ".join(inner)
    elif origin is dict:
        text = f"map of {inner[1]}"
    elif origin in (tuple, list):
        text = f"list of {inner[0]}"
    elif hasattr(annotation, "__metadata__"):
        text = inner[0]
    elif isinstance(annotation, type) and issubclass(annotation, Config):
        text = "section"
    else:
        text = _PLAIN.get(annotation, str(annotation))
    return text


def _yaml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _bounds(field: FieldInfo) -> str:
    signs = {Ge: ("≥", "ge"), Gt: (">", "gt"), Le: ("≤", "le"), Lt: ("<", "lt")}
    found = []
    for bound in field.metadata:
        for kind, (sign, attribute) in signs.items():
            if isinstance(bound, kind):
                found.append(f"{sign} {getattr(bound, attribute):g}")
    return ", ".join(found)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return ""
    value = field.get_default(call_default_factory=True)
    if isinstance(value, Config) and value.model_fields_set:
        value = value.model_dump(exclude_unset=True)
    if isinstance(value, dict):
        value = value and f"{{{', '.join(f'{key}: {inner}' for key, inner in value.items())}}}"
    return "none" if value in (None, "", (), {}) else f"`{value}`"


def sweeps_page(text: str) -> str:
    """The page on sweeps with its tables of keys and metrics as the code has them now."""
    rows = [row for row in _rows(SweepFile, "") if not row[0].startswith("`axes.")]
    keys = ["| key | type | bounds | default | meaning |", "| --- | --- | --- | --- | --- |"]
    keys += [f"| {' | '.join(row)} |" for row in rows]
    metrics = ["| metric | meaning |", "| --- | --- |"]
    metrics += [f"| `{name}` | {meaning} |" for name, meaning in HEADLINES.items()]
    for mark, table in (("keys", keys), ("metrics", metrics)):
        head, _, rest = text.partition(f"<!-- {mark}: written by scripts/make_docs.py -->\n")
        end = f"<!-- end of {mark} -->"
        tail = rest.partition(end)[2]
        begin = f"<!-- {mark}: written by scripts/make_docs.py -->\n"
        text = head + begin + "\n".join(["", *table, "", ""]) + end + tail
    return text


def main() -> None:
    """Write the pages."""
    (ROOT / "docs" / "architecture_keys.md").write_text(architecture_keys())
    page = ROOT / "docs" / "sweeps.md"
    page.write_text(sweeps_page(page.read_text()))


if __name__ == "__main__":
    main()
