"""Which units a scheme finds on the chip.

Which question this module answers: *does this architecture have the digital units that the scheme
builds for this graph?*
"""

from collections.abc import Mapping, Sequence

from pimsim.config.architecture import Architecture
from pimsim.errors import QuantizationError
from pimsim.quantization import unit_constants


def check_units(
    architecture: Architecture,
    needed: Mapping[str, str | Sequence[str]],
    scheme: str,
    *,
    from_scale: bool = True,
) -> None:
    """Raise if ``architecture.units`` names a unit that the scheme does not build.

    Parameters
    ----------
    architecture
        The chip; units that it leaves out are nobody's mistake until an operation needs them.
    needed
        Key of ``units`` → name of the model that the scheme builds, or of all models from which an
        architecture may choose.
    scheme
        For the message.
    from_scale
        Where there is a choice, a plug-in's unit with ``from_scale`` can be chosen, too
        (:mod:`pimsim.quantization.unit_constants`).

    Raises
    ------
    QuantizationError
        With the key, what it names and what the scheme needs.
    """
    for function, models in needed.items():
        unit = getattr(architecture.units, function)
        known = (models,) if isinstance(models, str) else tuple(models)
        if unit is None or unit.model in known:
            continue
        if from_scale and not isinstance(models, str) and unit_constants.has_from_scale(unit.model):
            continue
        *others, last = map(repr, known)
        builds = f"{', '.join(others)} or {last}" if others else last
        raise QuantizationError(
            f"architecture {architecture.name!r}: units.{function}.model is {unit.model!r}, "
            f"but numerics.scheme {scheme!r} builds {builds}; change one of the two"
        )


def unit_model(architecture: Architecture, function: str, suggestion: str) -> str:
    """Name of the model of a unit that an operation needs and a chip may lack.

    Parameters
    ----------
    architecture
        The chip.
    function
        Key of ``units``.
    suggestion
        A model to name in the message.

    Raises
    ------
    QuantizationError
        If the chip has no such unit; says how to add it.
    """
    unit = getattr(architecture.units, function)
    if unit is None:
        raise QuantizationError(
            f"architecture {architecture.name!r} has no unit for {function}; add one, for example "
            f"with --set 'units.{function}={{model: {suggestion}, lanes: 64}}'"
        )
    model: str = unit.model
    return model
