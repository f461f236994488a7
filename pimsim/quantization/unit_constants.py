"""Any integer unit by its name, from real scales.

Which question this module answers: *given the step of its input, which unit does ``model:
ivit_softmax`` stand for, and what is one step of its output?*

One function per role of :data:`pimsim.registry.UNITS`, all of one form: the unit's name, what the
layer needs, and the result is the unit with the step of its output. Floating point ends here; the
formulas are those of the units' own modules.

===========  ==========================================================================
role         function
===========  ==========================================================================
softmax      :func:`softmax` ``(model, scale, input_bits)``
gelu         :func:`gelu` ``(model, scale, input_bits)``
silu         :func:`silu` ``(model, scale, input_bits)``
layer_norm   :func:`layer_norm` ``(model, scale, input_bits, gain, bias, epsilon=)``
rms_norm     :func:`rms_norm` ``(model, scale, input_bits, gain, epsilon)``
rotary       :func:`rotary` ``(model, positions, length, input_bits)``
requantize   :func:`rescale` ``(model, ratio, input_bits, output_bits)``
===========  ==========================================================================

Units that shift each group by its own leading one (``emsb_q``, ``qrazor_sdr``, ``quartz_lzs``) need
no scale, and their output has no single step: build them by their own constructors.

A plug-in's unit is chosen in YAML like one of ours if its class has ``from_scale``, a class method
that takes what the function above takes after the name and returns the unit with the step of its
output, and ``built_hardware`` (:func:`pimsim.cost.unit_hardware.built_hardware`).
"""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from pimsim.errors import QuantizationError
from pimsim.integer.leading_one import emsb_q, qrazor_sdr, quartz_lzs
from pimsim.integer.units import IntegerUnit
from pimsim.quantization import unit_formulas
from pimsim.quantization.unit_formulas import Made
from pimsim.registry import UNITS

SMALLEST_SCALE: Final = 4.1e-5
"""Every unit of this module takes inputs of this step, and coarser ones up to 0.58."""

T = TypeVar("T")


POWERS_OF_TWO: Final = frozenset({"fqvit_softmax"})
"""Softmax units whose probabilities are powers of two."""


def names(role: str) -> tuple[str, ...]:
    """Our units of a role that are made from a real scale.

    Examples
    --------
    >>> names("gelu")
    ('ibert_gelu', 'ivit_gelu', 'table_gelu')
    """
    return tuple(sorted(ROLES[role]))


def has_from_scale(model: str) -> bool:
    """Whether a unit, of a plug-in, makes itself from a real scale."""
    return model in UNITS and hasattr(UNITS[model], "from_scale")


def softmax(model: str, scale: float, input_bits: int) -> Made:
    """Softmax unit for logits whose step is ``scale``.

    Codes are multiples of ``2**-15``, rounded half up, and take the argument ``keep``. FQ-ViT's
    come in their linear form; Softermax with finer registers than published, for networks that were
    not tuned for it.

    Raises
    ------
    QuantizationError
        If no softmax unit of that name is made from a scale.

    Examples
    --------
    >>> unit, step = softmax("ivit_softmax", 0.01, 16)
    >>> unit.one, step == 2.0**-15
    (100, True)
    """
    return _pick(_SOFTMAX, "softmax", model)(scale, input_bits)


def gelu(model: str, scale: float, input_bits: int) -> Made:
    """GELU unit for inputs whose step is ``scale``.

    Raises
    ------
    QuantizationError
        If no GELU unit of that name is made from a scale.

    Examples
    --------
    >>> unit, step = gelu("ivit_gelu", 0.001, 16)
    >>> unit.one
    587
    """
    return _pick(_GELU, "gelu", model)(scale, input_bits)


def silu(model: str, scale: float, input_bits: int) -> Made:
    """SiLU unit for inputs whose step is ``scale``.

    Raises
    ------
    QuantizationError
        If no SiLU unit of that name is made from a scale.
    """
    return _pick(_SILU, "silu", model)(scale, input_bits)


def layer_norm(
    model: str,
    scale: float,
    input_bits: int,
    gain: NDArray[Any],
    bias: NDArray[Any],
    *,
    epsilon: float,
) -> Made:
    """LayerNorm unit for inputs whose step is ``scale``.

    Parameters
    ----------
    model
        Name of the unit. FQ-ViT's is made with all power-of-two factors 1: the input has one step.
    scale
        Real value of one step of the input.
    input_bits
        Width of an input code. [bit]
    gain, bias
        Real gain and bias of each channel.
    epsilon
        The layer's, added to the variance; I-ViT's unit has none.

    Raises
    ------
    QuantizationError
        If no LayerNorm unit of that name is made from a scale.
    """
    return _pick(_LAYER_NORM, "layer_norm", model)(scale, input_bits, gain, bias, epsilon)


def rms_norm(model: str, scale: float, input_bits: int, gain: NDArray[Any], epsilon: float) -> Made:
    """RMSNorm unit for inputs whose step is ``scale``.

    Parameters
    ----------
    model
        Name of the unit.
    scale
        Real value of one step of the input.
    input_bits
        Width of an input code. [bit]
    gain
        Real gain of each channel.
    epsilon
        The layer's, added to the mean square.

    Raises
    ------
    QuantizationError
        If no RMSNorm unit of that name is made from a scale.
    """
    return _pick(_RMS_NORM, "rms_norm", model)(scale, input_bits, gain, epsilon)


