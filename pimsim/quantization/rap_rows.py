"""Rows with shifts of their own: what every operation of RAP's integer graph needs.

Which question this module answers: *how does a tensor whose rows carry a power of two each get one,
keep it while it is moved, and lose it again?*

Floating point appears at compile time only, and in the probes, which no chip executes: they turn
codes back to the real numbers of the traced network, so that the two can be compared.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from pimsim.config.architecture import Numerics
from pimsim.integer.leading_one import GroupCodes, LeadingOneShift, emsb_q
from pimsim.integer.token_shift import SHIFT_BITS, BiasedShift, ScaledAdd
from pimsim.integer.units import UnitOutput
from pimsim.quantization import rap_constants
from pimsim.quantization.attention_paths import Attention, probe_dims
from pimsim.quantization.builder import FLOAT32, Value
from pimsim.quantization.dyadic import DyadicLowering
from pimsim.quantization.encodings import code
from pimsim.quantization.quantized import Encoding, Execute, QuantizedOp, QuantizedTensor
from pimsim.quantization.row_tensors import RowTensor
from pimsim.workload.graph import Op

KEPT_BITS: Final = 8
"""Magnitude of an operand: the paper's Q. [bit]"""
Bias = tuple[tuple[int, ...], int] | None
"""Mantissas and their shift to the left."""


@dataclass(frozen=True, slots=True)
class RapSettings:
    """What ``numerics`` leaves to choose, see :class:`pimsim.config.architecture.Numerics`."""

    kv_bits: int = 16
    kv_msb: Literal["calibrated", "datapath"] = "calibrated"
    kv_round: Literal["half_up", "truncate"] = "half_up"
    normalization: Literal["reciprocal_lut", "shift", "paper"] = "reciprocal_lut"
    branch_scale: Literal["dyadic", "pow2"] = "dyadic"

    @classmethod
    def of(cls, numerics: Numerics) -> "RapSettings":
        """Settings of an architecture; what it leaves out is as above."""
        given = {name: getattr(numerics, name) for name in cls.__slots__}
        return cls(**{name: value for name, value in given.items() if value is not None})


