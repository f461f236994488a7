"""Operands without sign are driven in one pass of as many planes as they have bits."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from pimsim.analog.coding import encode_inputs, load_max, sum_range
from pimsim.config import load_architecture
from pimsim.config.macros import Accumulate
from pimsim.errors import MappingError
from pimsim.mapping import map_workload
from pimsim.mapping.products import check_widths, resolve_product
from pimsim.mapping.widths import macro_in_use, narrowed
from pimsim.quantization import quantize
from tests.mapping.test_widths import made
from tests.quantization.test_rap_int8p1 import UNITS
from tests.quantization.traced import transformer_block

WIDE = tuple(
    f"macros.{name}.{key}"
    for name, bits in (("mram", 9), ("sram", 16))
    for key in (f"weights.bits={bits}", "inputs.bits=9")
)
CODINGS = [*itertools.product(("twos_complement", "sign_magnitude"), (1, 2, 3))]


def chip(*overrides):
    return load_architecture("rap_int8", overrides=[*UNITS, *WIDE, *overrides])


@pytest.mark.parametrize(("coding", "bits_per_cycle"), CODINGS)
def test_planes_are_those_of_the_bits_and_codes_survive(coding, bits_per_cycle):
    macro = made("twos_complement", coding, 1, bits_per_cycle)
    small = narrowed(macro, driven_bits=7, driven_signed=False)
    assert small.planes == -(-7 // bits_per_cycle)
    assert sum_range(small) == sum_range(macro)
    assert load_max(small) == load_max(macro)
    codes = np.arange(128)
    driven = encode_inputs(codes[None], small)
    assert np.array_equal(np.tensordot(driven.weights, driven.digits[:, 0], 1), codes)


def test_planes_that_are_summed_in_charge_stay_as_they_are():
    macro = made("twos_complement", "twos_complement", 1, 1)
    macro = macro.model_copy(update={"accumulate": Accumulate(planes="charge")})
    assert narrowed(macro, driven_bits=7, driven_signed=False) is macro


@pytest.mark.parametrize("coding", ["twos_complement", "sign_magnitude"])
def test_exponentials_drive_eight_planes_whatever_signed_operands_take(coding):
    architecture = chip(f"macros.sram.inputs.coding={coding}")
    mapped = map_workload(quantize(transformer_block(), architecture), architecture, {"batch": 1})
    macro = architecture.macros["sram"]
    context, logits = (mapped.op(name).placement for name in ("attn.context", "attn.logits"))
    assert (context.driven_bits, context.driven_signed) == (8, False)
    assert (logits.driven_bits, logits.driven_signed) == (9, True)
    assert macro_in_use(macro, context).planes == 8
    assert macro_in_use(macro, logits).planes == (9 if coding == "twos_complement" else 16)


def product(name, architecture):
    quantized = quantize(transformer_block(), architecture)
    op = next(op for op in quantized.ops if op.name == name)
    return resolve_product(op, quantized, {"batch": 1}), quantized


def with_inputs(**changed):
    macro = chip().macros["sram"]
    return macro.model_copy(update={"inputs": macro.inputs.model_copy(update=changed)})


def test_a_macro_for_signs_needs_a_bit_more():
    context, quantized = product("attn.context", chip())
    with pytest.raises(MappingError) as caught:
        check_widths(context, quantized, "sram", with_inputs(bits=8))
    assert str(caught.value) == (
        "op 'attn.context': operand 'attn.softmax:out' has 8 bits and no sign, but "
        "macros.sram.inputs.bits is 8.\n"
        "  Raise macros.sram.inputs.bits to at least 9, or choose a narrower numerics.scheme."
    )


def test_a_macro_without_signs_takes_operands_without_and_no_others():
    macro = with_inputs(bits=8, coding="unsigned")
    context, quantized = product("attn.context", chip())
    check_widths(context, quantized, "sram", macro)
    signed = replace(context, op=replace(context.op, inputs=("attn.q:out", "attn.v:out")))
    with pytest.raises(MappingError, match=r"are signed, but macros\.sram\.inputs\.coding is 'uns"):
        check_widths(signed, quantized, "sram", macro)
