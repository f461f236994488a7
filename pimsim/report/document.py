"""``result.json``: the headline of a run, its accuracy, cost and time, and how it came to be.

Which question this module answers: *which keys does result.json have, and is this text one?*

The form is fixed by ``result.schema.json`` beside this file. Everything that differs between two
equal runs (time stamps, wall times, paths, host, threads) stands under ``manifest`` and nowhere
else. Numbers are finite; the one exception is ``accuracy.logit_snr_db``, which is ``null`` when
the analog outputs equal float32's exactly, so that the ratio is infinite. The counts, the cost
items and the timeline are too large for this file: they lie beside it (:mod:`.tables`).
"""

import dataclasses
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pimsim.errors import InputError, OutputError
from pimsim.records import (
    RESULT_FORMAT_VERSION,
    Accuracy,
    ActionCounts,
    AdcModelCost,
    Baseline,
    CostBreakdown,
    CostVariant,
    Manifest,
    Result,
    Source,
    Timeline,
)
from pimsim.timing import analysis
from pimsim.timing.bottleneck import bottleneck_sentence
from pimsim.units import PS_PER_US, us_from_ps

_SHOWN_PROBLEMS = 10


def to_json(result: Result) -> str:
    """Return the text of ``result.json``, ending in a newline.

    Raises
    ------
    OutputError
        If a number is not finite.
    """
    return json.dumps(to_document(result), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def to_document(result: Result) -> dict[str, Any]:
    """Return the content of ``result.json`` as plain dicts, lists, strings and numbers.

    Keys stand in the order of the file's definition; the keys of a breakdown keep their order.

    Raises
    ------
    OutputError
        If a number is not finite; the message names its key.
    """
    document: dict[str, Any] = {
        "format_version": RESULT_FORMAT_VERSION,
        "manifest": result.manifest,
        "workload": result.workload,
        "architecture": {
            "name": result.architecture_name,
            "area_mm2": result.area_mm2,
            "scheme": result.scheme,
        },
        "accuracy": None if result.accuracy is None else _accuracy(result.accuracy),
        "latency_us": result.latency_us,
        "throughput_per_s": result.throughput_per_s,
        "energy_uj": result.energy_uj,
        "power_mw": result.power_mw,
        "tops_per_w": result.tops_per_w,
        "tops_per_mm2": result.tops_per_mm2,
        "utilisation": {"cells_ratio": result.cells_ratio, "area_ratio": result.area_ratio},
        "energy_breakdown_uj": result.energy_breakdown_uj,
        "area_breakdown_mm2": result.area_breakdown_mm2,
        "latency_breakdown_us": result.latency_breakdown_us,
        "timing": _timing(result.timeline),
        "what_if_us": result.what_if_us,
        "attention_ops": result.attention_ops,
        "assumed_share": {
            "energy_ratio": result.assumed_energy_ratio,
            "area_ratio": result.assumed_area_ratio,
            "latency_ratio": result.assumed_latency_ratio,
        },
        "cost_variants": result.cost_variants,
        "adc_models": result.adc_models,
        "baselines": result.baselines,
        "notes": result.notes,
    }
    return {key: _plain(value, key) for key, value in document.items()}


def _accuracy(accuracy: Accuracy) -> dict[str, Any]:
    snr_db = accuracy.logit_snr_db
    return {
        "metric": accuracy.metric,
        "higher_is_better": accuracy.higher_is_better,
        "samples": accuracy.samples,
        "float32": accuracy.float32,
        "integer": accuracy.integer,
        "analog": {
            "mean": math.fsum(accuracy.analog) / len(accuracy.analog),
            "std": standard_deviation(accuracy.analog),
            "chips": accuracy.analog,
        },
        "agreement_ratio": accuracy.agreement_ratio,
        "logit_snr_db": None if snr_db == math.inf else snr_db,
    }


def _timing(timeline: Timeline) -> dict[str, Any]:
    """What follows from the timeline beside the latency; it is worked out again when needed."""
    found, pace = analysis.latencies(timeline), analysis.throughput(timeline)
    return {
        "bottleneck": bottleneck_sentence(timeline),
        "first_us": us_from_ps(found.first_ps),
        "loading_us": us_from_ps(found.loading_ps),
        "first_with_loading_us": us_from_ps(found.first_with_loading_ps),
        "further_us": [us_from_ps(latency_ps) for latency_ps in found.further_ps],
        "reprogramming_us": us_from_ps(timeline.reprogramming_ps),
        "throughput": pace.kind,
        "interval_us": pace.interval_ps / PS_PER_US,
        "token_group": timeline.token_group,
    }


def standard_deviation(values: tuple[float, ...]) -> float:
    """Sample standard deviation (``n - 1``) over the Monte Carlo chips; 0 for a single chip.

    Examples
    --------
    >>> standard_deviation((1.0, 2.0, 3.0))
    1.0
    >>> standard_deviation((0.9,))
    0.0
    """
    if len(values) < 2:
        return 0.0
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))


def _plain(value: Any, place: str) -> Any:
    """Reduce records, mappings, sequences and NumPy scalars to what JSON knows."""
    if isinstance(value, np.generic):
        value = value.item()
    if dataclasses.is_dataclass(value):
        names = [field.name for field in dataclasses.fields(value)]
        return {name: _plain(getattr(value, name), f"{place}.{name}") for name in names}
    if isinstance(value, Mapping):
        return {str(key): _plain(inner, f"{place}.{key}") for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner, f"{place}[{index}]") for index, inner in enumerate(value)]
    if isinstance(value, float) and not math.isfinite(value):
        raise OutputError(f"result.json: {place} is {value}; a result holds finite numbers only")
    return value