@dataclass(frozen=True, slots=True, kw_only=True)
class RowLowering(DyadicLowering):
    """Operations whose results have a number for each row beside them."""

    settings: RapSettings
    largest: Mapping[str, NDArray[Any]]
    """Softmax output → largest probability of each row on the calibration samples, (heads, rows);
    empty where no gain is needed."""
    attentions: Mapping[str, Attention]
    """Product P·V → its layer."""
    shifts: dict[str, RowTensor] = field(default_factory=dict)
    """Tensor of the quantized graph → the shifts of its rows."""
    sums: dict[str, RowTensor] = field(default_factory=dict)
    """Codes of a softmax → the sums of their rows."""
    wide: set[str] = field(default_factory=set)
    """Tensors that come to sign + 8 by eMSB-Q where a product takes them."""
    input_gains: dict[str, NDArray[Any]] = field(default_factory=dict)
    """Output projection → factor of each of its inputs."""
    factors: dict[str, NDArray[Any]] = field(default_factory=dict)
    """Traced tensor → by what it differs from the folded network's, broadcast to its shape."""
    offsets: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    """The same, added."""
    probes: list[QuantizedOp] = field(default_factory=list)

    # --- numbers that go with rows ---------------------------------------------------------------

    def _move(self, op: Op) -> Value:
        before = self.builder.operand(op.inputs[0]).name
        value = self.builder.move(op)
        dims = probe_dims(self.builder.workload)
        for known in (self.shifts, self.sums):
            if before in known:
                known[value.name] = known[before].moved(op, dims)
        if before in self.wide:
            self.wide.add(value.name)
        return value

    def _row_tensor(self, name: str, value: Value, bits: int) -> RowTensor:
        """Declare the second output of a unit: one number for each row of ``value``."""
        shape = self.builder.tensors[value.name].shape
        encoding = Encoding(bits, "integer", None if self.builder.shape_only else 1.0)
        self.builder.tensors[name] = QuantizedTensor(name, (*shape[:-1], 1), encoding)
        return RowTensor(name, shape)

    def _keep_leading(
        self, op: Op, value: Value, leading: LeadingOneShift, *, name: str, output: str,
        bias: Bias = None, streams: bool = False,
    ) -> Value:  # fmt: skip
        """Add a bias and keep leading bits; rows get shifts unless the place is fixed."""
        moved = self.shifts.get(value.name)
        mantissas, bias_shift = bias or (None, 0)
        unit = BiasedShift(bias=mantissas, bias_shift=bias_shift, leading=leading)
        fixed = leading.msb_bits is not None
        places = leading.msb_bits - leading.kept_bits if leading.msb_bits is not None else 0
        scale = None if self.builder.shape_only else self._scale(value) * 2.0 ** max(0, places)

        def execute(
            arrays: Sequence[NDArray[Any]], dims: Mapping[str, int]
        ) -> UnitOutput | GroupCodes:
            if fixed:
                return unit(arrays[0])
            return unit.encode(arrays[0], None if moved is None else moved.aligned(arrays[1], dims))

        made = self._row_unit(
            op, (value.name, *(() if moved is None or fixed else (moved.name,))), unit, execute,
            name=name, output=output, rows=None if fixed else f"{output}.shifts",
            shape=self.builder.tensors[value.name].shape,
            encoding=Encoding(leading.kept_bits + 1, "integer", scale),
            stream_from=op.name if streams else None,
        )  # fmt: skip
        if not fixed:
            self.shifts[output] = self._row_tensor(f"{output}.shifts", made, SHIFT_BITS)
        if output == op.output:
            self._probe(op, made, None if fixed else self.shifts[output])
        return made

    def _row_unit(
        self, op: Op, inputs: tuple[str, ...], unit: Any, execute: Execute, *, name: str,
        output: str, rows: str | None, shape: Sequence[Any], encoding: Encoding,
        function: str = "requantize", stream_from: str | None = None,
    ) -> Value:  # fmt: skip
        """Add an operation of a unit that may yield a number for each row, too."""
        return self.builder.emit(
            QuantizedOp(
                name=name, kind="unit", source=op.name, inputs=inputs, output=output,
                function=function, shifts=rows, hardware=unit.hardware, stream_from=stream_from,
                execute=None if self.builder.shape_only else execute, group=op.group,
            ),
            shape, encoding,
        )  # fmt: skip

    def _probe(self, op: Op, value: Value, rows: RowTensor | None = None) -> None:
        """Say how codes become a traced tensor's real numbers, where that takes more than a scale.

        ``rows`` are shifts; of a softmax they are the sums of its codes.
        """
        factor, offset = self.factors.get(op.output), self.offsets.get(op.output)
        plain = rows is None and factor is None and offset is None
        if self.builder.shape_only or plain:
            return
        scale, name = self._scale(value), f"{op.output}.probe"

        def execute(arrays: Sequence[NDArray[Any]], dims: Mapping[str, int]) -> UnitOutput:
            real = arrays[0].astype(np.float64)
            if op.kind == "softmax":
                real /= np.maximum(arrays[1], 1)
            else:
                real *= scale if rows is None else scale * 2.0 ** arrays[1]
            real *= 1.0 if factor is None else factor
            real += 0.0 if offset is None else offset
            return UnitOutput(real.astype(np.float32), 0)

        encoding = Encoding(value.encoding.bits, "float", None)
        self.builder.tensors[name] = QuantizedTensor(name, self.builder.shape(op.output), encoding)
        inputs = (value.name, *(() if rows is None else (rows.name,)))
        self.probes.append(
            QuantizedOp(
                name=name, kind="boundary", source=op.name, inputs=inputs, output=name,
                execute=execute,
            )
        )  # fmt: skip

    # --- rescaling -------------------------------------------------------------------------------

    def _to_operand(self, op: Op, value: Value) -> Value:
        """Keep sign + 8 of each row of a wide tensor."""
        name = f"{value.name}.emsb_q"
        if name in self.builder.tensors:
            return Value(name, self.builder.tensors[name].encoding)
        leading = emsb_q(input_bits=value.encoding.bits, kept_bits=KEPT_BITS)
        return self._keep_leading(op, value, leading, name=name, output=name)

    def _scaled(
        self, op: Op, value: Value, encoding: Encoding, *, name: str, output: str,
        addend: Value | None = None,
    ) -> Value:  # fmt: skip
        """Bring a value to a static scale, and add another that is on it."""
        ratio = 1.0 if encoding.scale is None else self._scale(value) / encoding.scale
        exact = value.encoding is encoding
        shifted = self.shifts.get(value.name)
        power = exact or (self.settings.branch_scale == "pow2" and shifted is not None)
        multiplier, shift = (
            (1, 0) if exact else rap_constants.branch_ratio(ratio, power_of_two=power)
        )
        unit = ScaledAdd(
            multiplier=multiplier, shift=shift, input_bits=value.encoding.bits,
            output_bits=encoding.bits,
        )  # fmt: skip
        stored = None
        if addend is not None and addend.is_constant and addend.constant is not None:
            stored = code(addend.constant, encoding)

        def execute(arrays: Sequence[NDArray[Any]], dims: Mapping[str, int]) -> UnitOutput:
            rest = list(arrays[1:])
            places = None if shifted is None else shifted.aligned(rest.pop(0), dims)
            return unit(arrays[0], places, rest[0] if rest else stored)

        inputs = [value]
        if shifted is not None:
            inputs.append(Value(shifted.name, FLOAT32))
        if addend is not None and not addend.is_constant:
            inputs.append(addend)
        return self.builder.unit(
            name=name, op=op, function="requantize", inputs=inputs, unit=unit, execute=execute,
            encoding=encoding,
            shape=self.builder.shape(op.output) if addend is not None
            else self.builder.tensors[value.name].shape,
            output=output,
        )  # fmt: skip
