"""Read a YAML file into a configuration model, or say everything that is wrong with it.

Which question this module answers: *is this file a valid description, and if not, on which line?*

All problems are reported at once, each as ``file:line: key.path: what (found value)``. Files are
untrusted: at most :data:`MAX_FILE_BYTES` are read, nothing is executed, nothing is expanded.
"""

from pathlib import Path
from typing import Final, TypeVar

from pydantic import BaseModel, ValidationError

from pimsim.config.document import Document, Place, Problem, parse, shown
from pimsim.config.problems import in_order, translate
from pimsim.errors import ConfigError

MAX_FILE_BYTES: Final = 1 << 20
"""Largest file that is read; rap.yaml has under 8 KiB."""

_SHOWN_PROBLEMS: Final = 50

ModelT = TypeVar("ModelT", bound=BaseModel)


def read(path: Path) -> Document:
    """Read a YAML file whose top level is a mapping.

    Raises
    ------
    ConfigError
        If the file cannot be read, is empty, too large, not UTF-8 or not plain YAML, or holds
        something else than keys at its top level.
    """
    text = read_text(path)
    origin = Place(str(path), 1)
    try:
        document = parse(text, origin)
    except RecursionError:  # the caller's own stack was nearly full
        raise ConfigError([f"{path}: nested too deeply"]) from None
    if document.data is None and not document.problems:
        raise ConfigError([f"{path}: is empty; `pimsim show rap` prints a file to start from"])
    if not isinstance(document.data, dict):
        raise ConfigError([f"{origin}: must hold keys at its top level, found {_kind(document)}"])
    return document


def check_version(document: Document, supported: int) -> None:
    """Check that ``schema_version`` stands first and is one that this pimsim reads.

    Raises
    ------
    ConfigError
        If not. Nothing else is checked then: other keys may have another meaning.
    """
    path = ("schema_version",)
    place = document.place(path)
    version = document.data.get("schema_version")
    remedy = f"write 'schema_version: {supported}' as the first key"
    if "schema_version" not in document.data:
        message = f"missing; {remedy}"
    elif type(version) is not int or version < 1:  # isinstance takes a bool for an int
        message = f"must be a whole number, {remedy} (found {shown(version)})"
    elif version > supported:
        message = (
            f"{version} was written for a newer pimsim, this one reads up to {supported}; "
            "update pimsim"
        )
    else:
        message = ""
    if message:
        found = [*document.problems, Problem(place, path, message)]
        raise ConfigError(str(problem) for problem in in_order(found))
    if next(iter(document.data)) != "schema_version":
        document.problems.append(Problem(place, path, f"must come first; {remedy}"))


def validate(document: Document, model: type[ModelT]) -> ModelT:
    """Check a document against a model.

    Raises
    ------
    ConfigError
        With every problem of the text and of its content, in the order of the lines.
    """
    problems = list(document.problems)
    try:
        checked = model.model_validate(document.data)
    except ValidationError as error:
        details = error.errors(include_url=False)
        problems += translate([dict(detail) for detail in details], document, model)
    else:
        if not problems:
            return checked
    lines = [str(problem) for problem in in_order(problems)]
    hidden = len(lines) - _SHOWN_PROBLEMS
    if hidden > 0:
        lines[_SHOWN_PROBLEMS:] = [f"{document.place(()).source}: and {hidden} more problems"]
    raise ConfigError(lines)


def read_text(path: Path) -> str:
    """Read a UTF-8 file of bounded size.

    Raises
    ------
    ConfigError
        If it cannot be read, is too large or not UTF-8.
    """
    if path.is_dir():
        raise ConfigError([f"{path}: is a folder; give the YAML file itself"])
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        raise ConfigError([f"{path}: does not exist"]) from None
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        reason = getattr(error, "strerror", None) or error
        raise ConfigError([f"{path}: cannot be read ({reason})"]) from None
    if len(content) > MAX_FILE_BYTES:
        raise ConfigError(
            [f"{path}: is larger than {MAX_FILE_BYTES} bytes, so it is no configuration file"]
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        byte = content[error.start]
        raise ConfigError(
            [f"{path}:{line}: byte 0x{byte:02X} is not UTF-8; save the file as UTF-8"]
        ) from None


def _kind(document: Document) -> str:
    return shown(document.data) if document.data is not None else "nothing"
