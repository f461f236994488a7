"""How numbers are written for people.

Which question this module answers: *how many digits, which separators, which sign for "times"?*
"""

import math
from collections.abc import Sequence

from pimsim.records import NATS_PER_TOKEN

_THIN_SPACE = "\u202f"
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: float, digits: int = 3) -> str:
    """Write ``value`` with ``digits`` significant digits, whole parts in full.

    Examples
    --------
    >>> number(0.012345), number(98.76), number(0.0)
    ('0.0123', '98.8', '0')
    >>> number(1234567.0).replace(_THIN_SPACE, " ")
    '1 234 567'
    >>> number(1.5e-7).replace(_THIN_SPACE, " ")
    '1.50 × 10⁻⁷'
    >>> number(math.inf), number(-math.inf)
    ('∞', '-∞')
    """
    if value == 0:
        return "0"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    exponent = math.floor(math.log10(abs(value)))
    if exponent < -4 or exponent > 9:
        mantissa, power = f"{value:.{digits - 1}e}".split("e")
        raised = str(int(power)).translate(_SUPERSCRIPTS)
        return f"{mantissa}{_THIN_SPACE}×{_THIN_SPACE}10{raised}"
    # Rounding may carry into the next power of ten: 9.996 has two decimals, 10.0 has one.
    decimals = max(0, digits - 1 - exponent)
    if abs(round(value, decimals)) >= 10.0 ** (exponent + 1):
        decimals = max(0, decimals - 1)
    return f"{value:,.{decimals}f}".replace(",", _THIN_SPACE)


def axis_number(value: float) -> str:
    """Write the number at a tick of an axis, which is round.

    Examples
    --------
    >>> axis_number(0.25), axis_number(40_000.0).replace(_THIN_SPACE, " ")
    ('0.25', '40 000')
    """
    return number(value) if abs(value) >= 1000 else f"{value:g}"


def percent(ratio: float, digits: int = 1) -> str:
    """Write a ratio as per cent with a fixed number of decimals; what is not 0 never reads 0.

    Examples
    --------
    >>> percent(0.98611).replace(_THIN_SPACE, " ")
    '98.6 %'
    >>> percent(0.0002).replace(_THIN_SPACE, " "), percent(0.0, 0).replace(_THIN_SPACE, " ")
    ('<0.1 %', '0 %')
    """
    text = f"{100 * ratio:.{digits}f}"
    if ratio > 0 and float(text) == 0:
        text = f"<{10.0**-digits:.{digits}f}"
    return f"{text}{_THIN_SPACE}%"


def listed(texts: Sequence[str]) -> str:
    """Join texts as one does in a sentence.

    Examples
    --------
    >>> listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"])
    ('a', 'a and b', 'a, b and c')
    """
    return " and ".join([", ".join(texts[:-1]), *texts[-1:]] if len(texts) > 1 else texts)


def grouped(amount: int) -> str:
    """Write a whole number in groups of three digits.

    Examples
    --------
    >>> grouped(10_000).replace(_THIN_SPACE, " ")
    '10 000'
    """
    return f"{amount:,}".replace(",", _THIN_SPACE)


def count(amount: int, what: str) -> str:
    """Write how many there are of something.

    Examples
    --------
    >>> count(1, "design"), count(1200, "point").replace(_THIN_SPACE, " ")
    ('1 design', '1 200 points')
    """
    return f"{grouped(amount)} {what}{'' if amount == 1 else 's'}"


def times(ratio: float) -> str:
    """Write a ratio as a multiple.

    Examples
    --------
    >>> times(12.34)
    '12.3×'
    """
    return f"{number(ratio)}×"


_CLASS_NAMES = {
    "macro": "macros",
    "adc": "converters",
    "shift_add": "shift-and-add",
    "write": "operand writes",
    "program": "reprogramming",
    "vector_unit": "vector units",
    "tile_buffer": "tile buffers",
    "global_buffer": "global buffer",
    "noc": "network links",
    "memory": "off-chip memory",
    "io": "pins",
}


def class_name(resource_class: str) -> str:
    """Name a class of resources for people.

    Examples
    --------
    >>> class_name("noc"), class_name("clock_tree")
    ('network links', 'clock tree')
    """
    return _CLASS_NAMES.get(resource_class, resource_class.replace("_", " "))


def metric_name(metric: str) -> str:
    """Name a metric for people.

    Examples
    --------
    >>> metric_name("top1_ratio"), metric_name("nats_per_token")
    ('Top-1 accuracy', 'nats per token')
    """
    return {"top1_ratio": "Top-1 accuracy"}.get(metric, metric.replace("_", " "))


def metric_level(metric: str, value: float) -> str:
    """Write a score, not a difference of scores: nats per token with the perplexity they mean.

    Examples
    --------
    >>> metric_level("nats_per_token", 3.5), metric_level("top1_ratio", 0.5)
    ('3.500 (perplexity 33.12)', '50.00\u202f%')
    """
    text = metric_value(metric, value)
    if metric == NATS_PER_TOKEN:
        text += f" (perplexity {number(math.exp(value), 4)})"
    return text


def metric_value(metric: str, value: float) -> str:
    """Write a metric's value: ratios as per cent, others as numbers."""
    return percent(value, 2) if metric.endswith("_ratio") else number(value, 4)


def signal_to_noise(snr_db: float) -> str:
    """Write a signal-to-noise ratio; outputs without any deviation have none.

    Examples
    --------
    >>> signal_to_noise(math.inf)
    'no deviation'
    """
    return "no deviation" if snr_db == math.inf else f"{number(snr_db)}{_THIN_SPACE}dB"
