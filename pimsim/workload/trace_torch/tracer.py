"""Turn a PyTorch model into a workload.

Which question this module answers: *how does a model in memory become a workload?*

``torch.export`` records the graph with named dimensions, torch decomposes what is composite, every
remaining ATen node is lowered by name, patterns get their standard names, and the finished workload
is run by the float32 reference beside the model before it is returned.

Limits: models are traced in evaluation mode, take tensors, and may branch on shapes only as far as
``torch.export`` allows.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import torch
from numpy.typing import NDArray
from torch import nn
from torch.export import ExportedProgram
from torch.export.graph_signature import OutputKind
from torch.fx import Node

from pimsim.errors import UnsupportedOpError, WorkloadError
from pimsim.workload.attention import with_groups
from pimsim.workload.checks import check_weights
from pimsim.workload.graph import Samples, Workload
from pimsim.workload.patterns import recognized, simplified, with_output_names
from pimsim.workload.trace_torch.emitter import Emitter
from pimsim.workload.trace_torch.export import Exported, export, user_inputs
from pimsim.workload.trace_torch.inputs import Dynamic, Examples, ModelInputs, model_inputs
from pimsim.workload.trace_torch.lowerings import LOWERINGS, Lowering
from pimsim.workload.trace_torch.lowerings.table import is_empty, supported
from pimsim.workload.trace_torch.places import describe, model_path
from pimsim.workload.trace_torch.progress import Progress, Silent
from pimsim.workload.trace_torch.ranges import with_possible_lengths
from pimsim.workload.trace_torch.stored import as_array, declare_stored
from pimsim.workload.trace_torch.verify import settled, verified

_SYMBOLIC: Final = (int, float, bool, torch.SymInt, torch.SymFloat, torch.SymBool)


def trace(
    model: nn.Module,
    example_inputs: Examples,
    *,
    name: str | None = None,
    dynamic: Dynamic = None,
    samples: Samples | None = None,
    task: str | None = None,
    factory: str | None = None,
    recognize: bool = True,
    progress: Progress | None = None,
) -> Workload:
    """Trace a model.

    Parameters
    ----------
    model
        In evaluation mode, of any floating type. Its weights are float32 in the workload, and
        share its memory where they are float32 already: save or copy the workload before training
        on. A model on the ``meta`` device gives a workload of shapes only. Of what it returns,
        tensors become outputs, those of a dictionary or dataclass under their names; caches and
        other things are left out.
    example_inputs
        One tensor per argument of ``forward``, ``None`` to leave an optional one out; or a mapping
        from argument to tensor. An axis of length 1 that is a dimension is repeated to 2, because
        ``torch.export`` cannot tell it from a constant.
    name
        Letters, digits, ``.``, ``_`` and ``-``; by default the name of the model's class.
    dynamic
        Which axes are dimensions. ``("batch",)``: the first axis of every input. ``("batch",
        "seq")``: also the second axis of inputs with integer elements or with at most three axes.
        A mapping ``{"image": {0: "batch", 2: "height"}}`` names any axes. By default batch, and
        seq where the model allows any length; inputs with sequences of another length than the
        first one's have a dimension ``<input>_seq``.
    samples, task, factory
        Stored in the workload as they are.
    recognize
        Whether to give patterns such as RMS norm their standard kind. The outputs are the same.
    progress
        Told about the stages.

    Returns
    -------
    Workload
        Checked, and, where there are weights, run against the model.

    Raises
    ------
    WorkloadError
        If the model is in training mode, cannot be exported, fixes an axis that was asked for, or
        is not reproduced to 1e-4 by the float32 reference.
    UnsupportedOpError
        If an ATen operation has no lowering; names each one, its module and source line.
    """
    watch: Progress = progress if progress is not None else Silent()
    _check_model(model)
    inputs = model_inputs(model, example_inputs, dynamic)
    watch.stage("export", None)
    exported = export(model, inputs)
    inputs = exported.inputs
    emitter = Emitter(exported.symbols, _leaves(model))
    for node, input_name in zip(user_inputs(exported.program), inputs.names, strict=True):
        emitter.given(node, input_name, "input")
    tensors = declare_stored(exported.program, model, emitter)
    _lower(exported.program, emitter, watch)
    title = name if name is not None else type(model).__name__
    workload = _assembled(emitter, exported, tensors, title)
    watch.stage("recognize", None)
    workload = simplified(workload)
    if recognize:
        workload = recognized(workload)
    workload = with_output_names(workload, exported.output_names)
    workload = _finished(workload, model, inputs, watch)
    return replace(workload, samples=samples, task=task, factory=factory)


def _finished(
    workload: Workload,
    model: nn.Module,
    inputs: ModelInputs,
    watch: Progress,
) -> Workload:
    """Tag attention layers, check the graph, and run it beside the model if it has weights."""
    where = f"trace of {workload.name!r}"
    workload = with_groups(with_possible_lengths(workload, where))
    watch.stage("verify", None)
    if workload.shape_only:
        workload = settled(workload, model, inputs)
    else:
        check_weights(workload, where)
        workload = verified(workload, model, inputs)
    return with_possible_lengths(workload, where)


def _check_model(model: nn.Module) -> None:
    if not isinstance(model, nn.Module):
        raise WorkloadError(f"the model must be a torch.nn.Module, got {type(model).__name__}")
    training = [path for path, module in model.named_modules() if module.training]
    if training:
        place = "the model" if training[0] == "" else f"module {training[0]!r}"
        raise WorkloadError(f"{place} is in training mode; call model.eval() before tracing")


def _leaves(model: nn.Module) -> frozenset[str]:
    return frozenset(
        path for path, module in model.named_modules() if path and not any(module.children())
    )


def _lower(program: ExportedProgram, emitter: Emitter, watch: Progress) -> None:
    """Lower every ATen node that computes a tensor; report all that cannot be at once."""
    nodes = [node for node in program.graph.nodes if node.op == "call_function"]
    watch.stage("lower", len(nodes))
    problems: dict[str, str] = {}
    failed: set[Node] = set()
    known: dict[str, Lowering | None] = {}
    for node in nodes:
        watch.advance()
        value = node.meta.get("val")
        if isinstance(value, _SYMBOLIC):
            emitter.size_from_tensor(node)
            continue  # sizes are computed from the shapes when the workload runs
        if isinstance(value, torch.Tensor) and is_empty(node):
            continue  # what joins it with something leaves it out
        target = str(node.target)
        if target not in known:
            known[target] = _lowering(target)
        problem = _problem(node, known[target], emitter, failed)
        if problem is not None:
            failed.add(node)
            problems.setdefault(target, problem)
    problems = {target: text for target, text in problems.items() if text}
    if problems:
        raise UnsupportedOpError("\n".join([*problems.values(), supported()]))


def _lowering(target: str) -> Lowering | None:
    """The lowering of an operation, ours or a plug-in's; looked up once for all of its nodes."""
    return LOWERINGS[target] if target in LOWERINGS else None  # noqa: SIM401  no Mapping


