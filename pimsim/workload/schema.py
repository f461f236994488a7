"""The form of ``graph.json``: what may stand in it, and its exchange with a :class:`Workload`.

Which question this module answers: *is this text a graph that this version of pimsim can read?*

Form only: types, required and unknown keys, bounds. Which attributes each kind of operation needs
is :mod:`pimsim.workload.attributes`'s question, whether the parts agree with each other
:mod:`pimsim.workload.checks`'s.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field, PositiveInt, Strict, ValidationError

from pimsim.errors import UnsupportedOpError, WorkloadError
from pimsim.workload.attributes import ATTRIBUTES, Form, Name, Shape, to_json
from pimsim.workload.graph import (
    FORMAT_VERSION,
    OP_KINDS,
    AttentionGroup,
    AttentionRole,
    Op,
    TensorKind,
    TensorSpec,
    Workload,
)

DType = Literal["float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "bool"]
"""Element types of a tensor: those that NumPy and safetensors share."""

MAX_GRAPH_BYTES: Final = 64 * 2**20
"""Largest graph.json that is read; a traced model of 100 layers needs under 2 MiB."""

_SHOWN_PROBLEMS: Final = 20


def _dimension(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", value) or value in ("inf", "max", "min"):
        raise ValueError("must be letters, digits and '_', and not inf, max or min")
    return value


def _workload_name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", value):
        raise ValueError(
            "must be letters, digits, '.', '_' and '-', because it names the result folder"
        )
    return value


def _factory(value: str) -> str:
    module, separator, function = value.rpartition(":")
    if not separator or not module or not function.isidentifier():
        raise ValueError("must read module:function or path/to/file.py:function")
    if Path(module).is_absolute() or ".." in Path(module).parts:
        raise ValueError("must be a path inside the project, without '..'")
    return value


class _Tensor(Form):
    shape: Shape
    dtype: DType
    kind: TensorKind


class _Group(Form):
    name: Name
    role: AttentionRole
    heads: PositiveInt
    kv_heads: PositiveInt
    causal: bool


class _Op(Form):
    name: Name
    kind: Name
    inputs: Annotated[tuple[Name, ...], Strict(False)]
    outputs: Annotated[tuple[Name, ...], Strict(False), Field(min_length=1, max_length=1)]
    attributes: dict[str, Any]
    group: _Group | None


class _Graph(Form):
    format_version: Annotated[int, Field(ge=1, le=FORMAT_VERSION)]
    name: Annotated[Name, AfterValidator(_workload_name)]
    task: Name | None
    factory: Annotated[Name, AfterValidator(_factory)] | None
    dims: dict[
        Annotated[str, AfterValidator(_dimension)],
        Annotated[tuple[PositiveInt, PositiveInt], Strict(False)],
    ]
    inputs: Annotated[tuple[Name, ...], Strict(False), Field(min_length=1)]
    outputs: Annotated[tuple[Name, ...], Strict(False), Field(min_length=1)]
    tensors: dict[Name, _Tensor]
    ops: Annotated[tuple[_Op, ...], Strict(False)]


def parse(text: bytes, where: str) -> Workload:
    """Read a graph without weights or samples from the text of a ``graph.json``.

    Parameters
    ----------
    text
        The file's bytes, UTF-8.
    where
        The file's path, for messages.

    Raises
    ------
    WorkloadError
        If the text is not JSON, repeats a key, is from a newer version or has the wrong form; up
        to 20 problems of form are reported at once, one per line.
    UnsupportedOpError
        If an operation is of an unknown kind.
    """
    document = _document(text, where)
    _check_version(document, where)
    try:
        graph = _Graph.model_validate(document)
    except ValidationError as error:
        raise WorkloadError(_problems(error, where)) from None
    return Workload(
        name=graph.name,
        task=graph.task,
        factory=graph.factory,
        dims=graph.dims,
        inputs=graph.inputs,
        outputs=graph.outputs,
        tensors={
            name: TensorSpec(name, tensor.shape, tensor.dtype, tensor.kind)
            for name, tensor in graph.tensors.items()
        },
        ops=tuple(_op(op, f"{where}: ops[{index}]") for index, op in enumerate(graph.ops)),
    )


def render(workload: Workload, where: str) -> bytes:
    """Write a graph as JSON, one tensor or operation per line, the same bytes every time.

    Raises
    ------
    WorkloadError
        If the workload has no valid file form: what :func:`parse` would refuse, this refuses.
    """
    document: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "name": workload.name,
        "task": workload.task,
        "factory": workload.factory,
        "dims": {name: list(bounds) for name, bounds in workload.dims.items()},
        "inputs": list(workload.inputs),
        "outputs": list(workload.outputs),
        "tensors": {
            name: {"shape": list(spec.shape), "dtype": spec.dtype, "kind": spec.kind}
            for name, spec in workload.tensors.items()
        },
        "ops": [_op_document(op) for op in workload.ops],
    }
    try:
        text = _layout(document)
    except (TypeError, ValueError) as error:
        raise WorkloadError(
            f"{where}: workload {workload.name!r} has no JSON form: {error}"
        ) from error
    parse(text, where)
    return text


def _document(text: bytes, where: str) -> dict[str, Any]:
    try:
        document = json.loads(
            text.decode("utf-8"), object_pairs_hook=_without_repeats, parse_constant=_no_constant
        )
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else error
        raise WorkloadError(
            f"{where}: not a JSON file: {reason}; trace the model again or restore the file"
        ) from None
    if not isinstance(document, dict):
        raise WorkloadError(
            f"{where}: must hold one JSON object, found {type(document).__name__}; "
            "trace the model again or restore the file"
        )
    return document


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    seen: dict[str, Any] = {}
    for key, value in pairs:
        if key in seen:
            raise ValueError(f"key {key!r} stands twice in one object")
        seen[key] = value
    return seen


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _check_version(document: Mapping[str, Any], where: str) -> None:
    version = document.get("format_version")
    if version is None:
        raise WorkloadError(
            f"{where}: format_version is missing; this pimsim reads version {FORMAT_VERSION}"
        )
    if isinstance(version, int) and not isinstance(version, bool) and version > FORMAT_VERSION:
        raise WorkloadError(
            f"{where}: format_version {version} was written by a newer pimsim; this one reads up "
            f"to {FORMAT_VERSION}; update pimsim"
        )


def _op(op: _Op, where: str) -> Op:
    place = f"{where} {op.name!r}"
    if op.kind not in OP_KINDS:
        raise UnsupportedOpError(
            f"{place}: unknown kind {op.kind!r}; supported: {', '.join(sorted(OP_KINDS))}"
        )
    try:
        form = ATTRIBUTES[op.kind].model_validate(op.attributes)
    except ValidationError as error:
        raise WorkloadError(_problems(error, f"{place} ({op.kind}) attributes")) from None
    group = op.group
    return Op(
        name=op.name,
        kind=op.kind,
        inputs=op.inputs,
        outputs=op.outputs,
        attributes=form.model_dump(exclude_none=True, exclude_unset=True),
        group=None
        if group is None
        else AttentionGroup(group.name, group.role, group.heads, group.kv_heads, group.causal),
    )


def _op_document(op: Op) -> dict[str, Any]:
    group = op.group
    return {
        "name": op.name,
        "kind": op.kind,
        "inputs": list(op.inputs),
        "outputs": list(op.outputs),
        "attributes": to_json(op.attributes),
        "group": None
        if group is None
        else {
            "name": group.name,
            "role": group.role,
            "heads": group.heads,
            "kv_heads": group.kv_heads,
            "causal": group.causal,
        },
    }


def _layout(document: Mapping[str, Any]) -> bytes:
    """Break lines between tensors and between operations only, so that a diff reads well."""
    lines = []
    for key, value in document.items():
        if key == "tensors":
            rows = [f"{_json(name)}: {_json(tensor)}" for name, tensor in value.items()]
            body = "{\n  " + ",\n  ".join(rows) + "\n }" if rows else "{}"
        elif key == "ops":
            body = "[\n  " + ",\n  ".join(_json(op) for op in value) + "\n ]" if value else "[]"
        else:
            body = _json(value)
        lines.append(f" {_json(key)}: {body}")
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _problems(error: ValidationError, where: str) -> str:
    details = error.errors(include_url=False)
    lines = [f"{where}: {_problem(dict(detail))}" for detail in details[:_SHOWN_PROBLEMS]]
    if len(details) > _SHOWN_PROBLEMS:
        lines.append(f"{where}: and {len(details) - _SHOWN_PROBLEMS} more problems")
    return "\n".join(lines)


def _problem(detail: Mapping[str, Any]) -> str:
    place = "".join(
        f"[{part}]" if isinstance(part, int) else f".{part}" for part in detail["loc"]
    ).lstrip(".")
    prefix = f"{place}: " if place else ""
    if detail["type"] == "extra_forbidden":
        return f"unknown key {place!r}"
    if detail["type"] == "missing":
        return f"{prefix}is missing"
    if detail["type"] in ("too_short", "too_long"):
        limits: Mapping[str, Any] = detail["ctx"]
        bound = "at least" if detail["type"] == "too_short" else "at most"
        count = limits.get("min_length", limits.get("max_length"))
        return f"{prefix}needs {bound} {count} entries (got {_short(detail['input'])})"
    if detail["type"] == "tuple_type":
        return f"{prefix}must be a list (got {_short(detail['input'])})"
    message = detail["msg"].removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    return f"{prefix}{message} (got {_short(detail['input'])})"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
