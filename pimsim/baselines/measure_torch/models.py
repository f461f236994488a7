"""The model behind a workload, with weights and inputs, ready to run.

Which question this module answers: *which module is called, on which tensors?*

The factory that ``graph.json`` names builds the model. What it builds on PyTorch's meta device, as
the bundled shape-only workloads do, gets random weights: time does not depend on their values.
Token numbers are random, too.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor, nn

from pimsim.baselines.measurement import Case
from pimsim.config.bundled import known_workloads, workload_path
from pimsim.errors import InputError, nearest
from pimsim.workload import Workload
from pimsim.workload.files import load
from pimsim.workload.trace_torch.factory import Built, build_model

DTYPES: Final = {
    "fp32": torch.float32,
    "tf32": torch.float32,
    "fp16": torch.float16,
    "bf16": torch.bfloat16,
}
"""What PyTorch runs a whole model in; it has no path of its own for int8 and fp8."""

_WEIGHT_DEVIATION: Final = 0.02


@dataclass(frozen=True, slots=True)
class Subject:
    """What is to be measured: a factory, and the workload that was traced from it, if any."""

    name: str
    factory: str
    workload: Workload | None


@dataclass(frozen=True, slots=True)
class Prepared:
    """A call of the model."""

    call: Callable[[], Any]
    model: nn.Module


def subject(target: str) -> Subject:
    """Find what a name stands for: a workload, whose model is rebuilt, or ``MODULE:FACTORY``.

    Raises
    ------
    NotFoundError
        If there is no such workload.
    InputError
        If the workload does not say which factory built its model.
    """
    if ":" in target and target not in known_workloads():
        return Subject(target.rsplit(":", 1)[1], target, None)
    workload = load(workload_path(target))
    if not workload.factory:
        raise InputError(
            f"workload {workload.name!r} does not say which function built its model; give it as "
            "MODULE:FACTORY"
        )
    return Subject(workload.name, workload.factory, workload)


def prepare(what: Subject, case: Case, device: str) -> Prepared:
    """Build the model in a precision on a device, and the inputs of one batch.

    Raises
    ------
    InputError
        If precision, phase or sequence mean nothing for the model.
    """
    if case.precision not in DTYPES:
        raise InputError(
            f"PyTorch has no path for a whole model in {case.precision!r}"
            f"{nearest(case.precision, DTYPES)}"
        )
    built = build_model(what.factory)
    model = _materialized(built.model, device, DTYPES[case.precision]).eval()
    torch.backends.cuda.matmul.allow_tf32 = case.precision == "tf32"
    torch.backends.cudnn.allow_tf32 = case.precision == "tf32"
    inputs = _inputs(what, built, case, device)
    if case.phase == "decode":
        return Prepared(_step(model, inputs), model)
    return Prepared(lambda: model(*inputs), model)


def _materialized(model: nn.Module, device: str, dtype: torch.dtype) -> nn.Module:
    if not any(tensor.is_meta for tensor in (*model.parameters(), *model.buffers())):
        return model.to(device=device, dtype=dtype)
    model = model.to(dtype=dtype).to_empty(device=device)
    generator = torch.Generator(device).manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0.0, _WEIGHT_DEVIATION, generator=generator)
        for buffer in model.buffers():
            buffer.fill_(1 if buffer.is_floating_point() else 0)
    return model


def _inputs(what: Subject, built: Built, case: Case, device: str) -> list[Tensor]:
    dtype = DTYPES[case.precision]
    if what.workload is None:
        examples = built.examples
        if not isinstance(examples, Sequence):
            raise InputError(
                f"{what.factory} returns no example inputs in a row; return (model, (tensor, ...))"
            )
        if case.seq is not None:
            raise InputError("seq needs a workload, whose dimensions are known")
        given = [tensor for tensor in examples if tensor is not None]
        return [_repeated(tensor, case.batch, device, dtype) for tensor in given]
    workload = what.workload
    sizes = {"batch": case.batch}
    tokens = case.context if case.phase else case.seq
    if tokens is not None:
        sizes["seq"] = tokens
    elif "seq" in workload.dims:
        raise InputError(f"workload {workload.name!r} needs seq, the tokens of each input")
    dims = workload.bind(**{name: sizes[name] for name in sizes if name in workload.dims})
    specs = [workload.tensors[name] for name in workload.inputs]
    return [
        _random(spec.resolved(dims), getattr(torch, spec.dtype), device, dtype) for spec in specs
    ]


def _random(shape: tuple[int, ...], own: torch.dtype, device: str, dtype: torch.dtype) -> Tensor:
    if own.is_floating_point:
        return torch.randn(shape, device=device, dtype=dtype)
    if own is torch.bool:
        return torch.ones(shape, device=device, dtype=own)
    return torch.randint(0, 2, shape, device=device, dtype=own)


def _repeated(tensor: Tensor, batch: int, device: str, dtype: torch.dtype) -> Tensor:
    """The first example, as often as the batch asks for."""
    if tensor.is_meta:
        return _random((batch, *tensor.shape[1:]), tensor.dtype, device, dtype)
    made = tensor[:1].expand(batch, *tensor.shape[1:]).contiguous().to(device)
    return made.to(dtype) if made.is_floating_point() else made


def _step(model: nn.Module, inputs: Sequence[Tensor]) -> Callable[[], Any]:
    """One step of a decoder of Hugging Face's transformers against a filled cache."""
    with torch.no_grad():
        try:
            cache = model(inputs[0], use_cache=True).past_key_values
        except (TypeError, AttributeError):
            cache = None
    if not hasattr(cache, "crop"):
        raise InputError(
            "phase decode is measured for decoders of Hugging Face's transformers, which take "
            "use_cache and past_key_values; this model does not"
        )
    token = inputs[0][:, :1]

    def step() -> Any:
        answer = model(token, past_key_values=cache, use_cache=True)
        cache.crop(-1)  # the new token
        return answer

    return step