def _problem(
    node: Node, lowering: Lowering | None, emitter: Emitter, failed: set[Node]
) -> str | None:
    """Lower one node and return what is wrong: ``""`` if only what comes before it is."""
    if lowering is None:
        return f"{describe(node)}: no lowering"
    if not failed.isdisjoint(node.all_input_nodes):
        return ""
    try:
        lowering(node, emitter)
    except UnsupportedOpError as error:
        return str(error)
    return None


def _assembled(
    emitter: Emitter,
    exported: Exported,
    tensors: Mapping[str, torch.Tensor],
    name: str,
) -> Workload:
    """The lowered graph with its values, before patterns are looked for."""
    ops, specs, made = emitter.finish()
    shapes_only = any(tensor.device.type == "meta" for tensor in tensors.values())
    weights: dict[str, NDArray[Any]] = {}
    if not shapes_only:
        weights = {key: as_array(tensor) for key, tensor in tensors.items() if key in specs}
        weights |= {key: value for key, value in made.items() if key in specs}
    return Workload(
        name=name,
        task=None,
        factory=None,
        dims=exported.dims,
        inputs=exported.inputs.names,
        outputs=tuple(emitter.name_of(node) for node in _outputs(exported.program)),
        tensors=specs,
        ops=ops,
        weights=weights,
    )


def _outputs(program: ExportedProgram) -> tuple[Node, ...]:
    specs = program.graph_signature.output_specs
    others = [spec for spec in specs if spec.kind != OutputKind.USER_OUTPUT]
    if others:
        changed = model_path(str(others[0].target))
        raise WorkloadError(
            f"the model changes {changed!r} while it runs; only models without state are traced"
        )
    (output,) = (node for node in program.graph.nodes if node.op == "output")
    return tuple(output.args[0])
