"""Export a PyTorch model with ``torch.export`` and lower its graph to a workload.

Which question this module answers: *how does a model in memory become a workload?*

The export keeps ``linear``, ``matmul``, ``softmax``, ``layer_norm``, ``gelu``, ``silu`` and
``scaled_dot_product_attention`` whole and decomposes the rest; every ATen node is then lowered by
name. Parameters keep their names. A finished trace is run by the float32 reference on the example
inputs and compared with the model before it is returned.

Limits: models are traced in evaluation mode and float32, take and return tensors by position, and
may branch on shapes only as far as ``torch.export`` allows.
"""

import inspect
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.export import Dim, ExportedProgram
from torch.export.graph_signature import InputKind, OutputKind
from torch.fx import Node
from torch.utils._pytree import tree_leaves

from pimsim.errors import UnsupportedOpError, WorkloadError, nearest
from pimsim.workload.attention import with_groups
from pimsim.workload.checks import check_graph, check_weights
from pimsim.workload.graph import Samples, TensorKind, Workload
from pimsim.workload.reference import run
from pimsim.workload.trace_torch.emitter import Emitter, describe
from pimsim.workload.trace_torch.lowerings import LOWERINGS

MAX_DIMENSION: Final = 65536
"""Largest value of a symbolic dimension that a trace allows."""

AGREEMENT_RATIO: Final = 1e-4
"""Largest error of the float32 reference against the model, relative to the largest output: a
hundred times the rounding of a sum of a thousand float32 products, far below any real mistake."""

_WHOLE: Final = (
    torch.ops.aten.linear.default,
    torch.ops.aten.matmul.default,
    torch.ops.aten.softmax.int,
    torch.ops.aten.layer_norm.default,
    torch.ops.aten.gelu.default,
    torch.ops.aten.silu.default,
    torch.ops.aten.scaled_dot_product_attention.default,
)

Dynamic = Mapping[str, Mapping[int, str]]
"""Input name to {axis: dimension name}."""


def trace(
    model: nn.Module,
    example_inputs: tuple[torch.Tensor, ...],
    *,
    name: str,
    dynamic: Dynamic | None = None,
    samples: Samples | None = None,
    task: str | None = None,
    factory: str | None = None,
) -> Workload:
    """Trace a model.

    Parameters
    ----------
    model
        In evaluation mode, float32, on the CPU; returns a tensor or a tuple of tensors.
    example_inputs
        One tensor per argument of ``forward``. A batch of one is repeated, because
        ``torch.export`` cannot tell an axis of length 1 from a constant.
    name
        Letters, digits, ``.``, ``_`` and ``-``.
    dynamic
        Which axes are dimensions: ``{"image": {0: "batch"}}``. By default the first axis of every
        input is ``batch``, and the second axis of integer inputs and of inputs with three axes is
        ``seq`` if the model allows sequences of any length.
    samples, task, factory
        Stored in the workload as they are.

    Returns
    -------
    Workload
        With weights; checked, and run once against the model.

    Raises
    ------
    WorkloadError
        If the model is in training mode, cannot be exported, or is not reproduced to 1e-4 by the
        float32 reference.
    UnsupportedOpError
        If an ATen operation has no lowering; names each one, its module and source line.
    """
    _check_model(model, example_inputs)
    examples = tuple(_batch_of_two(example) for example in example_inputs)
    names = _input_names(model, examples)
    program = _export(model, examples, _dynamic_shapes(names, examples, dynamic))
    symbols, dims = _dimensions(program, names, dynamic)
    emitter = Emitter(symbols, _leaves(model))
    weights = _declare(program, emitter)
    _lower(program, emitter)
    ops, tensors = emitter.finish()
    workload = Workload(
        name=name,
        task=task,
        factory=factory,
        dims=dims,
        inputs=names,
        outputs=tuple(emitter.name_of(node) for node in _outputs(program)),
        tensors=tensors,
        ops=with_groups(ops, tensors),
        weights={tensor: weights[tensor] for tensor in tensors if tensor in weights},
        samples=samples,
    )
    where = f"trace of {name!r}"
    check_graph(workload, where)
    check_weights(workload, where)
    _check_agreement(workload, model, examples)
    return workload


