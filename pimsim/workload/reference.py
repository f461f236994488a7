"""Run a workload in float32 with NumPy: the reference for every accuracy that pimsim states.

Which question this module answers: *what does the network answer when nothing is quantized?*

:func:`run` executes the graph op by op and hands every tensor to an observer; calibration sees the
ranges of all activations this way. Functions of the data-movement kinds work on any element type
(:func:`apply_movement`), as does :func:`unfold_convolution`, so that integer and analog execution
move values exactly as the reference does.

Not modelled: PyTorch's own order of summation. Outputs agree with the traced model to float32
rounding (1e-4 of the largest output is asserted for the bundled workload), not bit for bit.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from pimsim.errors import UnsupportedOpError, WorkloadError
from pimsim.workload.graph import MOVEMENT_KINDS, Op, Workload
from pimsim.workload.shapes import Size, resolve, resolve_shape

Array = NDArray[Any]
Observer = Callable[[str, Array], None]
"""Called with name and value of each tensor as it is produced; must not change the value."""

_TANH_GELU_SCALE: Final = 0.7978845608028654
"""sqrt(2 / pi), Hendrycks and Gimpel, Gaussian Error Linear Units, arXiv:1606.08415, section 2."""
_TANH_GELU_CUBIC: Final = 0.044715
"""Coefficient of the cubic term, same place."""


def run(workload: Workload, *inputs: Array, observe: Observer | None = None) -> dict[str, Array]:
    """Execute the workload in float32.

    Parameters
    ----------
    workload
        A workload with weights.
    *inputs
        One array per entry of ``workload.inputs``, in that order.
    observe
        Called with every input and every op's output, in execution order.

    Returns
    -------
    dict
        Output name to value. A tensor is freed after its last use, so the peak memory is that of
        the widest part of the graph.

    Raises
    ------
    WorkloadError
        If the workload has no weights, an input does not fit, or an op gives another shape than
        the graph declares.
    UnsupportedOpError
        If an op is of a kind that has no function here.
    """
    if workload.shape_only:
        raise WorkloadError(
            f"workload {workload.name!r} has shapes only, no weights: there is nothing to execute; "
            "trace it again with weights"
        )
    dims = bind_inputs(workload, inputs)
    notify = observe if observe is not None else _ignore
    values: dict[str, Array] = dict(workload.weights)
    for name, value in zip(workload.inputs, inputs, strict=True):
        values[name] = value
        notify(name, value)
    last_use = _last_use(workload)
    for position, op in enumerate(workload.ops):
        operands = [values[name] for name in op.inputs]
        value = execute(op, operands, dims)
        declared = workload.tensors[op.output].resolved(dims)
        if value.shape != declared:
            raise WorkloadError(
                f"workload {workload.name!r}, op {op.name!r}: computed shape {value.shape}, but "
                f"graph.json declares {declared} for {op.output!r}; trace the model again"
            )
        values[op.output] = value
        notify(op.output, value)
        del operands, value
        for name in {*op.inputs, *op.outputs}:
            if last_use.get(name, position) == position:
                del values[name]
    return {name: values[name] for name in workload.outputs}


def execute(op: Op, inputs: Sequence[Array], dims: Mapping[str, int]) -> Array:
    """Compute one operation in the precision of its operands.

    Raises
    ------
    UnsupportedOpError
        If the kind has no function.
    """
    if op.kind in MOVEMENT_KINDS:
        return apply_movement(op, inputs, dims)
    if op.kind not in _ARITHMETIC:
        raise UnsupportedOpError(
            f"op {op.name!r}: kind {op.kind!r} has no reference function; supported: "
            f"{', '.join(sorted({*_ARITHMETIC, *MOVEMENT_KINDS}))}"
        )
    return _ARITHMETIC[op.kind](op, inputs)


def apply_movement(op: Op, inputs: Sequence[Array], dims: Mapping[str, int]) -> Array:
    """Rearrange values without changing any, whatever their element type.

    Parameters
    ----------
    op
        An operation of one of :data:`~pimsim.workload.graph.MOVEMENT_KINDS`.
    inputs
        Its operands. The result may share their memory: do not write into it.
    dims
        The number that each symbolic dimension stands for.

    Raises
    ------
    UnsupportedOpError
        If ``op`` is not a movement.

    Examples
    --------
    >>> split = Op("heads", "view", ("x",), ("y",), {"shape": ("batch", 2, 3)})
    >>> apply_movement(split, [np.arange(12).reshape(2, 6)], {"batch": 2}).shape
    (2, 2, 3)
    """
    if op.kind not in _MOVEMENTS:
        raise UnsupportedOpError(
            f"op {op.name!r}: kind {op.kind!r} is not data movement; movements are "
            f"{', '.join(sorted(_MOVEMENTS))}"
        )
    return _MOVEMENTS[op.kind](op, inputs, dims)


def bind_inputs(workload: Workload, inputs: Sequence[Array]) -> dict[str, int]:
    """Find the number of every symbolic dimension from the shapes of real inputs.

    Dimensions that no input carries alone on an axis take their smallest value.

    Raises
    ------
    WorkloadError
        If the count, an element type or a shape of the inputs does not fit the graph, or a
        dimension lies outside what the trace allows.
    """
    where = f"workload {workload.name!r}"
    if len(inputs) != len(workload.inputs):
        raise WorkloadError(
            f"{where} takes {len(workload.inputs)} inputs ({', '.join(workload.inputs)}), "
            f"got {len(inputs)}"
        )
    found: dict[str, int] = {}
    for name, value in zip(workload.inputs, inputs, strict=True):
        spec = workload.tensors[name]
        expected = f"{where}, input {name!r}: expected {spec.dtype} of shape {_text(spec.shape)}"
        if value.dtype != np.dtype(spec.dtype):
            raise WorkloadError(f"{expected}, got element type {value.dtype}; convert it")
        if value.ndim != len(spec.shape):
            raise WorkloadError(f"{expected}, got {value.ndim} axes: {_text(value.shape)}")
        for size, length in zip(spec.shape, value.shape, strict=True):
            if size not in workload.dims:
                continue
            if found.setdefault(str(size), length) != length:
                raise WorkloadError(
                    f"{expected}, got {_text(value.shape)}: {size} is {found[str(size)]} elsewhere"
                )
    dims = workload.bind(**found)
    for name, value in zip(workload.inputs, inputs, strict=True):
        spec = workload.tensors[name]
        if value.shape != spec.resolved(dims):
            raise WorkloadError(
                f"{where}, input {name!r}: expected shape {_text(spec.shape)}, "
                f"got {_text(value.shape)}"
            )
    return dims


def unfold_convolution(
    x: Array,
    kernel: tuple[int, int],
    *,
    stride: tuple[int, int] = (1, 1),
    padding: tuple[int, int] = (0, 0),
    dilation: tuple[int, int] = (1, 1),
) -> Array:
    """Lay out the receptive fields of a 2-D convolution as the rows of a matrix (im2col).

    A convolution with one group is then ``patches @ weight.reshape(out, -1).T``, which is how it
    runs on a crossbar.

    Parameters
    ----------
    x
        ``(batch, channels, height, width)``, any element type.
    kernel, stride, padding, dilation
        Pairs (vertical, horizontal), as in PyTorch; padding is with zeros.

    Returns
    -------
    NDArray
        ``(batch, positions, channels * kernel height * kernel width)``, positions row by row, in
        the element type of ``x``.

    Raises
    ------
    WorkloadError
        If the kernel is larger than the padded image.

    Examples
    --------
    >>> unfold_convolution(np.arange(16).reshape(1, 1, 4, 4), (2, 2), stride=(2, 2))[0, 0].tolist()
    [0, 1, 4, 5]
    """
    batch, channels = x.shape[:2]
    if any(padding):
        edges = ((0, 0), (0, 0), (padding[0], padding[0]), (padding[1], padding[1]))
        x = np.pad(x, edges)
    spans = tuple(
        spread * (length - 1) + 1 for spread, length in zip(dilation, kernel, strict=True)
    )
    if x.shape[2] < spans[0] or x.shape[3] < spans[1]:
        raise WorkloadError(
            f"a convolution kernel spanning {spans} pixels does not fit an image of {x.shape[2:]} "
            "pixels, padding included"
        )
    windows = sliding_window_view(x, spans, axis=(2, 3))
    windows = windows[:, :, :: stride[0], :: stride[1], :: dilation[0], :: dilation[1]]
    positions = windows.shape[2] * windows.shape[3]
    by_position = windows.transpose(0, 2, 3, 1, 4, 5)
    return by_position.reshape(batch, positions, channels * kernel[0] * kernel[1])


def _ignore(name: str, value: Array) -> None:
    """Observe nothing."""


def _last_use(workload: Workload) -> dict[str, int]:
    """Index of the last op that reads each tensor; an output of the graph is never dropped."""
    uses = {name: index for index, op in enumerate(workload.ops) for name in op.inputs}
    return {**uses, **dict.fromkeys(workload.outputs, len(workload.ops))}


def _text(shape: Sequence[Size]) -> str:
    return "(" + ", ".join(str(size) for size in shape) + ")"


def _linear(op: Op, inputs: Sequence[Array]) -> Array:
    x, weight = inputs[:2]
    rows = x.reshape(-1, x.shape[-1]) @ weight.T  # one product: faster than one per batch entry
    if len(inputs) == 3:
        rows += inputs[2]
    return rows.reshape(*x.shape[:-1], weight.shape[0])


def _matmul(op: Op, inputs: Sequence[Array]) -> Array:
    product: Array = np.matmul(inputs[0], inputs[1])
    return product


def _convolution(op: Op, inputs: Sequence[Array]) -> Array:
    x, weight = inputs[:2]
    height, width = weight.shape[2:]
    stride, padding, dilation = (
        _pair(op.attributes[name]) for name in ("stride", "padding", "dilation")
    )
    parts = []
    groups: int = op.attributes["groups"]
    for channels, filters in zip(
        np.split(x, groups, axis=1), np.split(weight, groups, axis=0), strict=True
    ):
        patches = unfold_convolution(
            channels, (height, width), stride=stride, padding=padding, dilation=dilation
        )
        parts.append(patches @ filters.reshape(len(filters), -1).T)
    pixels = np.concatenate(parts, axis=2)
    if len(inputs) == 3:
        pixels = pixels + inputs[2]
    rows = (x.shape[2] + 2 * padding[0] - dilation[0] * (height - 1) - 1) // stride[0] + 1
    return pixels.transpose(0, 2, 1).reshape(len(x), len(weight), rows, -1)


def _pair(value: Sequence[int]) -> tuple[int, int]:
    return (value[0], value[1])


def _softmax(op: Op, inputs: Sequence[Array]) -> Array:
    x, axis = inputs[0], op.attributes["axis"]
    exponentials = np.exp(x - x.max(axis=axis, keepdims=True))
    normalized: Array = exponentials / exponentials.sum(axis=axis, keepdims=True)
    return normalized


def _layer_norm(op: Op, inputs: Sequence[Array]) -> Array:
    x, gain, bias = inputs
    axes = tuple(range(-op.attributes["normalized_axes"], 0))
    centred = x - x.mean(axis=axes, keepdims=True)
    variance = np.square(centred).mean(axis=axes, keepdims=True)
    normalized: Array = centred / np.sqrt(variance + x.dtype.type(op.attributes["epsilon"]))
    return normalized * gain + bias


def _gelu(op: Op, inputs: Sequence[Array]) -> Array:
    x = inputs[0]
    number = x.dtype.type
    if op.attributes["approximate"] == "tanh":
        inner = number(_TANH_GELU_SCALE) * (x + number(_TANH_GELU_CUBIC) * x * x * x)
        approximated: Array = number(0.5) * x * (number(1) + np.tanh(inner))
        return approximated
    from scipy.special import erf

    exact: Array = number(0.5) * x * (number(1) + erf(x * number(np.sqrt(0.5))))
    return exact


def _second(op: Op, inputs: Sequence[Array]) -> Array:
    """The other operand of an addition or multiplication, an array or the scalar attribute."""
    if len(inputs) == 2:
        return inputs[1]
    return np.asarray(op.attributes["scalar"], dtype=inputs[0].dtype)


def _add(op: Op, inputs: Sequence[Array]) -> Array:
    total: Array = inputs[0] + _second(op, inputs)
    return total


def _mul(op: Op, inputs: Sequence[Array]) -> Array:
    product: Array = inputs[0] * _second(op, inputs)
    return product


def _view(op: Op, inputs: Sequence[Array], dims: Mapping[str, int]) -> Array:
    return inputs[0].reshape(resolve_shape(op.attributes["shape"], dims))


def _permute(op: Op, inputs: Sequence[Array], dims: Mapping[str, int]) -> Array:
    return inputs[0].transpose(op.attributes["axes"])


def _expand(op: Op, inputs: Sequence[Array], dims: Mapping[str, int]) -> Array:
    return np.broadcast_to(inputs[0], resolve_shape(op.attributes["shape"], dims))


def _slice(op: Op, inputs: Sequence[Array], dims: Mapping[str, int]) -> Array:
    start, stop = (
        bound if isinstance(bound, int) else resolve(bound, dims)
        for bound in (op.attributes["start"], op.attributes["stop"])
    )
    index: list[slice] = [slice(None)] * inputs[0].ndim
    index[op.attributes["axis"]] = slice(start, stop, op.attributes["step"])
    return inputs[0][tuple(index)]


def _select(op: Op, inputs: Sequence[Array], dims: Mapping[str, int]) -> Array:
    index: list[slice | int] = [slice(None)] * inputs[0].ndim
    index[op.attributes["axis"]] = op.attributes["index"]
    selected: Array = inputs[0][tuple(index)]
    return selected


def _cat(op: Op, inputs: Sequence[Array], dims: Mapping[str, int]) -> Array:
    return np.concatenate(inputs, axis=op.attributes["axis"])


_ARITHMETIC: Final[Mapping[str, Callable[[Op, Sequence[Array]], Array]]] = {
    "linear": _linear,
    "matmul": _matmul,
    "convolution": _convolution,
    "softmax": _softmax,
    "layer_norm": _layer_norm,
    "gelu": _gelu,
    "add": _add,
    "mul": _mul,
}

_MOVEMENTS: Final[Mapping[str, Callable[[Op, Sequence[Array], Mapping[str, int]], Array]]] = {
    "view": _view,
    "permute": _permute,
    "expand": _expand,
    "slice": _slice,
    "select": _select,
    "cat": _cat,
}
