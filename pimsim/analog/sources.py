"""Sources of the device constants that a chip's description calls on.

Which question this module answers: *on whose measurements do this chip's devices rest?*
"""

from collections.abc import Iterator

from pimsim.analog.constants import family
from pimsim.config.architecture import Architecture
from pimsim.config.cells import Cell
from pimsim.records import Source


def device_sources(architecture: Architecture) -> tuple[Source, ...]:
    """List the sources of the measured devices and sensitivities that a chip uses, each once.

    Devices are those named by the cells' programming, drift and flicker noise; sensitivities to
    process, supply and temperature count only away from the nominal operating point.

    Examples
    --------
    >>> from pimsim.config import load_architecture
    >>> device_sources(load_architecture("rap"))
    ()
    """
    found: dict[Source, None] = {}
    present = [
        macro for name, macro in architecture.macros.items() if architecture.tile.macros.get(name)
    ]
    for macro in present:
        for device in _devices(macro.crossbar.cell):
            rows = family("cells").items()
            found.update((row.source, None) for name, row in rows if name.startswith(f"{device}_"))
    if not architecture.pvt.is_nominal:
        found.update((row.source, None) for row in family("pvt").values())
    return tuple(found)


def _devices(cell: Cell) -> Iterator[str]:
    if cell.programming is not None:
        yield cell.programming.model
    if cell.drift is not None:
        yield cell.drift.model
    if cell.read_noise is not None and cell.read_noise.flicker is not None:
        yield cell.read_noise.flicker
