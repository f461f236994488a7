"""Constants of the units from real scales, by the formulas in the units' descriptions."""

import math
from collections.abc import Sequence


def dyadic(ratio: float) -> tuple[int, int]:
    """Multiplier and shift."""
    shift = 14 - math.floor(math.log2(ratio))
    multiplier = round(ratio * 2.0**shift)
    return (2**14, shift - 1) if multiplier == 2**15 else (multiplier, shift)


def softmax(scale: float) -> dict[str, int]:
    return {
        "q_ln2": math.floor(math.log(2) / scale),
        "q_b": math.floor(0.96963238 / 0.35815147 / scale),
        "q_c": math.floor(1 / (0.35815147 * scale**2)),
    }


def vdr_softmax(scale: float) -> dict[str, int | list[int]]:
    """Ten entries, from the step of 4.1e-4 up."""
    first = math.ceil(math.log2(4.1e-4 / scale))
    steps = [scale * 2.0 ** (first + place) for place in range(10)]
    q_ln2 = [round(math.log(2) / step) for step in steps]
    q_c = [round(1 / (0.35815147 * step**2)) for step in steps]
    return {
        "first_exponent": first,
        "q_ln2": q_ln2,
        "inverse": [round(2**16 / multiple) for multiple in q_ln2],
        "q_b": [round(0.96963238 / 0.35815147 / step) for step in steps],
        "q_c": q_c,
        "output_shift": [len(f"{q_c[0]:b}") - 8 - 2 * place for place in range(10)],
    }


def gelu(scale: float) -> dict[str, int]:
    return {
        "q_clip": math.floor(1.769 * math.sqrt(2) / scale),
        "q_c": math.floor(2 / (0.2888 * scale**2)),
    }


def layer_norm(
    scale: float, *, gain: Sequence[float], bias: Sequence[float], epsilon: float
) -> tuple[dict[str, int | tuple[int, ...]], float]:
    """Constants, and the scale of the output."""
    length = len(gain)
    gain_scale = max(
        max(map(abs, gain)) / 32767,
        max(map(abs, bias)) * 2**15 / (math.sqrt(length) * (2**30 - 1)),
    )
    output_scale = math.sqrt(length) * 2**-15 * gain_scale
    constants: dict[str, int | tuple[int, ...]] = {
        "gain": tuple(round(value / gain_scale) for value in gain),
        "bias": tuple(round(value / output_scale) for value in bias),
        "epsilon": max(1, round(epsilon * length / scale**2)),
    }
    return constants, output_scale
