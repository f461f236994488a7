"""A chip's own component table, as an architecture file states it.

Which question this module answers: *what did the authors of this chip publish about its parts?*

A cost variant with a ``table`` takes the energy, power and area of macros, buffers and network from
the rows of that table instead of from pimsim's models. Every row says how many instances there are,
what one takes, and what happens to it how often; every number has a source.
"""

from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from pimsim.config.base import Config
from pimsim.records import Source, SourceKind

Per = Literal["macro", "tile", "chip"]
"""What the instances of a row are counted for."""

MacroAction = Literal[
    "read",
    "conversion",
    "word_line",
    "shift_add",
    "busy",
    "input_bit",
    "readout_phase",
    "integration_step",
    "conversion_step",
]
"""What macros do. ``read``: one activation of word lines. ``conversion``: one converter sample.
``word_line``: one driven word line, dummies included. ``shift_add``: one step of the recombination.
``busy``: a nanosecond of reading. The others: what a macro with ``readout`` does for each vector
(:class:`pimsim.config.readout.Steps`)."""

MoveAction = Literal["tile_buffer_bit", "global_buffer_bit", "link_bit", "memory_bit", "io_bit"]
"""One bit read, written, or carried over one hop."""

READOUT_ACTIONS: Final[tuple[MacroAction, ...]] = (
    "input_bit",
    "readout_phase",
    "integration_step",
    "conversion_step",
)
"""What only a macro with ``readout`` does."""
MACRO_ACTIONS: Final[tuple[MacroAction, ...]] = (
    "read",
    "conversion",
    "word_line",
    "shift_add",
    "busy",
    *READOUT_ACTIONS,
)
MOVE_ACTIONS: Final[tuple[MoveAction, ...]] = (
    "tile_buffer_bit",
    "global_buffer_bit",
    "link_bit",
    "memory_bit",
    "io_bit",
)

RowName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


class RowSource(Config):
    """Where the numbers of a table, or of one row, come from."""

    reference: str = Field(min_length=1)
    """Short citation."""
    place: str = Field(min_length=1)
    """Where in it: table, figure, page, file of a repository."""
    kind: SourceKind
    """How they came to be."""
    condition: str = ""
    """What must be known to use them."""
    citation_key: str = ""
    """Key of the BibTeX entry; empty only for an assumption."""

    @model_validator(mode="after")
    def _published_numbers_can_be_cited(self) -> Self:
        if self.kind != "assumed" and not self.citation_key:
            raise ValueError(f"citation_key: needed for kind '{self.kind}'")
        return self

    def at_node(self, node_nm: float) -> Source:
        """The same as the record that results carry."""
        return Source(
            self.reference, self.place, self.kind, node_nm, self.condition, self.citation_key
        )


class Component(Config):
    """One row: a kind of component."""

    per: Per
    """What ``count`` instances belong to: every macro, every tile, or the chip."""
    macro: str | None = None
    """With ``per: macro``: the macro kind; absent: the chip's only one."""
    count: int = Field(ge=1, le=1 << 30)
    """Instances."""
    shared_by: int = Field(default=1, ge=1, le=1 << 30)
    """Macros or tiles that share these instances."""
    area_um2: float | None = Field(default=None, ge=0, le=1e12)
    """Of one instance; absent: not published, or part of another row."""
    power_mw: float | None = Field(default=None, ge=0, le=1e9)
    """Of one instance while it works; absent: not published, or part of another row."""
    energy_pj: float | None = Field(default=None, ge=0, le=1e12)
    """Of one ``action``; absent: ``power_mw`` for as long as the action lasts, or nothing."""
    action: MacroAction | MoveAction | Literal["latency"] | None = None
    """What the energy is spent on. ``latency``: ``power_mw`` all through an inference, for each
    tile that works, or for the chip. Absent: the row has area and peak power only."""
    source: RowSource | None = None
    """Absent: that of the table."""

    @model_validator(mode="after")
    def _energy_has_a_cause(self) -> Self:
        if self.energy_pj is not None and self.action is None:
            raise ValueError("energy_pj needs an 'action' that it is spent on")
        timed = self.action in {"busy", "latency"}
        if timed and (self.energy_pj is not None or self.power_mw is None):
            raise ValueError(f"action '{self.action}' spends power_mw; give it, and no energy_pj")
        if self.action is not None and not timed and self.energy_pj is None:
            raise ValueError(f"action '{self.action}' needs energy_pj")
        if self.per != "macro" and self.action in MACRO_ACTIONS:
            raise ValueError(f"action '{self.action}' happens in macros; it needs per: macro")
        if self.per == "macro" and self.action in (*MOVE_ACTIONS, "latency"):
            raise ValueError(f"action '{self.action}' happens outside macros; per: tile or chip")
        if self.macro is not None and self.per != "macro":
            raise ValueError("macro: only with per: macro")
        return self


class SupplyScaling(Config):
    """How a published operating point is carried to another supply."""

    at_v: float = Field(ge=0.4, le=2.0)
    """Supply at which the rows hold."""
    energy_exponent: float = Field(ge=0, le=4)
    """Energies per action grow with this power of the supply; 2: all of it is charge."""


class ComponentTable(Config):
    """The rows and where they come from."""

    source: RowSource
    """Of all rows without one of their own."""
    supply: SupplyScaling | None = None
    """Absent: the rows hold at every supply."""
    components: dict[RowName, Component] = Field(min_length=1)
    """Rows by name."""

    @model_validator(mode="after")
    def _only_energies_are_carried_to_another_supply(self) -> Self:
        timed = [name for name, row in self.components.items() if row.action in {"busy", "latency"}]
        if self.supply is not None and timed:
            raise ValueError(
                f"supply: scales energies per action, but {timed[0]!r} spends its power over time; "
                "give it energy_pj instead"
            )
        return self

    def source_of(self, name: str) -> RowSource:
        """Where the numbers of a row come from."""
        return self.components[name].source or self.source
