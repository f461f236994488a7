"""A run under every cost model of its converters.

Which question this module answers: *how much of this result is the choice of the converter's cost
model?*

Every claim about converters of low resolution stands or falls with that choice, so the alternatives
belong beside it: each model costs the converters of all macros, everything else stays as in the
run, and where a model does not apply it says why.
"""

from pimsim.config.architecture import Architecture, CostModels
from pimsim.cost import CostBasis, roll_up
from pimsim.cost.adc import adc_models
from pimsim.cost.basis import from_document
from pimsim.cost.technology import operating_point
from pimsim.errors import InputError
from pimsim.records import AdcModelCost, Result
from pimsim.recost import stored_architecture
from pimsim.units import mm2_from_um2, tops_per_w, uj_from_pj

_VARIANT = "adc_model"


def under_adc_models(result: Result) -> tuple[AdcModelCost, ...]:
    """Cost a result again with the converters of all macros under each model.

    Parameters
    ----------
    result
        A run, or one that was read back; it must hold what re-costing needs.

    Returns
    -------
    tuple
        One entry per model, in the order of the models' table; a user's table of converters counts
        as a model if the cost variant has one.

    Raises
    ------
    InputError
        If the result cannot be costed again, or a component table of the chip's own prices its
        converters.
    """
    architecture = stored_architecture(result)
    variant = result.costs[0].variant
    models = architecture.cost.variants[variant]
    if models.table is not None or models.paper_table is not None:
        raise InputError(
            f"cost variant {variant!r} of {architecture.name!r} prices its converters by a "
            "published component table; no model of converters applies"
        )
    basis = from_document(result.recost, architecture)
    own = {
        {"flash": models.flash_adc, "sar": models.sar_adc}.get(macro.adc.model)
        for name, macro in architecture.macros.items()
        if architecture.tile.macros.get(name)
    }
    return tuple(
        _costed(result, basis, models, name, reason, this_run=name in own)
        for name, reason in _reasons(architecture, models).items()
    )


def _reasons(architecture: Architecture, models: CostModels) -> dict[str, str]:
    """Model → why it does not apply to a macro of the chip; empty if it applies to all."""
    point = operating_point(architecture)
    reasons: dict[str, dict[str, str]] = {}
    for name, macro in architecture.macros.items():
        if not architecture.tile.macros.get(name):
            continue
        for model, cost in adc_models(macro.adc, point, models.adc_table or ()).items():
            why = reasons.setdefault(model, {})
            if isinstance(cost, str):
                why[name] = cost
    return {model: _together(why) for model, why in reasons.items()}


def _together(why: dict[str, str]) -> str:
    """Name the macros that a model does not apply to for the same reason together."""
    names: dict[str, list[str]] = {}
    for name, text in why.items():
        names.setdefault(text, []).append(name)
    return "; ".join(f"{', '.join(macros)}: {text}" for text, macros in names.items())


def _costed(
    result: Result, basis: CostBasis, models: CostModels, name: str, reason: str, *, this_run: bool
) -> AdcModelCost:
    if reason:
        return AdcModelCost(name, this_run, None, None, None, reason)
    chosen = models.model_copy(update={"flash_adc": name, "sar_adc": name})
    architecture = basis.architecture
    cost = architecture.cost.model_copy(
        update={"default": _VARIANT, "variants": {_VARIANT: chosen}}
    )
    changed = CostBasis(
        architecture=architecture.model_copy(update={"cost": cost}),
        hardware=basis.hardware,
        macros_used=basis.macros_used,
        working_tiles=basis.working_tiles,
        rounds=basis.rounds,
    )
    costs = roll_up(changed, result.counts, result.timeline, _VARIANT)
    energy_uj = uj_from_pj(costs.energy_pj)
    return AdcModelCost(
        model=name,
        this_run=this_run,
        energy_uj=energy_uj,
        area_mm2=mm2_from_um2(costs.area_um2),
        tops_per_w=tops_per_w(result.workload["macs"], energy_uj),
    )
