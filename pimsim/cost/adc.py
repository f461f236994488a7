"""What a column converter costs: energy per conversion and area, by six models that disagree.

Which question this module answers: *what do one conversion and one converter cost, for this many
codes, at this rate, at this node, and who says so?*

Name the model that you used with every claim about low-resolution converters:

``flash_comparators``
    :func:`~pimsim.cost.adc_flash.flash`, one comparator per code step: energy and area double with
    every bit.
``sar_capacitor_array``
    :func:`~pimsim.cost.adc_sar.sar`, capacitors by noise and matching, comparator, logic: a lower
    estimate up to 8 bit.
``survey_regression``
    :func:`~pimsim.cost.adc_survey.survey`, a regression over some 700 published converters: from 8
    down to 4 bit its energy falls only 1.9-fold, and it has no validity below 4 bit.
    ``survey_regression_4bit`` costs a coarser converter as one of 4 bit, an upper bound.
``murmann_fit``
    :func:`~pimsim.cost.adc_points.murmann_fit`, the envelope of stand-alone parts; no bound.
``published_converters``
    :func:`~pimsim.cost.adc_points.published`, the nearest published converter that can do the work.
``user_table``
    :func:`~pimsim.cost.adc_points.user_table`, the same from a table of your own, ``adc_table`` of
    the cost variant.

At 28 nm the 9-level flash takes 0.09 pJ where the regression's 4-bit point takes 0.72 pJ. The
reason is the regression's material: stand-alone parts with input buffers, references and clocking
that must serve off-chip signals, whereas the flash is derived from a converter designed into a
crossbar accelerator, which shares all of these among many columns.

All keep the nominal supply: the logic's supply does not lower it, except in the logic of the SAR.
Between reads a converter is power-gated, so it has no idle leakage; what leaks during a conversion
is part of its energy.

Not modelled: reference ladders and multiplexers beyond what the sources include, the energy of
range or offset trimming, and the dependence of energy on the sampled value.
"""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Final

from pimsim.config.adc_table import AdcPoint
from pimsim.config.converters import Adc
from pimsim.cost.adc_flash import flash
from pimsim.cost.adc_points import murmann_fit, points_below_fit, published, user_table
from pimsim.cost.adc_sar import sar
from pimsim.cost.adc_survey import (
    SMALLEST_SURVEY_BITS,
    AdcCost,
    regression,
    survey,
    survey_at_least_4_bits,
)
from pimsim.cost.converter import ConverterCost, ConverterRangeError
from pimsim.cost.technology import OperatingPoint
from pimsim.errors import ModelRangeError

__all__ = [
    "CONVERTER_MODELS",
    "SMALLEST_SURVEY_BITS",
    "AdcCost",
    "ConverterCost",
    "ConverterRangeError",
    "adc_models",
    "flash",
    "murmann_fit",
    "points_below_fit",
    "published",
    "regression",
    "sar",
    "survey",
    "survey_at_least_4_bits",
    "user_table",
]

CONVERTER_MODELS: Final[Mapping[str, Callable[[Adc, OperatingPoint], ConverterCost]]] = (
    MappingProxyType(
        {
            "flash_comparators": flash,
            "sar_capacitor_array": sar,
            "survey_regression": survey,
            "survey_regression_4bit": survey_at_least_4_bits,
            "murmann_fit": murmann_fit,
            "published_converters": published,
        }
    )
)
"""pimsim's own models that need nothing but the converter and the operating point."""


def adc_models(
    adc: Adc, point: OperatingPoint, table: Iterable[AdcPoint] = ()
) -> dict[str, ConverterCost | str]:
    """Cost one converter with every model.

    Parameters
    ----------
    adc
        The converter.
    point
        Node and operating point.
    table
        The user's own converters, if there is a table of them.

    Returns
    -------
    dict
        Name of the model → its cost, or why it does not apply: ``"out of range: 3.17 < 4 bits"``.

    Examples
    --------
    >>> adc = Adc(model="flash", levels=9, columns_per_adc=1, conversion_time_ns=1.0,
    ...           reference="fixed", trim="none")
    >>> costs = adc_models(adc, OperatingPoint(28.0))
    >>> costs["survey_regression"]
    'out of range: 3.17 < 4 bits'
    >>> round(costs["flash_comparators"].energy_per_conversion_pj.value, 3)
    0.091
    """
    rows = tuple(table)
    models = dict(CONVERTER_MODELS)
    if rows:
        models["user_table"] = lambda one, at: user_table(one, at, table=rows)
    costs: dict[str, ConverterCost | str] = {}
    for name, model in models.items():
        try:
            costs[name] = model(adc, point)
        except ConverterRangeError as error:
            costs[name] = f"out of range: {error.brief}"
        except ModelRangeError as error:
            costs[name] = f"out of range: {error}"
    return costs