def _check_model(model: nn.Module, example_inputs: Sequence[object]) -> None:
    training = [path for path, module in model.named_modules() if module.training]
    if training:
        place = "the model" if training[0] == "" else f"module {training[0]!r}"
        raise WorkloadError(f"{place} is in training mode; call model.eval() before tracing")
    for path, parameter in model.named_parameters():
        if parameter.dtype != torch.float32:
            raise WorkloadError(
                f"parameter {path!r} is {parameter.dtype}, not torch.float32; call model.float() "
                "before tracing"
            )
    if not example_inputs or not all(isinstance(item, torch.Tensor) for item in example_inputs):
        kinds = ", ".join(type(item).__name__ for item in example_inputs) or "nothing"
        raise WorkloadError(
            f"example inputs must be tensors, one per argument of forward; got {kinds}"
        )


def _batch_of_two(example: torch.Tensor) -> torch.Tensor:
    return torch.cat([example, example]) if example.dim() and len(example) == 1 else example


def _input_names(model: nn.Module, examples: Sequence[torch.Tensor]) -> tuple[str, ...]:
    try:
        bound = inspect.signature(model.forward).bind(*examples)
    except TypeError as error:
        raise WorkloadError(
            f"{len(examples)} example inputs do not fit {type(model).__name__}.forward: {error}"
        ) from None
    names = tuple(bound.arguments)
    if len(names) != len(examples):
        raise WorkloadError(
            f"{type(model).__name__}.forward takes *args; wrap the model so that every input is "
            "an argument with a name"
        )
    return names


def _dynamic_shapes(
    names: Sequence[str], examples: Sequence[torch.Tensor], dynamic: Dynamic | None
) -> tuple[dict[int, Any], ...]:
    """Torch's form of the dynamic axes; ``seq`` by default only where the model allows it."""
    if dynamic is None:
        return tuple(
            {axis: Dim.AUTO if name == "seq" else _dim(name) for axis, name in axes.items()}
            for axes in (_default_axes(example) for example in examples)
        )
    unknown = [name for name in dynamic if name not in names]
    if unknown:
        raise WorkloadError(
            f"dynamic names the input {unknown[0]!r}, which forward does not have"
            f"{nearest(unknown[0], names)}"
        )
    return tuple(
        {axis: _dim(dimension) for axis, dimension in dynamic.get(name, {}).items()}
        for name in names
    )


def _default_axes(example: torch.Tensor) -> dict[int, str]:
    axes = {0: "batch"} if example.dim() else {}
    sequence = example.dim() == 3 or (example.dim() == 2 and not example.is_floating_point())
    return {**axes, 1: "seq"} if sequence else axes


def _dim(name: str) -> Any:
    return Dim(name, min=1, max=MAX_DIMENSION)


def _export(
    model: nn.Module, examples: tuple[torch.Tensor, ...], dynamic_shapes: tuple[dict[int, Any], ...]
) -> ExportedProgram:
    table: Any = torch.export.default_decompositions()
    for operation in _WHOLE:
        table.pop(operation, None)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            # torch.export warns about its own internals; nothing there is the caller's to mend.
            warnings.simplefilter("ignore")
            program = torch.export.export(model, examples, dynamic_shapes=dynamic_shapes)
            decomposed: ExportedProgram = program.run_decompositions(table)
    except Exception as error:  # torch.export raises a dozen unrelated types
        raise WorkloadError(
            f"torch.export cannot export {type(model).__name__}: {error}"
        ) from error
    return decomposed


def _dimensions(
    program: ExportedProgram, names: Sequence[str], dynamic: Dynamic | None
) -> tuple[dict[str, str], dict[str, tuple[int, int]]]:
    """Torch's symbols and the names of the dimensions they are, and the dimensions' ranges."""
    symbols: dict[str, str] = {}
    dims: dict[str, tuple[int, int]] = {}
    for name, node in zip(names, _nodes(program, InputKind.USER_INPUT).values(), strict=True):
        value = node.meta["val"]
        axes = _default_axes(value) if dynamic is None else dynamic.get(name, {})
        for axis, dimension in axes.items():
            size = value.shape[axis]
            if not isinstance(size, torch.SymInt):
                continue
            symbol = size.node.expr
            if symbol.is_Integer:
                continue  # asked for as dynamic, but the model allows one length only
            allowed = program.range_constraints[symbol]
            low, high = max(1, int(allowed.lower)), int(min(allowed.upper, MAX_DIMENSION))
            known = dims.get(dimension, (1, MAX_DIMENSION))
            dims[dimension] = (max(low, known[0]), min(high, known[1]))
            symbols[str(symbol)] = dimension
    return symbols, dims