def rotary(model: str, positions: int, length: int, input_bits: int) -> Made:
    """Rotary-embedding unit; its output has the input's width and step.

    The second result is the step of a sine or cosine code, not of the output.

    Raises
    ------
    QuantizationError
        If no rotary unit of that name is made.
    """
    return _pick(_ROTARY, "rotary", model)(positions, length, input_bits)


def rescale(model: str, ratio: float, input_bits: int, output_bits: int) -> Made:
    """Requantization unit for ``ratio``, the step of its input over the wanted one of its output.

    The second result is the ratio that the unit realizes.

    Raises
    ------
    QuantizationError
        If no requantization unit of that name is made from a ratio, or the ratio is out of range.

    Examples
    --------
    >>> rescale("shift_requantize", 0.2, 32, 8)[1]
    0.25
    """
    return _pick(_RESCALE, "requantize", model)(ratio, input_bits, output_bits)


def nominal(
    model: str, *, scale: float, input_bits: int, accumulator_bits: int, length: int
) -> IntegerUnit:
    """Return a unit of any of the roles above, for its hardware alone.

    Parameters
    ----------
    model
        Name of the unit.
    scale
        Real value of one step of its input.
    input_bits
        Width of an input code; that of a requantization unit is ``accumulator_bits``. [bit]
    accumulator_bits
        Width of an accumulator. [bit]
    length
        Channels of a normalized row.

    Raises
    ------
    QuantizationError
        If no unit of that name is made here.
    """
    gain, bias = np.ones(length), np.zeros(length)
    made: dict[str, Callable[[], IntegerUnit]] = {
        "emsb_q": lambda: emsb_q(input_bits=accumulator_bits),
        "qrazor_sdr": lambda: qrazor_sdr(input_bits=input_bits),
        "quartz_lzs": lambda: quartz_lzs(input_bits=input_bits),
    }
    for known in (_SOFTMAX, _GELU, _SILU):
        for name, activation in known.items():
            made[name] = partial(_unit_of, activation, scale, input_bits)
    for name, normalization in _LAYER_NORM.items():
        made[name] = partial(_unit_of, normalization, scale, input_bits, gain, bias, 0.0)
    for name, rms in _RMS_NORM.items():
        made[name] = partial(_unit_of, rms, scale, input_bits, gain, 0.0)
    for name, rescaling in _RESCALE.items():
        made[name] = partial(_unit_of, rescaling, 1.0, accumulator_bits, input_bits)
    return _pick(made, "*", model)()


def _unit_of(make: Callable[..., Made], *arguments: Any) -> IntegerUnit:
    return make(*arguments)[0]


def _pick(known: Mapping[str, T], role: str, model: str) -> T:
    if model in known:
        return known[model]
    if has_from_scale(model):
        made: T = UNITS[model].from_scale
        return made
    raise QuantizationError(
        f"units.{role}.model is {model!r}, which is not made from a real scale; choose one of "
        f"{', '.join(sorted(known))}"
    )


_Activation = Callable[[float, int], Made]
_LayerNorm = Callable[[float, int, NDArray[Any], NDArray[Any], float], Made]
_RmsNorm = Callable[[float, int, NDArray[Any], float], Made]

_SOFTMAX: Final[Mapping[str, _Activation]] = MappingProxyType(
    {
        "ibert_softmax": unit_formulas.ibert_softmax,
        "ivit_softmax": unit_formulas.ivit_softmax,
        "illm_softmax": unit_formulas.illm_softmax,
        "fqvit_softmax": unit_formulas.fqvit_softmax,
        "softermax": unit_formulas.softermax,
    }
)
_GELU: Final[Mapping[str, _Activation]] = MappingProxyType(
    {
        "ibert_gelu": unit_formulas.ibert_gelu,
        "ivit_gelu": unit_formulas.ivit_gelu,
        "table_gelu": unit_formulas.table_gelu,
    }
)
_SILU: Final[Mapping[str, _Activation]] = MappingProxyType(
    {
        "ibert_silu": unit_formulas.ibert_silu,
        "ivit_silu": unit_formulas.ivit_silu,
        "table_silu": unit_formulas.table_silu,
    }
)
_LAYER_NORM: Final[Mapping[str, _LayerNorm]] = MappingProxyType(
    {
        "ibert_layer_norm": unit_formulas.ibert_layer_norm,
        "ivit_layer_norm": unit_formulas.ivit_layer_norm,
        "fqvit_layer_norm": unit_formulas.fqvit_layer_norm,
    }
)
_RMS_NORM: Final[Mapping[str, _RmsNorm]] = MappingProxyType(
    {"ibert_rms_norm": unit_formulas.ibert_rms_norm}
)
_ROTARY: Final[Mapping[str, Callable[[int, int, int], Made]]] = MappingProxyType(
    {"table_rotary": unit_formulas.table_rotary}
)
_RESCALE: Final[Mapping[str, Callable[[float, int, int], Made]]] = MappingProxyType(
    {
        "dyadic_requantize": unit_formulas.dyadic_requantize,
        "shift_requantize": unit_formulas.shift_requantize,
    }
)

ROLES: Final[Mapping[str, Mapping[str, Callable[..., Made]]]] = MappingProxyType(
    {
        "softmax": _SOFTMAX,
        "layer_norm": _LAYER_NORM,
        "gelu": _GELU,
        "rms_norm": _RMS_NORM,
        "silu": _SILU,
        "rotary": _ROTARY,
    }
)
"""Key in ``Architecture.units`` → what an architecture may name there, requantization apart."""