class _Form(BaseModel):
    """Keys that a later pimsim adds are ignored; those of the first version must be there."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True, allow_inf_nan=False)


class _Workload(_Form):
    model_config = ConfigDict(extra="allow")

    name: str
    parameters: int
    macs: int


class _Architecture(_Form):
    name: str
    area_mm2: float
    scheme: str


class _Analog(_Form):
    chips: tuple[float, ...]


class _Accuracy(_Form):
    metric: str
    higher_is_better: bool
    samples: int
    float32: float
    integer: float
    analog: _Analog
    agreement_ratio: float
    logit_snr_db: float | None


class _Utilisation(_Form):
    cells_ratio: float
    area_ratio: float


class _AssumedShare(_Form):
    energy_ratio: float
    area_ratio: float
    latency_ratio: float


class _Document(_Form):
    manifest: Manifest
    workload: _Workload
    architecture: _Architecture
    accuracy: _Accuracy | None
    latency_us: float
    throughput_per_s: float
    energy_uj: float
    power_mw: float
    tops_per_w: float
    tops_per_mm2: float
    utilisation: _Utilisation
    energy_breakdown_uj: dict[str, float]
    area_breakdown_mm2: dict[str, float]
    latency_breakdown_us: dict[str, float]
    what_if_us: dict[str, float] = Field(default_factory=dict)
    attention_ops: tuple[str, ...] = ()
    assumed_share: _AssumedShare
    cost_variants: tuple[CostVariant, ...]
    adc_models: tuple[AdcModelCost, ...] = ()
    baselines: tuple[Baseline, ...]
    notes: tuple[str, ...]


def from_json(
    text: str,
    path: Path,
    *,
    counts: tuple[ActionCounts, ...],
    costs: tuple[CostBreakdown, ...],
    timeline: Timeline,
    sources: tuple[Source, ...] = (),
    recost: Mapping[str, Any] | None = None,
) -> Result:
    """Rebuild a result from the text of ``result.json`` and the tables beside it.

    Parameters
    ----------
    text
        Content of the file.
    path
        Where it was read, for messages.
    counts, costs, timeline, sources, recost
        The parts of the result that other files hold.

    Raises
    ------
    InputError
        If the text is not JSON, is from a newer version of the format, or lacks or misstates keys;
        all such keys are listed.
    """
    check_version(text, path)
    try:
        document = _Document.model_validate_json(text)
    except ValidationError as error:
        raise InputError(_problems(error, path)) from None
    form = document.accuracy
    accuracy = None
    if form is not None:
        accuracy = Accuracy(
            metric=form.metric,
            higher_is_better=form.higher_is_better,
            samples=form.samples,
            float32=form.float32,
            integer=form.integer,
            analog=form.analog.chips,
            agreement_ratio=form.agreement_ratio,
            logit_snr_db=math.inf if form.logit_snr_db is None else form.logit_snr_db,
        )
    return Result(
        manifest=document.manifest,
        workload=document.workload.model_dump(),
        architecture_name=document.architecture.name,
        scheme=document.architecture.scheme,
        area_mm2=document.architecture.area_mm2,
        accuracy=accuracy,
        latency_us=document.latency_us,
        throughput_per_s=document.throughput_per_s,
        energy_uj=document.energy_uj,
        power_mw=document.power_mw,
        tops_per_w=document.tops_per_w,
        tops_per_mm2=document.tops_per_mm2,
        cells_ratio=document.utilisation.cells_ratio,
        area_ratio=document.utilisation.area_ratio,
        energy_breakdown_uj=document.energy_breakdown_uj,
        area_breakdown_mm2=document.area_breakdown_mm2,
        latency_breakdown_us=document.latency_breakdown_us,
        assumed_energy_ratio=document.assumed_share.energy_ratio,
        assumed_area_ratio=document.assumed_share.area_ratio,
        assumed_latency_ratio=document.assumed_share.latency_ratio,
        cost_variants=document.cost_variants,
        adc_models=document.adc_models,
        baselines=document.baselines,
        counts=counts,
        costs=costs,
        timeline=timeline,
        sources=sources,
        recost=recost or {},
        notes=document.notes,
        what_if_us=document.what_if_us,
        attention_ops=document.attention_ops,
    )


def check_version(text: str, path: Path) -> None:
    """Check that ``text`` is a pimsim result of a version that this pimsim reads.

    Raises
    ------
    InputError
        If ``text`` is not JSON, is not a pimsim result, or is newer than this pimsim.
    """
    version, writer = stated_version(text, path)
    if not 1 <= version <= RESULT_FORMAT_VERSION:
        raise InputError(
            f"{path}: format_version {version} of pimsim {writer}: this pimsim "
            f"reads versions 1 to {RESULT_FORMAT_VERSION}; upgrade pimsim or run again"
        )


def stated_version(text: str, path: Path) -> tuple[int, str]:
    """Return the format version that ``text`` states, known here or not, and who wrote it.

    Raises
    ------
    InputError
        If ``text`` is not JSON or not a pimsim result.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{path}: not valid JSON, the file is cut short or edited: {error}"
        ) from None
    manifest = document.get("manifest") if isinstance(document, dict) else None
    version = document.get("format_version") if isinstance(document, dict) else None
    if (
        not isinstance(manifest, dict)
        or type(version) is not int
        or "pimsim_version" not in manifest
    ):
        raise InputError(f"{path}: not a pimsim result: it has no format_version and manifest")
    return version, str(manifest["pimsim_version"])


def _problems(error: ValidationError, path: Path) -> str:
    lines = [
        f"{path}: {'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}"
        for problem in error.errors(include_url=False)
    ]
    hidden = len(lines) - _SHOWN_PROBLEMS
    more = [f"{path}: and {hidden} more"] if hidden > 0 else []
    return "\n".join(lines[:_SHOWN_PROBLEMS] + more)