def _nodes(program: ExportedProgram, *kinds: InputKind) -> dict[str, Node]:
    """Placeholders of the given kinds: target in the state (or name of the input) to node."""
    by_name = {node.name: node for node in program.graph.nodes if node.op == "placeholder"}
    return {
        spec.target or spec.arg.name: by_name[spec.arg.name]
        for spec in program.graph_signature.input_specs
        if spec.kind in kinds
    }


def _declare(program: ExportedProgram, emitter: Emitter) -> dict[str, NDArray[Any]]:
    """Declare inputs, weights and constants to the emitter; return the stored values."""
    for name, node in _nodes(program, InputKind.USER_INPUT).items():
        emitter.given(node, name, "input")
    stored: tuple[tuple[InputKind, TensorKind], ...] = (
        (InputKind.PARAMETER, "weight"),
        (InputKind.BUFFER, "constant"),
        (InputKind.CONSTANT_TENSOR, "constant"),
    )
    values: dict[str, NDArray[Any]] = {}
    for origin, kind in stored:
        for target, node in _nodes(program, origin).items():
            emitter.given(node, target, kind)
            tensor = program.state_dict.get(target, program.constants.get(target))
            if not isinstance(tensor, torch.Tensor):
                raise WorkloadError(f"torch.export kept no value of {kind} {target!r}")
            values[target] = tensor.detach().cpu().contiguous().numpy().copy()
    return values


def _lower(program: ExportedProgram, emitter: Emitter) -> None:
    """Lower every ATen node that computes a tensor; report all that cannot be at once."""
    problems: dict[str, str] = {}
    for node in program.graph.nodes:
        if node.op != "call_function" or isinstance(node.meta.get("val"), (torch.SymInt, int)):
            continue  # sizes are computed from the shapes when the workload runs
        target = str(node.target)
        if target not in LOWERINGS:
            problems.setdefault(target, f"{describe(node)}: no lowering")
            continue
        try:
            LOWERINGS[target](node, emitter)
        except UnsupportedOpError as error:
            problems.setdefault(target, str(error))
    if problems:
        raise UnsupportedOpError(
            "\n".join(problems.values()) + f"\nsupported: {', '.join(LOWERINGS.names())}\n"
            "rewrite these lines with supported operations, or add a lowering: register a function "
            "in pimsim.workload.trace_torch.LOWERINGS, or publish it as a plug-in in the "
            f"entry-point group {LOWERINGS.group!r}"
        )


def _outputs(program: ExportedProgram) -> tuple[Node, ...]:
    specs = program.graph_signature.output_specs
    others = [spec for spec in specs if spec.kind != OutputKind.USER_OUTPUT]
    if others:
        raise WorkloadError(
            f"the model changes {others[0].target!r} while it runs; only models without state are "
            "traced"
        )
    (output,) = (node for node in program.graph.nodes if node.op == "output")
    nodes = tuple(output.args[0])
    if not nodes or not all(isinstance(node, Node) for node in nodes):
        raise WorkloadError("the model must return one or more tensors and nothing else")
    return nodes


def _leaves(model: nn.Module) -> frozenset[str]:
    return frozenset(
        path for path, module in model.named_modules() if path and not any(module.children())
    )


def _check_agreement(
    workload: Workload, model: nn.Module, examples: tuple[torch.Tensor, ...]
) -> None:
    with torch.no_grad():
        expected = [leaf.numpy() for leaf in tree_leaves(model(*examples))]
    outputs = run(workload, *(example.numpy() for example in examples))
    for name, reference in zip(workload.outputs, expected, strict=True):
        error = float(np.max(np.abs(outputs[name] - reference)))
        largest = float(np.max(np.abs(reference)))
        if not error <= AGREEMENT_RATIO * largest:
            raise WorkloadError(
                f"trace of {workload.name!r}: output {name!r} differs from the model's by "
                f"{error:g} at a largest value of {largest:g}; allowed is {AGREEMENT_RATIO:g} of "
                "it: a lowering is wrong for this model"
            )
