"""The plain frozen types that the passes hand to each other.

Which question this module answers: *what exactly does one pass know of another?*

No pass sees another's objects, only these records: the functional pass yields
:class:`ActionCounts` and service cycles, cost yields :class:`ServiceTimes` and
:class:`CostBreakdown`, timing yields a :class:`Timeline`, and ``simulate`` wires them into one
:class:`Result`. Counts are exact integers, so a run can be costed again without simulating.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

SourceKind = Literal["measured", "fitted", "published", "assumed"]
"""How a number came to be; reports show which share of a total rests on ``assumed`` ones."""

RESULT_FORMAT_VERSION: Final = 1

NATS_PER_TOKEN: Final = "nats_per_token"
"""Metric of a language model: mean of ``-ln p(next token)``. A metric whose name ends in
``_ratio`` reaches from 0 to 1."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a number comes from."""

    reference: str
    """Short citation, ``"Horowitz, ISSCC 2014"``."""
    place: str
    """Where in it: table, figure, equation, page or repository path."""
    kind: SourceKind
    node_nm: float | None = None
    condition: str = ""
    citation_key: str = ""
    """Key of the BibTeX entry in ``data/references.bib`` of the package that uses the number; empty
    for an assumption."""


@dataclass(frozen=True, slots=True)
class MacroCounts:
    """What one operation did on the macros of one kind, summed over ``ActionCounts.inferences``."""

    macro: str
    """Name in ``Architecture.macros``."""
    reads: int = 0
    """Activations of at most ``active_rows`` word lines, summed over macros."""
    conversions: int = 0
    column_sum_histogram: tuple[int, ...] = ()
    """How many conversions saw 0, 1, 2, ... conducting cells; length ``active_rows + 1``. Cells and
    word lines of several bits count in steps of the smallest current, and a conversion that sees
    several bit lines or input cycles counts all of them."""
    driven_word_lines: int = 0
    dummy_word_lines: int = 0
    programmed_zeros: int = 0
    programmed_ones: int = 0
    program_pulses: int = 0
    row_writes: int = 0
    """Write cycles, each of one macro: word lines, again for every token that is written into some
    of their cells only, or columns through a column port."""
    shift_adds: Mapping[int, int] = field(default_factory=dict)
    """Accumulator width [bit] → number of shift-and-add steps."""
    saturations: int = 0
    """Conversions that met the end of the converter's range."""


@dataclass(frozen=True, slots=True)
class UnitCounts:
    """How often one operation used a digital unit, summed over ``ActionCounts.inferences``."""

    function: str
    """Key in ``Architecture.units``: softmax, layer_norm, gelu, requantize."""
    invocations_by_length: Mapping[int, int]
    """Row length → number of rows."""
    saturations: int = 0


@dataclass(frozen=True, slots=True)
class MovedBits:
    """Bits moved for one operation, per place, summed over ``ActionCounts.inferences``."""

    tile_buffer_read_bits: int = 0
    tile_buffer_write_bits: int = 0
    global_buffer_read_bits: int = 0
    global_buffer_write_bits: int = 0
    link_bits: int = 0
    """Bits times router hops."""
    memory_read_bits: int = 0
    """Out of the off-chip memory."""
    memory_write_bits: int = 0
    io_bits: int = 0
    """Through the chip's pins that are not the memory's: inputs in, outputs out."""


@dataclass(frozen=True, slots=True)
class ActionCounts:
    """Everything that one operation did, in exact integers."""

    op: str
    inferences: int
    """How many inferences the counts sum over."""
    macros: tuple[MacroCounts, ...] = ()
    units: tuple[UnitCounts, ...] = ()
    moved: MovedBits = MovedBits()


