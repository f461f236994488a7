"""What must stand in ``attributes`` of each kind of operation.

Which question this module answers: *which settings does an operation of this kind have, and which
values may they take?*

:mod:`pimsim.workload.graph` says what each attribute means. JSON has no infinity, which attention
masks are filled with: in a file it reads ``"inf"`` or ``"-inf"``, in memory it is a float.
"""

import math
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FiniteFloat,
    PositiveInt,
    Strict,
    StrictBool,
    StrictInt,
    StrictStr,
    model_validator,
)

from pimsim.workload.graph import BINARY_KINDS, UNARY_KINDS

_INFINITIES: Final = {"inf": math.inf, "-inf": -math.inf}


def _read_infinity(value: object) -> object:
    return _INFINITIES.get(value, value) if isinstance(value, str) else value


def _no_nan(value: object) -> object:
    if isinstance(value, float) and math.isnan(value):
        raise ValueError("must not be NaN")
    return value


Name = Annotated[StrictStr, Field(min_length=1, max_length=300)]
"""A name, or the text of a size expression."""
SizeField = Annotated[StrictInt, Field(ge=1)] | Name
Shape = Annotated[tuple[SizeField, ...], Strict(False)]

_Axis = Annotated[StrictInt, Field(ge=-8, le=7)]
_Axes = Annotated[tuple[_Axis, ...], Strict(False)]
_Bound = Annotated[StrictInt, Field(ge=0)] | Name
_PerAxis = Annotated[tuple[PositiveInt, ...], Strict(False), Field(min_length=1, max_length=2)]
_PaddingPerAxis = Annotated[
    tuple[Annotated[StrictInt, Field(ge=0)], ...],
    Strict(False),
    Field(min_length=1, max_length=2),
]
_Edges = Annotated[tuple[_Bound, _Bound], Strict(False)]
_Constant = Annotated[
    StrictBool | StrictInt | float,
    BeforeValidator(_read_infinity),
    AfterValidator(_no_nan),
]
_Number = _Constant | Name


class Form(BaseModel):
    """A part of ``graph.json``: no unknown key, no conversion."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class _None(Form):
    pass


class _Convolution(Form):
    stride: _PerAxis
    padding: _PaddingPerAxis
    dilation: _PerAxis
    groups: PositiveInt

    @model_validator(mode="after")
    def _one_number_per_axis(self) -> Self:
        if not len(self.stride) == len(self.padding) == len(self.dilation):
            raise ValueError("stride, padding and dilation need one number per spatial axis each")
        return self


class _AlongAxis(Form):
    axis: _Axis


class _Normalization(Form):
    epsilon: Annotated[FiniteFloat, Field(gt=0)]
    normalized_axes: PositiveInt


class _Gelu(Form):
    approximate: Literal["none", "tanh"]


class _Rotary(Form):
    interleaved: bool = False


class _Mask(Form):
    fill: _Constant


class _Scalar(Form):
    scalar: _Number | None = None
    reverse: bool = False


class _Clamp(Form):
    low: _Constant | None = None
    high: _Constant | None = None

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.low is None and self.high is None:
            raise ValueError("clamp needs low, high or both")
        return self


class _Reduction(Form):
    axes: _Axes
    keepdims: bool


class _IndexReduction(Form):
    axis: _Axis
    keepdims: bool


class _Arange(Form):
    start: _Number
    stop: _Number
    step: _Number


class _Full(Form):
    shape: Shape
    value: _Number


class _Shape(Form):
    shape: Shape


class _Permute(Form):
    axes: Annotated[tuple[Annotated[StrictInt, Field(ge=0, le=7)], ...], Strict(False)]


class _Slice(Form):
    axis: _Axis
    start: _Bound
    stop: _Bound
    step: PositiveInt


class _Select(Form):
    axis: _Axis
    index: StrictInt


class _Flip(Form):
    axes: _Axes


class _Pad(Form):
    padding: Annotated[tuple[_Edges, ...], Strict(False)]
    value: _Constant


class _Index(Form):
    axes: Annotated[_Axes, Field(min_length=1)]


_SPECIAL: Final[Mapping[str, type[Form]]] = {
    "convolution": _Convolution,
    "softmax": _AlongAxis,
    "layer_norm": _Normalization,
    "rms_norm": _Normalization,
    "gelu": _Gelu,
    "rotary": _Rotary,
    "mask": _Mask,
    "clamp": _Clamp,
    **dict.fromkeys(("sum", "mean", "max", "min", "any", "all"), _Reduction),
    **dict.fromkeys(("argmax", "argmin"), _IndexReduction),
    "cumsum": _AlongAxis,
    "arange": _Arange,
    "full": _Full,
    "view": _Shape,
    "permute": _Permute,
    "expand": _Shape,
    "slice": _Slice,
    "select": _Select,
    "cat": _AlongAxis,
    "flip": _Flip,
    "pad": _Pad,
    "gather": _AlongAxis,
    "index": _Index,
}
_WITHOUT: Final = (UNARY_KINDS - {"clamp"}) | frozenset(
    {"linear", "matmul", "relu", "silu", "sigmoid", "tanh", "embedding", "where"}
)

ATTRIBUTES: Final[Mapping[str, type[Form]]] = {
    **dict.fromkeys(sorted(_WITHOUT), _None),
    **dict.fromkeys(sorted(BINARY_KINDS), _Scalar),
    **_SPECIAL,
}
"""The form of each kind's attributes; the same keys as :data:`pimsim.workload.graph.OP_KINDS`."""


def to_json(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return attributes as JSON can hold them.

    Examples
    --------
    >>> to_json({"fill": -math.inf})
    {'fill': '-inf'}
    """
    texts = {value: text for text, value in _INFINITIES.items()}
    return {
        name: texts.get(value, value) if isinstance(value, float) else value
        for name, value in attributes.items()
    }
