"""What a reader of a mapping must know.

Which question this module answers: *which matrices crowd the chip, and how long do its cells last?*
"""

from typing import Final

from pimsim.mapping.endurance import endurance_inferences, programmings_per_inference
from pimsim.mapping.mapped import MappedWorkload

_LARGE_SHARE: Final = 0.5
"""A matrix that takes more than this share of the macros in use is worth a note."""


def large_matrices(mapped: MappedWorkload) -> tuple[str, ...]:
    """A note on each static matrix that takes most of the macros in use, such as an LM head."""
    static = [op for op in mapped.ops if op.op.kind == "static_product" and op.placement]
    notes = []
    for op in static:
        placement = op.placement
        if placement is None or len(static) == 1 or mapped.rounds > 1:
            continue
        used = mapped.macros_used[placement.macro]
        if placement.macros_used > _LARGE_SHARE * used:
            notes.append(
                f"{op.op.name!r} takes {placement.macros_used} of the {used} {placement.macro!r} "
                "macros in use"
            )
    return tuple(notes)


def wear(mapped: MappedWorkload) -> tuple[str, ...]:
    """A note on each kind of macro that is programmed in every inference."""
    lasting = endurance_inferences(mapped)
    notes = []
    for kind, count in programmings_per_inference(mapped).items():
        lifetime = "the architecture file sets no limit to that (reprogram.endurance_cycles)"
        if kind in lasting:
            lifetime = f"their cells last for {lasting[kind]:,} inferences"
        notes.append(
            f"{kind!r} macros are programmed up to {count} times per inference; {lifetime}"
        )
    return tuple(notes)