@dataclass(frozen=True, slots=True)
class ServiceTimes:
    """How long each action occupies its resource, in integer picoseconds."""

    read_ps: Mapping[str, int]
    """Macro kind → distance of one read from the next: the longer of word-line activation and all
    conversions of shared converters, which work while the next read settles."""
    row_write_ps: Mapping[str, int]
    """Writable macro kind → one word-line write cycle."""
    unit_cycle_ps: int
    """One clock cycle of the vector units."""
    tile_buffer_bits_per_ns: float
    global_buffer_bits_per_ns: float
    link_bits_per_ns: float
    router_delay_ps: int
    kinds: Mapping[str, SourceKind]
    """Resource class (``macro``, ``adc``, ``shift_add``, ``write``, ``program``, ``vector_unit``,
    ``tile_buffer``, ``global_buffer``, ``noc``, ``memory``, ``io``) → how its time is known."""
    drive_ps: Mapping[str, int] = field(default_factory=dict)
    """Macro kind → word-line activation until the columns are sampled."""
    convert_ps: Mapping[str, int] = field(default_factory=dict)
    """Macro kind → all conversions of one read by its shared converters."""
    shift_add_ps: Mapping[str, int] = field(default_factory=dict)
    """Macro kind → from the last conversion of a vector to its finished sum; it works while the
    next vector is read."""
    accumulate_ps: int = 0
    """Adding one partial sum of another row block to a token."""
    column_write_ps: Mapping[str, int] = field(default_factory=dict)
    """Writable macro kind with a transposed port → one bit-line write cycle."""
    program_row_ps: Mapping[str, int] = field(default_factory=dict)
    """Macro kind that can be reprogrammed → one word line, write-verify pulses included."""
    memory_bits_per_ns: float | None = None
    """Off-chip memory channel; ``None``: the chip has none."""
    memory_latency_ps: int = 0
    """From a request to the first bit."""
    io_bits_per_ns: float | None = None
    """Pins for inputs and outputs; ``None``: not modelled."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """What the event-driven replay saw: one row per busy interval of a resource.

    Arrays of equal length, sorted by start, then resource.
    """

    resources: tuple[str, ...]
    """Names: ``"macro:mram:3"``, ``"unit:softmax:0"``, ``"noc"``, ..."""
    resource_classes: tuple[str, ...]
    """Class of each resource, a key of ``ServiceTimes.kinds``."""
    ops: tuple[str, ...]
    start_ps: NDArray[np.int64]
    end_ps: NDArray[np.int64]
    resource: NDArray[np.int32]
    """Index into ``resources``."""
    op: NDArray[np.int32]
    """Index into ``ops``."""
    token: NDArray[np.int32]
    latency_ps: int
    """Time of the last event: one inference, inputs in the global buffer to outputs in it."""
    critical_path_ps: Mapping[str, int]
    """``"<op>|<resource class>"`` → exclusive time on the critical path; sums to ``latency_ps``."""
    reads: Mapping[str, int]
    """Operation → macro reads, counted on their own; must equal the functional pass's."""
    moved: Mapping[str, MovedBits]
    """Operation → bits moved, counted on their own; must equal the mapping's."""
    events: int
    """Events the replay processed."""
    wait_ps: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    """How long the customer of each busy interval had queued for its resource."""
    request: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    """Which inference each busy interval belongs to."""
    request_start_ps: tuple[int, ...] = (0,)
    """Arrival of each inference."""
    request_end_ps: tuple[int, ...] = ()
    """Completion of each inference; the first one's is ``latency_ps``."""
    loading_ps: int = 0
    """Time to bring all static weights into the cells before the first inference; not in
    ``latency_ps``. 0 where the chip does not say how long that takes, or programs in rounds."""
    reprogramming_ps: int = 0
    """Share of ``latency_ps`` in which time-multiplexed macros are reprogrammed."""
    writes: Mapping[str, int] = field(default_factory=dict)
    """Product whose operands are written at run time → write cycles, summed over macros, counted on
    their own; must equal the functional pass's."""
    token_group: int = 1
    """Tokens that move through the replay together; 1 is exact."""
    path_end_ps: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    """Ends of the pieces of the critical path, in order: each piece begins where the one before
    ends, the first at 0, and the last ends at ``latency_ps``. Empty where not recorded."""
    path_op: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    """Index into ``ops`` of each piece."""
    path_resource: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    """Index into ``resources`` of each piece; -1: a pure delay, which occupies nothing."""
    path_class: tuple[str, ...] = ()
    """Resource class of each piece, that of ``critical_path_ps``."""


@dataclass(frozen=True, slots=True)
class CostItem:
    """One line of a roll-up: a component, what it spent or takes, and how well that is known."""

    component: str
    """Flat name such as ``"mram.adc"`` or ``"noc.link"``."""
    op: str | None
    """Operation the energy was spent on; ``None`` for leakage and for area."""
    energy_pj: float
    area_um2: float
    model: str
    """Registry name of the model that gave the number."""
    kind: SourceKind
    """The weakest kind among the constants behind the number."""
    action: str = ""
    actions: float = 0.0
    """How many actions per inference."""


