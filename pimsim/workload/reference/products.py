"""Sums of products: linear layers, matrix products and convolutions.

Which question this module answers: *what do the operations give that a crossbar would compute?*
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from pimsim.errors import WorkloadError
from pimsim.workload.element_types import DType
from pimsim.workload.graph import Op
from pimsim.workload.reference.operands import Array, Function, converted

_UNFOLDED_BYTES: Final = 64 * 2**20
"""Receptive fields that a convolution lays out at a time, unless one image has more."""


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


def _linear(op: Op, inputs: Sequence[Array], dims: Mapping[str, int], dtype: DType) -> Array:
    x, weight, *bias = converted(inputs, dtype)
    rows = x.reshape(-1, x.shape[-1]) @ weight.T  # one product: faster than one per batch entry
    if bias:
        rows += bias[0]
    return rows.reshape(*x.shape[:-1], weight.shape[0])


def _matmul(op: Op, inputs: Sequence[Array], dims: Mapping[str, int], dtype: DType) -> Array:
    first, second = (_with_dense_axis(x) for x in converted(inputs, dtype))
    product: Array = np.matmul(first, second)
    return product


def _with_dense_axis(x: Array) -> Array:
    """Copy a matrix neither of whose axes is dense: NumPy leaves those to a loop without BLAS."""
    rows, columns = x.shape[-2:]
    row_stride, column_stride = x.strides[-2:]
    by_rows = column_stride == x.itemsize and row_stride >= columns * x.itemsize
    by_columns = row_stride == x.itemsize and column_stride >= rows * x.itemsize
    return x if by_rows or by_columns else np.ascontiguousarray(x)


def _convolution(op: Op, inputs: Sequence[Array], dims: Mapping[str, int], dtype: DType) -> Array:
    x, weight, *bias = converted(inputs, dtype)
    sequence = x.ndim == 3  # an image one pixel high
    if sequence:
        x, weight = x[:, :, np.newaxis], weight[:, :, np.newaxis]
    stride, padding, dilation = (
        (neutral, *op.attributes[name]) if sequence else op.attributes[name]
        for name, neutral in (("stride", 1), ("padding", 0), ("dilation", 1))
    )
    y = _convolve(op, x, weight, stride=stride, padding=padding, dilation=dilation)
    if bias:
        y += bias[0].reshape(-1, 1, 1)
    return y[:, :, 0] if sequence else y


def _convolve(
    op: Op,
    x: Array,
    weight: Array,
    *,
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    dilation: tuple[int, ...],
) -> Array:
    """Convolve images in parts of the batch, so that the unfolded fields stay small."""
    groups: int = op.attributes["groups"]
    height, width = (
        (x.shape[2 + axis] + 2 * padding[axis] - dilation[axis] * (weight.shape[2 + axis] - 1) - 1)
        // stride[axis]
        + 1
        for axis in (0, 1)
    )
    field = weight[0].size  # channels of one group, kernel height, kernel width
    filters = weight.reshape(groups, -1, field).transpose(0, 2, 1)
    y = np.empty((len(x), len(weight), height, width), x.dtype)
    part = max(1, _UNFOLDED_BYTES // (groups * field * height * width * x.itemsize))
    for first in range(0, len(x), part):
        images = x[first : first + part]
        patches = unfold_convolution(
            images.reshape(-1, weight.shape[1], *x.shape[2:]),
            (weight.shape[2], weight.shape[3]),
            stride=(stride[0], stride[1]),
            padding=(padding[0], padding[1]),
            dilation=(dilation[0], dilation[1]),
        )
        products = patches.reshape(len(images), groups, -1, field) @ filters
        y[first : first + part] = products.transpose(0, 1, 3, 2).reshape(len(images), *y.shape[1:])
    return y


PRODUCTS: Final[Mapping[str, Function]] = {
    "linear": _linear,
    "matmul": _matmul,
    "convolution": _convolution,
}
"""One function per product, the same keys as :data:`pimsim.workload.graph.PRODUCT_KINDS`."""
