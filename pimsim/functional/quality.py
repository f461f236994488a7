"""How much of each layer survives quantization.

Which question this module answers: *where in the network does a numerics scheme lose precision, and
what do the operands of its products look like?*

The evaluation samples run through the float32 reference and through the quantized graph with exact
products, and every layer's output is compared. Errors accumulate: a layer inherits those of all
layers before it, as it does on the chip.

Not modelled: crossbars and converters (``pimsim run`` has them); a layer's error on exact inputs.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pimsim.config.architecture import Architecture
from pimsim.errors import InputError
from pimsim.functional.accuracy import Answers, measure
from pimsim.functional.exact import run_exact
from pimsim.quantization import Observer, Statistics, calibrate, quantize
from pimsim.quantization.encodings import without_activations
from pimsim.quantization.observers import Histogram
from pimsim.quantization.quantized import Encoding, QuantizedOp, QuantizedWorkload
from pimsim.records import Accuracy
from pimsim.workload import reference
from pimsim.workload.graph import MOVEMENT_KINDS, Workload
from pimsim.workload.shapes import elements

OUTLIER_FACTOR: Final = 6.0
"""An outlier is larger than so many times the tensor's root mean square."""
DEFAULT_SAMPLES_MAX: Final = 128
"""Evaluation samples that are taken when none are asked for, if the workload has so many."""

_BATCH_ELEMENTS: Final = 1 << 26
"""Elements of all tensors of one batch together: bounds memory."""
_COUNTED_BITS: Final = 16
"""Wider operands would need too large a table of codes. [bit]"""

Values = NDArray[Any]


@dataclass(frozen=True, slots=True)
class BitSparsity:
    """Share of zero bits among all bits of an operand of a product."""

    bits: int
    """Width of a code, sign included. [bit]"""
    twos_complement_ratio: float
    sign_magnitude_ratio: float
    """The sign is one of the bits; it is one of negative codes."""


@dataclass(frozen=True, slots=True)
class LayerQuality:
    """One input of the network, or one operation of the traced graph."""

    layer: str
    kind: str
    """Kind of the operation, or ``input``."""
    bits: int
    """Width of an element of the output, as it is kept on the chip. [bit]"""
    sqnr_db: float
    """Power of the float32 output over that of the error; infinite where there is none. [dB]"""
    clipped_ratio: float
    """Elements that were cut off at the end of their range, per element of the output."""
    largest: float
    """Largest magnitude of the float32 output."""
    peak_to_rms_db: float
    """Dynamic range: that magnitude over the root mean square. [dB]"""
    outlier_ratio: float
    """Share of the float32 output beyond :data:`OUTLIER_FACTOR` times its root mean square."""
    driven: BitSparsity | None = None
    """Of a product: what is driven on the word lines."""
    stored: BitSparsity | None = None
    """Of a product: what is in the cells."""


@dataclass(frozen=True, slots=True)
class QuantizationQuality:
    """What a scheme makes of a workload."""

    workload: str
    architecture: str
    scheme: str
    observer: Observer
    samples: int
    accuracy: Accuracy
    """On an ideal chip: ``analog`` is the integer graph, too."""
    layers: tuple[LayerQuality, ...]
    """In execution order; data movement, masks and constant factors are absent."""

    def worst(self, count: int) -> tuple[LayerQuality, ...]:
        """The layers with the lowest signal-to-quantization-noise ratio, the lowest first."""
        return tuple(sorted(self.layers, key=lambda layer: layer.sqnr_db)[:count])


