"""Write the parts of the documentation that follow from the code.

python scripts/make_docs.py              docs/architecture_keys.md
python scripts/make_docs.py --figures    also README's figure and reports/, from a default run
"""

import argparse
import shutil
import tempfile
import types
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo

from pimsim.config.architecture import Architecture
from pimsim.config.base import Config

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
    elif origin is tuple:
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
    return "none" if field.default in (None, "", ()) else f"`{field.default}`"


def make_figures() -> None:
    """The README's figure and the page in reports/, from the default run."""
    from pimsim import report, simulate

    with tempfile.TemporaryDirectory() as folder:
        written = report.write(simulate("rap", "vit_digits"), Path(folder) / "run")
        shutil.copy(written / "figures" / "energy.svg", ROOT / "docs" / "images" / "energy.svg")
        shutil.copy(written / "report.html", ROOT / "reports" / "vit_digits-rap.html")


def main() -> None:
    """Write what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "--figures", action="store_true", help="also the README's figure and reports/"
    )
    arguments = parser.parse_args()
    (ROOT / "docs" / "architecture_keys.md").write_text(architecture_keys())
    if arguments.figures:
        make_figures()


if __name__ == "__main__":
    main()
