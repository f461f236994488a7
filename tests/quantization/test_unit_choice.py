"""An architecture chooses among the units of a role; what it may not choose is told."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pimsim.config import load_architecture
from pimsim.cost.digital import operations
from pimsim.cost.technology import OperatingPoint
from pimsim.cost.unit_hardware import built_hardware, unit_area_um2
from pimsim.errors import QuantizationError
from pimsim.functional.accuracy import signal_to_noise_db
from pimsim.integer.ivit_softmax import IVitSoftmax
from pimsim.quantization import quantize, unit_constants
from pimsim.registry import UNITS
from tests.quantization.traced import (
    RAP,
    Traced,
    run_float,
    run_ideal,
    shapes_only,
    transformer_block,
)

CHOICES = [
    (role, name)
    for role in ("softmax", "gelu", "layer_norm")
    for name in unit_constants.names(role)
]
COARSE = {"fqvit_softmax": 15.0, "ivit_gelu": 20.0}
"""Signal over noise of the block's outputs; 25 dB where nothing is said. [dB]"""


def chip(role: str, name: str):
    return load_architecture("rap_int8", overrides=[f"units.{role}.model={name}"])


@pytest.mark.parametrize(("role", "name"), CHOICES)
def test_every_unit_serves_a_transformer_block(role, name):
    workload = transformer_block(evaluation=40)
    exact = run_float(workload)["head:out"]
    found = run_ideal(workload, chip(role, name)).outputs["head:out"]
    assert signal_to_noise_db(exact, [found]) > COARSE.get(name, 25.0)


@pytest.mark.parametrize(("role", "name"), CHOICES)
def test_the_graph_holds_the_unit_that_was_chosen(role, name):
    """Told by its hardware; a graph without weights has it, too."""
    workload = transformer_block()
    default = {op.name: op for op in quantize(workload, RAP).ops}
    chosen = quantize(workload, chip(role, name))
    bare = quantize(shapes_only(workload), chip(role, name))
    for op, shape_only in zip(chosen.ops, bare.ops, strict=True):
        assert op.name == shape_only.name
        if op.function == role:
            same = op.hardware == default[op.name].hardware
            assert same == (name == {"softmax": "ibert_softmax", "gelu": "ibert_gelu",
                                     "layer_norm": "ibert_layer_norm"}[role])  # fmt: skip
            assert shape_only.hardware is not None
        else:
            assert op.hardware == default[op.name].hardware


def test_every_unit_that_can_be_chosen_has_an_area():
    costs = operations(OperatingPoint(28.0))
    for role in unit_constants.ROLES:
        for name in unit_constants.names(role):
            assert UNITS.suits(name, role)
            assert unit_area_um2(built_hardware(name), 64, costs).value > 0


@pytest.mark.parametrize("scheme", ["int8_dyadic", "int4", "qrazor_w4a4"])
def test_floating_units_are_refused_with_the_integer_ones(scheme):
    architecture = load_architecture(
        "rap_int8", overrides=["units.gelu.model=fp32_gelu", f"numerics.scheme={scheme}"]
    )
    with pytest.raises(QuantizationError) as caught:
        quantize(transformer_block(), architecture)
    assert str(caught.value) == (
        f"architecture 'rap_int8': units.gelu.model is 'fp32_gelu', but numerics.scheme '{scheme}' "
        "builds 'ibert_gelu', 'ivit_gelu' or 'table_gelu'; change one of the two"
    )


def test_the_floating_scheme_takes_no_integer_unit_where_it_has_its_own():
    architecture = load_architecture(
        "conventional", overrides=["units.silu={model: ivit_silu, lanes: 64}"]
    )
    with pytest.raises(QuantizationError, match=r"units\.silu\.model is 'ivit_silu', but .*"
                       r"'int8_dqq' builds 'fp16_silu' or 'fp32_silu'"):  # fmt: skip
        quantize(transformer_block(), architecture)


def test_a_requantization_that_shifts_groups_is_no_rescaling():
    with pytest.raises(QuantizationError, match="builds 'dyadic_requantize'"):
        quantize(transformer_block(), chip("requantize", "emsb_q"))


def probabilities(workload, architecture) -> np.ndarray:
    quantized = quantize(workload, architecture)
    from pimsim.functional import run_exact

    seen: dict[str, Any] = {}
    run_exact(quantized, workload.samples.evaluation, {},
              observe=lambda op, values, saturations: seen.update({op.output: values}))  # fmt: skip
    return seen["attn.softmax:out"]


def test_logarithmic_probabilities_drive_one_bit_plane_each():
    workload = transformer_block(evaluation=40)
    codes = probabilities(workload, chip("softmax", "fqvit_softmax")).astype(np.int64)
    assert codes.dtype.kind == "i"
    assert codes.max() == 64
    assert not np.any(codes & (codes - 1))  # at most one bit
    linear = probabilities(workload, RAP).astype(np.int64)
    assert np.any(linear & (linear - 1))


def test_logarithmic_probabilities_are_powers_of_two_of_the_exact_ones():
    """Within the unit's own third, or half a step of the operand."""
    workload = transformer_block(evaluation=40)
    architecture = chip("softmax", "fqvit_softmax")
    scale = quantize(workload, architecture).tensors["attn.softmax:out"].encoding.scale
    assert scale is not None
    assert np.log2(scale) == round(np.log2(scale))
    found = probabilities(workload, architecture) * scale
    exact: dict[str, np.ndarray] = {}
    from pimsim.workload import reference

    assert workload.samples is not None
    reference.run(workload, workload.samples.evaluation["x"], observe=exact.__setitem__)
    wanted = exact["attn.softmax:out"]
    assert np.all(np.abs(found - wanted) <= np.maximum(0.65 * wanted, scale))


def test_a_plug_in_s_unit_makes_itself(monkeypatch):
    class Doubtful(IVitSoftmax):
        """A user's softmax."""

        @classmethod
        def from_scale(cls, scale, input_bits):
            return unit_constants.softmax("ivit_softmax", scale, input_bits)

    monkeypatch.setitem(UNITS._entries, "my_softmax", Doubtful)
    workload = transformer_block(evaluation=8)
    mine = run_ideal(workload, chip("softmax", "my_softmax")).outputs["head:out"]
    ivit = run_ideal(workload, chip("softmax", "ivit_softmax")).outputs["head:out"]
    assert np.array_equal(mine, ivit)


def test_a_plug_in_s_unit_without_from_scale_is_refused(monkeypatch):
    monkeypatch.setitem(UNITS._entries, "my_softmax", object)
    with pytest.raises(QuantizationError, match=r"units\.softmax\.model is 'my_softmax'"):
        quantize(transformer_block(), chip("softmax", "my_softmax"))


def test_a_masked_row_goes_through_every_softmax():
    traced = Traced(2)
    x, keep = traced.input("x", 3, 7), traced.mask("keep", 3, 7)
    soft = traced.op("soft", "softmax", traced.op("m", "mask", x, keep, fill=-1e9), axis=-1)
    workload = traced.build(traced.linear("y", soft, 4))
    assert workload.samples is not None
    kept = workload.samples.evaluation["keep"].copy()
    kept[..., 0] = True
    evaluation = {**workload.samples.evaluation, "keep": kept}
    workload = replace(workload, samples=replace(workload.samples, evaluation=evaluation))
    exact = run_float(workload)["y:out"]
    for name in unit_constants.names("softmax"):
        found = run_ideal(workload, chip("softmax", name)).outputs["y:out"]
        assert signal_to_noise_db(exact, [found]) > COARSE.get(name, 25.0) - 5
