"""Hand parameters and buffers from PyTorch to the workload.

Which question this module answers: *which values does the graph store, and under which names?*

Arrays share memory with the model where PyTorch's form allows it: contiguous float32, integers and
truth values on the CPU. Other floating types are converted to float32, one tensor at a time.
"""

from typing import Any, Final

import torch
from numpy.typing import NDArray
from torch import nn
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind
from torch.fx import Node

from pimsim.errors import WorkloadError
from pimsim.workload.graph import TensorKind
from pimsim.workload.trace_torch.emitter import Emitter
from pimsim.workload.trace_torch.places import model_path

_KINDS: Final[dict[InputKind, TensorKind]] = {
    InputKind.PARAMETER: "weight",
    InputKind.BUFFER: "constant",
    InputKind.CONSTANT_TENSOR: "constant",
}


def declare_stored(
    program: ExportedProgram, model: nn.Module, emitter: Emitter
) -> dict[str, torch.Tensor]:
    """Declare weights and constants to the emitter.

    Returns
    -------
    dict
        Name to PyTorch's tensor. A parameter that is tied, or used under two paths, has one name.
    """
    nodes: dict[str, Node] = {
        node.name: node for node in program.graph.nodes if node.op == "placeholder"
    }
    first = _first_names(model)
    tensors: dict[str, torch.Tensor] = {}
    for spec in program.graph_signature.input_specs:
        if spec.kind not in _KINDS or spec.target is None:
            continue
        path = model_path(spec.target)
        name = first.get(path, path)
        emitter.given(nodes[spec.arg.name], name, _KINDS[spec.kind])
        tensor = program.state_dict.get(spec.target, program.constants.get(spec.target))
        if not isinstance(tensor, torch.Tensor):
            raise WorkloadError(f"torch.export kept no value of {_KINDS[spec.kind]} {name!r}")
        tensors[name] = tensor
    return tensors


def _first_names(model: nn.Module) -> dict[str, str]:
    """Every path of a parameter or buffer to the first path of the same tensor."""
    first: dict[int, str] = {}
    names: dict[str, str] = {}
    for named in (
        model.named_parameters(remove_duplicate=False),
        model.named_buffers(remove_duplicate=False),
    ):
        for path, tensor in named:
            names[path] = first.setdefault(id(tensor), path)
    return names


def as_array(tensor: torch.Tensor) -> NDArray[Any]:
    """Return a tensor's values, without a copy where its form allows it."""
    plain = tensor.detach().cpu()
    if plain.is_floating_point() and plain.dtype != torch.float32:
        plain = plain.float()
    value: NDArray[Any] = plain.contiguous().numpy()
    return value