def quantization_quality(
    workload: Workload,
    architecture: Architecture,
    *,
    samples: int | None = None,
    statistics: Statistics | None = None,
) -> QuantizationQuality:
    """Compare every layer of the quantized graph with float32.

    Parameters
    ----------
    workload
        With weights, calibration and evaluation samples.
    architecture
        ``numerics`` and ``units`` decide the numbers; the workload need not fit the chip.
    samples
        Evaluation samples; all up to :data:`DEFAULT_SAMPLES_MAX` when absent.
    statistics
        From an earlier calibration with the architecture's observer; taken now when absent.

    Raises
    ------
    InputError
        If the workload is shape-only or has too few evaluation samples.
    QuantizationError
        If it has no form under the scheme.

    Notes
    -----
    With ``y`` the float32 output of a layer and ``y'`` what the codes stand for, pooled over all
    samples, ``SQNR = 10 log10(sum(y**2) / sum((y' - y)**2))``. Elements that a mask fills with
    infinities count for nothing.
    """
    inputs = _evaluation(workload, samples)
    observer = Observer.of(architecture.numerics)
    if statistics is None:
        statistics = calibrate(workload, observer)
    quantized = quantize(workload, architecture, statistics).with_probes()
    arrays = [inputs[name] for name in workload.inputs]
    count, dims = len(arrays[0]), reference.bind_inputs(workload, arrays)
    watch = _Watch(quantized, _places(quantized))
    per_sample = sum(elements(t.shape, {**dims, "batch": 1}) for t in workload.tensors.values())
    step = max(1, _BATCH_ELEMENTS // per_sample)
    exact, found = [], []
    for start in range(0, count, step):
        batch = [values[start : start + step] for values in arrays]
        named = dict(zip(workload.inputs, batch, strict=True))
        watch.begin()
        exact.append(reference.run(workload, *batch, observe=watch.see_float)[workload.outputs[0]])
        found.append(run_exact(quantized, named, dims, observe=watch.see)[workload.outputs[0]])
    answers = Answers(np.concatenate(exact), np.concatenate(found), [np.concatenate(found)])
    labels = None if workload.samples is None else workload.samples.labels
    return QuantizationQuality(
        workload=workload.name,
        architecture=architecture.name,
        scheme=quantized.scheme,
        observer=observer,
        samples=count,
        accuracy=measure(answers, None if labels is None else labels[:count], workload.task),
        layers=watch.layers(),
    )


def _evaluation(workload: Workload, samples: int | None) -> Mapping[str, Values]:
    if workload.shape_only or workload.samples is None:
        raise InputError(
            f"workload {workload.name!r} has no weights or no samples, so there are no values to "
            "quantize; trace it with weights and samples"
        )
    available = workload.samples.count
    count = min(available, DEFAULT_SAMPLES_MAX) if samples is None else samples
    if not 1 <= count <= available:
        raise InputError(
            f"samples = {count}, but workload {workload.name!r} has {available} evaluation "
            "samples; ask for 1 to as many"
        )
    return {name: values[:count] for name, values in workload.samples.evaluation.items()}


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the quantized graph keeps a tensor of the traced one."""

    tensor: str
    """Tensor of the traced graph."""
    layer: str
    kind: str
    encoding: Encoding


def _places(quantized: QuantizedWorkload) -> dict[str, _Place]:
    """Tensor of the quantized graph → the layer whose output it is."""
    workload = quantized.workload
    host, constants = without_activations(workload)
    layers = [(name, name, "input") for name in workload.inputs]
    layers += [
        (op.output, op.name, op.kind) for op in workload.ops if op.kind not in MOVEMENT_KINDS
    ]
    found = {}
    for tensor, layer, kind in layers:
        if tensor in host or tensor in constants:
            continue
        of_op = (f"{tensor}.probe", tensor, f"{tensor}.image")
        forms = (f"{tensor}.codes",) if kind == "input" else of_op
        name = next((form for form in forms if form in quantized.tensors), None)
        if name is not None:
            encoding = quantized.tensors[name].encoding
            found[name] = _Place(tensor, layer, kind, encoding)
    return found


@dataclass(slots=True)
class _Sums:
    """Running sums over the elements of one layer's output, infinite ones apart."""

    elements: int = 0
    signal: float = 0.0
    error: float = 0.0
    clipped: int = 0
    magnitudes: Histogram = field(default_factory=Histogram)

    def add(self, exact: Values, found: Values) -> None:
        """Compare one batch."""
        finite = np.isfinite(exact)
        if not finite.all():
            exact, found = exact[finite], found[finite]
        self.elements += exact.size
        self.signal += float(np.square(exact, dtype=np.float64).sum())
        self.error += float(np.square(found.astype(np.float64) - exact).sum())
        self.magnitudes.add(exact)

    def quality(self, place: _Place) -> LayerQuality:
        """Put the sums together."""
        magnitudes, counts = self.magnitudes.counts()
        largest = float(magnitudes[-1]) if counts.size else 0.0
        rms = math.sqrt(self.signal / self.elements) if self.elements else 0.0
        outliers = int(counts[magnitudes > OUTLIER_FACTOR * rms].sum())
        return LayerQuality(
            layer=place.layer,
            kind=place.kind,
            bits=place.encoding.bits,
            sqnr_db=_decibels(self.signal, self.error),
            clipped_ratio=self.clipped / max(1, self.elements),
            largest=largest,
            peak_to_rms_db=2 * _decibels(largest, rms),
            outlier_ratio=outliers / max(1, self.elements),
        )


@dataclass(slots=True)
class _Watch:
    """Sees all tensors of both runs, batch by batch."""

    quantized: QuantizedWorkload
    places: Mapping[str, _Place]
    sums: dict[str, _Sums] = field(init=False)
    codes: dict[str, NDArray[np.int64]] = field(init=False)
    """Operand of a product → how often each of its codes occurred."""
    exact: dict[str, Values] = field(default_factory=dict)
    """Float32 tensors of this batch."""

    def __post_init__(self) -> None:
        self.sums = {name: _Sums() for name in self.places}
        operands = (name for op in self.quantized.ops for name in _operands(op))
        tensors = self.quantized.tensors
        self.codes = {
            name: np.zeros(1 << tensors[name].encoding.bits, np.int64)
            for name in operands
            if tensors[name].encoding.number == "integer"
            and tensors[name].encoding.bits <= _COUNTED_BITS
        }

    def begin(self) -> None:
        """Forget the float32 tensors of the last batch."""
        self.exact.clear()

    def see_float(self, name: str, value: Values) -> None:
        """Keep a tensor of the float32 reference for the comparison."""
        if any(place.tensor == name for place in self.places.values()):
            self.exact[name] = value

    def see(self, op: QuantizedOp, value: Values, saturations: int) -> None:
        """Compare a tensor of the quantized graph, and count its codes and saturations."""
        name = op.output
        if saturations:
            owner = self._owner(name)
            if owner is not None:
                self.sums[owner].clipped += saturations
        if name in self.codes:
            size = len(self.codes[name])
            signed = self.quantized.tensors[name].encoding.signed
            shifted = value.astype(np.int64).reshape(-1) + (size // 2 if signed else 0)
            self.codes[name] += np.bincount(shifted, minlength=size)
        place = self.places.get(name)
        if place is None:
            return
        exact = self.exact[place.tensor]
        scale = place.encoding.scale
        self.sums[name].add(exact, value if scale is None else value * scale)
        if op.kind == "boundary" and scale is not None:  # the host clips, and does not count
            limit = (1 << (place.encoding.bits - 1)) - 0.5
            self.sums[name].clipped += int(np.count_nonzero(np.abs(exact) > limit * scale))

    def _owner(self, name: str) -> str | None:
        """The layer for whose output a tensor is a step on the way, or a form of it."""
        by_tensor = {place.tensor: known for known, place in self.places.items()}
        while name:
            if name in self.places:
                return name
            if name in by_tensor:
                return by_tensor[name]
            name = name.rpartition(".")[0]
        return None

    def layers(self) -> tuple[LayerQuality, ...]:
        """What was found, in execution order."""
        products = {op.source: op for op in self.quantized.ops if op.is_product}
        found = []
        for name, place in self.places.items():
            layer = self.sums[name].quality(place)
            product = products.get(place.layer)
            if product is not None:
                driven = self._sparsity(product.inputs[0])
                layer = replace(layer, driven=driven, stored=self._stored(product))
            found.append(layer)
        return tuple(found)

    def _stored(self, product: QuantizedOp) -> BitSparsity | None:
        if product.kind == "dynamic_product":
            return self._sparsity(product.inputs[1])
        weights = product.weights
        if weights is None or weights.dtype.kind == "f":
            return None
        needed = int(np.abs(weights).max(initial=0)).bit_length() + 1
        bits = needed if product.weight_bits is None else product.weight_bits
        counts = np.bincount(weights.reshape(-1) + (1 << (bits - 1)), minlength=1 << bits)
        return bit_sparsity(counts, bits)

    def _sparsity(self, tensor: str) -> BitSparsity | None:
        if tensor not in self.codes:
            return None
        encoding = self.quantized.tensors[tensor].encoding
        return bit_sparsity(self.codes[tensor], encoding.bits, signed=encoding.signed)


def bit_sparsity(counts: NDArray[np.int64], bits: int, *, signed: bool = True) -> BitSparsity:
    """Share of zero bits among codes of ``bits``.

    Parameters
    ----------
    counts
        How often each code occurred, from ``-2**(bits - 1)`` up, or from 0 without a sign.
    bits
        Width of a code, sign included. [bit]
    signed
        Whether there is one; the two codings of codes without are the same.

    Examples
    --------
    Of -1 in 4 bits, ``1111`` in two's complement and ``1001`` as sign and magnitude:

    >>> counts = np.zeros(16, np.int64)
    >>> counts[8 - 1] = 1
    >>> bit_sparsity(counts, 4)
    BitSparsity(bits=4, twos_complement_ratio=0.0, sign_magnitude_ratio=0.5)
    """
    codes = np.arange(counts.size, dtype=np.int64) - ((1 << (bits - 1)) if signed else 0)
    total = int(counts.sum()) * bits
    if not total:
        return BitSparsity(bits, 1.0, 1.0)
    magnitude = sum(((np.abs(codes) >> place) & 1) @ counts for place in range(bits))
    complement = sum(((codes >> place) & 1) @ counts for place in range(bits))
    negative = int(counts[codes < 0].sum())
    return BitSparsity(
        bits, 1.0 - int(complement) / total, 1.0 - (int(magnitude) + negative) / total
    )


def _operands(op: QuantizedOp) -> tuple[str, ...]:
    """Tensors whose codes a product multiplies."""
    if not op.is_product:
        return ()
    return op.inputs[:2] if op.kind == "dynamic_product" else op.inputs[:1]


def _decibels(signal: float, error: float) -> float:
    """Ratio of two powers; infinite where nothing deviates. [dB]"""
    if error == 0.0:
        return math.inf
    return 10.0 * math.log10(signal / error) if signal > 0.0 else -math.inf
