"""Which states of a decoding step lie in crossbars, and that only new tokens are quantized."""

from dataclasses import replace

import pytest

from pimsim.config import load_architecture
from pimsim.quantization import quantize
from pimsim.quantization.encodings import appended_states
from pimsim.workload.graph import Op, TensorSpec
from pimsim.workload.runs import Wanted, at_sizes, in_phase
from tests.workload.decoders import decoder

KEYS, VALUES = "layers.0.key.heads", "layers.0.value.heads"


def test_states_that_products_alone_take_are_kept_as_codes() -> None:
    step = decoder(layers=1).decode(context=4)
    found = appended_states(step)
    assert {state: op.name for state, op in found.items()} == {
        f"{KEYS}.past": f"{KEYS}.all", f"{VALUES}.past": f"{VALUES}.all",
    }  # fmt: skip


def test_a_state_that_something_else_reads_is_not() -> None:
    step = decoder(layers=1).decode(context=4)
    shape = step.tensors[f"{KEYS}.all"].shape
    looked_at = replace(
        step,
        ops=(*step.ops, Op("seen", "relu", (f"{KEYS}.all",), ("seen",))),
        tensors={**step.tensors, "seen": TensorSpec("seen", shape, "float32", "activation")},
    )
    assert [*appended_states(looked_at)] == [f"{VALUES}.past"]
    assert [*appended_states(replace(step, outputs=(*step.outputs, f"{VALUES}.all")))] == [
        f"{KEYS}.past"
    ]


@pytest.mark.parametrize("arch", ["rap_int8", "conventional"])
def test_a_step_quantizes_one_token_of_keys_and_values(arch: str) -> None:
    shapes = replace(decoder(layers=1), weights={})
    step = at_sizes(in_phase(shapes, Wanted("decode", 9, None, None)), {"batch": 1, "context": 9})
    quantized = quantize(step, load_architecture(arch), None)
    for op in quantized.ops:
        if op.kind == "unit" and op.source.startswith(("layers.0.key", "layers.0.value")):
            assert 10 not in quantized.tensors[op.output].shape
    for state in (KEYS, VALUES):
        assert quantized.tensors[f"{state}.all"].encoding.bits == 8
