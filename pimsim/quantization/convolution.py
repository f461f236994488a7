"""A convolution as a product: receptive fields as rows of a matrix, and pixels back to an image.

Which question this module answers: *how does a convolution run on a crossbar?*

Both steps are address arithmetic and move no value twice: the patches are read from the image, and
the product's columns are its channels. A convolution along one axis is one of height 1.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pimsim.errors import QuantizationError
from pimsim.integer.units import UnitOutput
from pimsim.quantization.quantized import QuantizedOp
from pimsim.workload.graph import Op
from pimsim.workload.reference import unfold_convolution
from pimsim.workload.shapes import Size

if TYPE_CHECKING:
    from pimsim.quantization.builder import GraphBuilder, Value


def unfold(builder: "GraphBuilder", op: Op, image: "Value") -> "Value":
    """Lay out the receptive fields: (batch, positions, channels * kernel).

    Raises
    ------
    QuantizationError
        If the convolution has several groups, or positions along a symbolic axis of an image.
    """
    weight = [int(size) for size in builder.shape(op.inputs[1])]
    if op.attributes["groups"] != 1:
        raise QuantizationError(
            f"a convolution with {op.attributes['groups']} groups has no crossbar form yet; "
            "only groups = 1"
        )
    kernel = _plane(weight[2:], 1)
    geometry = {
        name: _plane(op.attributes[name], rest)
        for name, rest in (("stride", 1), ("padding", 0), ("dilation", 1))
    }

    def execute(arrays: Sequence[NDArray[Any]], dims: Mapping[str, int]) -> UnitOutput:
        planes = arrays[0] if arrays[0].ndim == 4 else arrays[0][:, :, None, :]
        return UnitOutput(unfold_convolution(planes, kernel, **geometry), 0)

    shape = builder.shape(op.output)
    return builder.emit(
        QuantizedOp(
            name=f"{op.name}.unfold",
            kind="movement",
            source=op.name,
            inputs=(image.name,),
            output=f"{op.output}.patches",
            function="unfold",
            execute=None if builder.shape_only else execute,
        ),
        (shape[0], _positions(shape[2:]), int(np.prod(weight[1:]))),
        image.encoding,
    )


def fold(builder: "GraphBuilder", op: Op, pixels: "Value") -> "Value":
    """Bring (batch, position, channel) back to (batch, channel, height, width) or (.., length)."""
    shape = builder.shape(op.output)

    def execute(arrays: Sequence[NDArray[Any]], dims: Mapping[str, int]) -> UnitOutput:
        image = arrays[0].transpose(0, 2, 1)
        sizes = image.shape[2:] if len(shape) == 3 else [int(size) for size in shape[2:]]
        return UnitOutput(image.reshape(*image.shape[:2], *sizes), 0)

    return builder.emit(
        QuantizedOp(
            name=f"{op.name}.fold",
            kind="movement",
            source=op.name,
            inputs=(pixels.name,),
            output=f"{op.output}.image",
            function="fold",
            execute=None if builder.shape_only else execute,
        ),
        shape,
        pixels.encoding,
    )


def _plane(values: Sequence[int], rest: int) -> tuple[int, int]:
    """Vertical and horizontal number; ``rest`` where there is no vertical axis."""
    return (values[0] if len(values) == 2 else rest, values[-1])


def _positions(sizes: Sequence[Size]) -> Size:
    if len(sizes) == 1:
        return sizes[0]
    height, width = sizes
    if not isinstance(height, int) or not isinstance(width, int):
        raise QuantizationError("a convolution needs a fixed image size")
    return height * width
