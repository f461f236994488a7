"""Run a finished trace beside the model it came from.

Which question this module answers: *does the workload compute what the model computes?*

The float32 reference runs on parts of the example inputs: two examples and a few tokens, then the
shortest lengths, so that a check costs two small forward passes. A model in half or double
precision is run in float32 for the comparison; its own parameters stay as they are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.func import functional_call

from pimsim.errors import WorkloadError
from pimsim.workload.checks import check_graph
from pimsim.workload.graph import Workload
from pimsim.workload.reference import run
from pimsim.workload.trace_torch.inputs import ModelInputs
from pimsim.workload.trace_torch.places import MODEL_ATTRIBUTE
from pimsim.workload.trace_torch.ranges import shortest_lengths
from pimsim.workload.trace_torch.wrapper import Wrapper, traceable

AGREEMENT_RATIO: Final = 1e-4
"""Largest error of the float32 reference against the model, relative to the largest output: a
hundred times the rounding of a sum of a thousand float32 products, far below any real mistake."""

_BATCH: Final = 2
_TOKENS: Final = 8


def verified(workload: Workload, model: nn.Module, inputs: ModelInputs) -> Workload:
    """Compare the workload with the model and settle the smallest lengths.

    Returns
    -------
    Workload
        With dimensions that start at 1 where the model takes a length of 1 and the workload gives
        the same for it, else at 2.

    Raises
    ------
    WorkloadError
        If the workload gives something else than the model, or the model fails.
    """
    wrapper = Wrapper(model, inputs)
    typical = {
        name: min(
            _longest(workload, inputs, name), _BATCH if name == "batch" else max(_TOKENS, low)
        )
        for name, (low, _) in workload.dims.items()
    }
    problem = _difference(workload, wrapper, model, _examples(workload, inputs, typical))
    if problem is not None:
        raise WorkloadError(f"trace of {workload.name!r}: {problem}")
    for lows in shortest_lengths(workload):
        try:
            problem = _difference(workload, wrapper, model, _examples(workload, inputs, lows))
        except Exception as error:  #  whatever a model raises for a length of 1
            problem = str(error)
        if problem is None:
            dims = {name: (lows[name], high) for name, (_, high) in workload.dims.items()}
            return replace(workload, dims=dims)
    raise WorkloadError(
        f"trace of {workload.name!r}: at the shortest lengths that torch.export allows, {problem}"
    )


def settled(workload: Workload, model: nn.Module, inputs: ModelInputs) -> Workload:
    """Settle the smallest lengths of a workload that has shapes only.

    There are no values to compare, so the lengths are those at which the model runs and every shape
    of the workload follows from the one before, up to the model's own output shapes.
    """
    wrapper = Wrapper(model, inputs)
    for lows in shortest_lengths(workload):
        dims = {name: (lows[name], high) for name, (_, high) in workload.dims.items()}
        candidate = replace(workload, dims=dims)
        try:
            # as in an export: a fake tensor tells a model not to look at values
            with traceable(model), FakeTensorMode(allow_non_fake_inputs=True) as mode:
                examples = map(mode.from_tensor, _examples(workload, inputs, lows))
                results = wrapper(*examples)
            check_graph(candidate, f"trace of {workload.name!r}")
        except Exception:  # whatever a model raises for a length of 1
            continue
        found = [workload.tensors[name].resolved(lows) for name in workload.outputs]
        if found == [tuple(result.shape) for result in results]:
            return candidate
    return workload


def _longest(workload: Workload, inputs: ModelInputs, dimension: str) -> int:
    """Length of a dimension in the example inputs."""
    return next(
        int(example.shape[axis])
        for name, example in zip(inputs.names, inputs.examples, strict=True)
        for axis, size in enumerate(workload.tensors[name].shape)
        if size == dimension
    )


def _examples(
    workload: Workload, inputs: ModelInputs, lengths: Mapping[str, int]
) -> tuple[torch.Tensor, ...]:
    """The example inputs cut to the given lengths, in float32."""
    cut = []
    for name, example in zip(inputs.names, inputs.examples, strict=True):
        part = example.float() if example.is_floating_point() else example
        for axis, size in enumerate(workload.tensors[name].shape):
            if size in lengths:
                part = part.narrow(axis, 0, min(lengths[str(size)], part.shape[axis]))
        cut.append(part.contiguous())
    return tuple(cut)


def _difference(
    workload: Workload, wrapper: Wrapper, model: nn.Module, examples: Sequence[torch.Tensor]
) -> str | None:
    """Say what differs between the workload's outputs and the model's, ``None`` if nothing."""
    expected = _model_outputs(wrapper, model, examples)
    arrays = [example.cpu().numpy() for example in examples]
    widest = replace(workload, dims={name: (1, high) for name, (_, high) in workload.dims.items()})
    outputs = run(widest, *arrays)
    for name, reference in zip(workload.outputs, expected, strict=True):
        problem = _output_difference(name, outputs[name], reference)
        if problem is not None:
            return problem
    return None


def _output_difference(name: str, output: NDArray[Any], reference: NDArray[Any]) -> str | None:
    if output.shape != reference.shape:
        return f"output {name!r} has shape {output.shape}, the model's {reference.shape}"
    wide = np.float64 if reference.dtype.kind == "f" else np.int64
    error = float(np.max(np.abs(output.astype(wide) - reference.astype(wide)), initial=0.0))
    largest = float(np.max(np.abs(reference.astype(wide)), initial=0.0))
    allowed = AGREEMENT_RATIO * largest if reference.dtype.kind == "f" else 0.0
    if error <= allowed:
        return None
    return (
        f"output {name!r} differs from the model's by {error:g} at a largest value of {largest:g}; "
        f"allowed is {AGREEMENT_RATIO:g} of it: a lowering is wrong for this model"
    )


def _model_outputs(
    wrapper: Wrapper, model: nn.Module, examples: Sequence[torch.Tensor]
) -> list[NDArray[Any]]:
    with traceable(model):
        overrides = _float32(model)
        if overrides:
            tensors = {f"{MODEL_ATTRIBUTE}.{path}": value for path, value in overrides.items()}
            results = functional_call(wrapper, tensors, tuple(examples))
        else:
            results = wrapper(*examples)
    return [
        (result.float() if result.is_floating_point() else result).cpu().numpy()
        for result in results
    ]


def _float32(model: nn.Module) -> dict[str, torch.Tensor]:
    """Parameters and buffers of other floating types, converted."""
    named = (*model.named_parameters(), *model.named_buffers())
    return {
        path: tensor.detach().float()
        for path, tensor in named
        if tensor.is_floating_point() and tensor.dtype != torch.float32
    }
