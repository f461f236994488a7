"""Export a model with ``torch.export``, with named dimensions.

Which question this module answers: *what is the model's graph, and which lengths does it allow?*
"""

import linecache
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from types import TracebackType
from typing import Final

import torch
from torch import nn
from torch.export import Dim, ExportedProgram
from torch.export.graph_signature import InputKind
from torch.fx import Node

from pimsim.errors import WorkloadError
from pimsim.workload.trace_torch.decompositions import decompositions
from pimsim.workload.trace_torch.inputs import ModelInputs
from pimsim.workload.trace_torch.lowerings.table import supported
from pimsim.workload.trace_torch.places import is_library_file
from pimsim.workload.trace_torch.wrapper import Wrapper, traceable

MAX_DIMENSION: Final = 65536
"""Largest value of a symbolic dimension that a trace allows."""

_SHOWN_REASON_CHARACTERS: Final = 600


@dataclass(frozen=True, slots=True)
class Exported:
    """A model's graph after decomposition."""

    program: ExportedProgram
    inputs: ModelInputs
    """With the axes that are dimensions in the program."""
    output_names: tuple[str | None, ...]
    symbols: Mapping[str, str]
    """Torch's symbol of each dynamic axis and the dimension it is."""
    dims: Mapping[str, tuple[int, int]]
    """Dimensions and the smallest and largest value that the export found."""


def export(model: nn.Module, inputs: ModelInputs) -> Exported:
    """Export a model.

    An axis that was not asked for and that the model fixes, or allows in multiples only, becomes
    a constant.

    Raises
    ------
    WorkloadError
        If ``torch.export`` cannot, or the model fixes an axis that was asked for.
    """
    while True:
        wrapper = Wrapper(model, inputs)
        try:
            program = _exported(model, wrapper, inputs)
        except WorkloadError as error:
            if not inputs.optional:
                raise
            return _with_fixed_lengths(model, inputs, error)
        fixed = _fixed(program, inputs)
        if not fixed:
            break
        inputs = inputs.without(fixed)
    symbols, dims = _dimensions(program, inputs)
    return Exported(program, inputs, wrapper.output_names, symbols, dims)


def _with_fixed_lengths(model: nn.Module, inputs: ModelInputs, error: WorkloadError) -> Exported:
    """Export with the lengths of the examples, for a model that allows no others."""
    try:
        return export(model, inputs.without(inputs.optional))
    except WorkloadError:
        raise error from None


def user_inputs(program: ExportedProgram) -> tuple[Node, ...]:
    """Placeholders of the inputs, in order."""
    by_name = {node.name: node for node in program.graph.nodes if node.op == "placeholder"}
    return tuple(
        by_name[spec.arg.name]
        for spec in program.graph_signature.input_specs
        if spec.kind == InputKind.USER_INPUT
    )


def _exported(model: nn.Module, wrapper: Wrapper, inputs: ModelInputs) -> ExportedProgram:
    shapes = tuple(dict.fromkeys(chosen, Dim.AUTO) for chosen in inputs.axes)
    try:
        with _quiet(), traceable(model):
            program = torch.export.export(wrapper, inputs.examples, dynamic_shapes=(shapes,))
            decomposed: ExportedProgram = program.run_decompositions(decompositions())
    except WorkloadError:
        raise
    except Exception as error:  # torch.export raises a dozen unrelated types
        raise WorkloadError(_export_failure(model, error)) from error
    return decomposed


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep torch.export from warning about its internals and from printing graphs on failure.

    Nothing there is the caller's to mend; what matters is in the exception.
    """
    logger = logging.getLogger("torch.fx.experimental.symbolic_shapes")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stderr(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _fixed(program: ExportedProgram, inputs: ModelInputs) -> frozenset[str]:
    """Dimensions that the model does not leave free and that must be exported as constants."""
    fixed: set[str] = set()
    for name, node, chosen in zip(inputs.names, user_inputs(program), inputs.axes, strict=True):
        for axis, dimension in chosen.items():
            size = node.meta["val"].shape[axis]
            if isinstance(size, torch.SymInt) and size.node.expr.is_Symbol:
                continue
            if dimension in inputs.required:
                raise WorkloadError(
                    f"input {name!r}, axis {axis}: the model fixes its length at {size}, so that "
                    f"it cannot be the dimension {dimension!r}; give dynamic without it: a mapping "
                    "from input to {axis: dimension} names the axes that are free"
                )
            fixed.add(dimension)
    return frozenset(fixed)


def _dimensions(
    program: ExportedProgram, inputs: ModelInputs
) -> tuple[dict[str, str], dict[str, tuple[int, int]]]:
    """Torch's symbols and the names of the dimensions they are, and the dimensions' ranges."""
    symbols: dict[str, str] = {}
    dims: dict[str, tuple[int, int]] = {}
    for node, chosen in zip(user_inputs(program), inputs.axes, strict=True):
        for axis, dimension in chosen.items():
            symbol = node.meta["val"].shape[axis].node.expr
            allowed = program.range_constraints[symbol]
            low, high = max(1, int(allowed.lower)), int(min(allowed.upper, MAX_DIMENSION))
            known = dims.get(dimension, (1, MAX_DIMENSION))
            dims[dimension] = (max(low, known[0]), min(high, known[1]))
            symbols[str(symbol)] = dimension
    return symbols, dims


def _export_failure(model: nn.Module, error: Exception) -> str:
    """Say which module and line stopped the export, why, and what helps."""
    reason = str(error).strip() or type(error).__name__
    first = reason.split("\n\n")[0][:_SHOWN_REASON_CHARACTERS]
    place = _failing_place(model, error.__traceback__)
    message = f"torch.export cannot export {type(model).__name__}: {first}"
    if place:
        message += f"\nwhile running {place}"
    if _depends_on_data(error, reason):
        message += (
            "\naten._local_scalar_dense: a branch, a size or a Python number there depends on the "
            "values of a tensor; only shapes may decide what is computed: select with torch.where "
            f"instead\n{supported()}"
        )
    return message


def _depends_on_data(error: Exception, reason: str) -> bool:
    return "DataDependent" in type(error).__name__ or "data-dependent" in reason.lower()


def _failing_place(model: nn.Module, trace: TracebackType | None) -> str | None:
    """Module path and source line of the innermost frame that is the user's."""
    paths = {id(module): path for path, module in model.named_modules()}
    module = line = None
    while trace is not None:
        frame = trace.tb_frame
        owner = frame.f_locals.get("self")
        if id(owner) in paths:
            module = paths[id(owner)]
        if not is_library_file(frame.f_code.co_filename):
            source = linecache.getline(frame.f_code.co_filename, trace.tb_lineno).strip()
            if module is not None and Path(frame.f_code.co_filename).exists():
                line = f"{frame.f_code.co_filename}:{trace.tb_lineno}: {source}"
        trace = trace.tb_next
    if module is None:
        return None
    place = f"module {module!r}" if module else "the model's own forward"
    return f"{place} ({line})" if line else place