@dataclass(frozen=True, slots=True)
class CostBreakdown:
    """Energy of one inference and area of the chip under one cost variant."""

    variant: str
    items: tuple[CostItem, ...]
    sources: tuple[Source, ...]

    @property
    def energy_pj(self) -> float:
        """Energy of one isolated inference, leakage included. [pJ]"""
        return sum(item.energy_pj for item in self.items)

    @property
    def area_um2(self) -> float:
        """Area of the whole chip. [µm²]"""
        return sum(item.area_um2 for item in self.items)


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How right the chip's answers are, against labels and against float32."""

    metric: str
    higher_is_better: bool
    samples: int
    float32: float
    integer: float
    """The integer graph on an ideal chip."""
    analog: tuple[float, ...]
    """One value per Monte Carlo chip."""
    agreement_ratio: float
    """Share of answers equal to float32's, mean over chips."""
    logit_snr_db: float
    """Power of the float32 outputs over power of the deviation, over all chips."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """The same workload on another machine."""

    name: str
    kind: str
    """``pim_simulated``, ``gpu_roofline_calibrated``, ``gpu_published`` or ``gpu_measured``."""
    batch: int
    """Inputs processed together."""
    precision: str
    latency_us: float
    """Of the whole batch."""
    energy_uj: float
    """Of one input of the batch."""
    scope: str
    """What the numbers include and leave out."""
    source: str
    accuracy: float | None = None
    area_mm2: float | None = None
    node_nm: float | None = None
    """Technology of that area."""
    model_area_mm2: float | None = None
    """Area of the capacity that holds the model: of a chip that computes in its cells, the share of
    it whose macros are used; of a GPU the whole die, whose memory is on other dies."""


@dataclass(frozen=True, slots=True)
class CostVariant:
    """The headline numbers of one named cost variant."""

    name: str
    energy_uj: float
    area_mm2: float
    tops_per_w: float


@dataclass(frozen=True, slots=True)
class AdcModelCost:
    """The same run with every converter costed by one model."""

    model: str
    """Registry name."""
    this_run: bool
    """Whether the run's own converters are costed by it."""
    energy_uj: float | None
    """``None`` where the model does not apply."""
    area_mm2: float | None
    tops_per_w: float | None
    reason: str = ""
    """Why the model does not apply: ``"mram: out of range: 3.17 < 4 bits"``."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """How a result came to be. The only part of it that differs between equal runs."""

    pimsim_version: str
    created: str
    command: str
    seed: int
    samples: int
    chips: int
    batch: int
    dims: Mapping[str, int]
    threads: int
    config_hash: str
    workload_hash: str
    overrides: tuple[str, ...]
    models: Mapping[str, str]
    """Role → registry name of every model used."""
    ideal: tuple[str, ...]
    """Non-idealities that the architecture leaves out, so that they are ideal."""
    versions: Mapping[str, str]
    wall_times_s: Mapping[str, float]
    host: Mapping[str, str]
    paths: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Result:
    """Everything that one run found. :mod:`pimsim.report` turns it into frames, figures and files.

    Numbers at the top are those of ``cost.default``. One inference is one batch of the workload.
    """

    manifest: Manifest
    workload: Mapping[str, Any]
    """``name``, ``parameters``, ``macs``."""
    architecture_name: str
    scheme: str
    area_mm2: float
    accuracy: Accuracy | None
    latency_us: float
    throughput_per_s: float
    """Inferences, that is batches: in the steady state where at least four were replayed, else one
    after the other."""
    energy_uj: float
    power_mw: float
    tops_per_w: float
    tops_per_mm2: float
    cells_ratio: float
    """Share of the chip's cells that hold something."""
    area_ratio: float
    """Share of the chip's macro area whose macros are used."""
    energy_breakdown_uj: Mapping[str, float]
    area_breakdown_mm2: Mapping[str, float]
    latency_breakdown_us: Mapping[str, float]
    assumed_energy_ratio: float
    assumed_area_ratio: float
    assumed_latency_ratio: float
    cost_variants: tuple[CostVariant, ...]
    baselines: tuple[Baseline, ...]
    counts: tuple[ActionCounts, ...]
    costs: tuple[CostBreakdown, ...]
    """One per cost variant, the default first."""
    timeline: Timeline
    notes: tuple[str, ...] = ()
    """What a reader must know: mechanisms of the named chip that this run does not model."""
    attention_ops: tuple[str, ...] = ()
    """Operations that belong to attention layers, projections included: what publications on
    attention hardware count. All others are the rest of the network."""
    what_if_us: Mapping[str, float] = field(default_factory=dict)
    """Resource class → latency of the first inference if that class took no time, replayed; empty
    unless it was asked for."""
    sources: tuple[Source, ...] = ()
    """Papers behind values and times: the chip, its numerics, digital units, zero skipping, devices
    and operating point. Those behind energy and area are in ``costs``."""
    recost: Mapping[str, Any] = field(default_factory=dict)
    """What the run can be costed again from, beside counts and timeline: a plain document that
    ``pimsim.recost`` writes and reads."""
    adc_models: tuple[AdcModelCost, ...] = ()
    """The run under each cost model of converters; empty unless it was asked for."""
