"""Fixed sizes: the same numbers, and an error where a table of the model ends."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimsim.errors import WorkloadError
from pimsim.workload.checks import check_graph
from pimsim.workload.dimensions import substitute
from pimsim.workload.files import load, save
from pimsim.workload.graph import Workload
from pimsim.workload.reference import run
from pimsim.workload.shapes import evaluate
from tests.workload.decoders import VOCABULARY, Graph, decoder, inputs_of, tokens

EXPRESSIONS = (
    "batch", "seq", "batch * seq", "4 * (seq + 1)", "seq - 1", "seq // batch", "(seq - 3) % 5",
    "max(batch, seq)", "min(seq, 8) * batch", "seq * 1 + 0", "batch + (seq - 60)",
    "seq // 1 - (batch - 50)", "max(2, min(seq, batch))",
)  # fmt: skip


@given(st.sampled_from(EXPRESSIONS), st.integers(1, 40), st.integers(1, 40))
def test_a_dimension_replaced_is_a_dimension_evaluated(text: str, batch: int, seq: int) -> None:
    dims = {"batch": batch, "seq": seq}
    assert substitute(text, dims) == evaluate(text, dims)
    partly = substitute(text, {"seq": seq})
    assert evaluate(partly, {"batch": batch}) == evaluate(text, dims)
    shifted = substitute(text, {"seq": "context + 1"})
    assert evaluate(shifted, {"batch": batch, "context": seq - 1}) == evaluate(text, dims)


def test_numbers_stay_and_units_vanish() -> None:
    assert substitute(7, {"seq": 3}) == 7
    assert substitute("batch * seq", {"seq": 1}) == "batch"
    assert substitute("seq // 1", {}) == "seq"


@pytest.mark.parametrize(("batch", "seq"), [(1, 1), (2, 9), (3, 16)])
def test_the_fixed_workload_computes_the_same(batch: int, seq: int) -> None:
    workload = decoder(with_mask=True, rotary=True)
    fixed = workload.with_dims(batch=batch, seq=seq)
    check_graph(fixed, "fixed")
    assert fixed.tensors["logits"].shape == (batch, seq, VOCABULARY)
    assert not [size for spec in fixed.tensors.values() for size in spec.shape if size != int(size)]
    assert fixed.dims == {"batch": (batch, batch), "seq": (seq, seq)}
    given = tuple(inputs_of(workload, tokens(batch, seq)).values())
    assert np.array_equal(run(fixed, *given)["logits"], run(workload, *given)["logits"])


def test_dimensions_that_are_not_named_stay_open() -> None:
    fixed = decoder().with_dims(seq=8)
    assert fixed.tensors["logits"].shape == ("batch", 8, VOCABULARY)
    assert fixed.dims == {"batch": (1, 64), "seq": (8, 8)}
    assert fixed.with_dims(batch=2).tensors["logits"].shape == (2, 8, VOCABULARY)


def test_a_fixed_workload_is_saved_and_loaded(tmp_path: Path) -> None:
    fixed = replace(decoder().with_dims(batch=2, seq=8), weights={})
    save(fixed, tmp_path / "fixed")
    assert load(tmp_path / "fixed") == fixed


def test_samples_stay_where_they_fit(tiny: Workload) -> None:
    assert tiny.samples is not None
    assert tiny.with_dims().samples is tiny.samples
    assert tiny.with_dims(batch=8).samples is None  # 2 and 5 samples


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"batch": 65}, "workload 'decoder': batch = 65 is outside 1 to 64, what the trace allows"),
        ({"batch": 2.5}, "workload 'decoder': batch must be a whole number, got 2.5"),
        ({"seq": "8"}, "workload 'decoder': seq must be a whole number, got '8'"),
        ({"sec": 4}, "workload 'decoder' has no dimension 'sec'; did you mean 'seq'?"),
        (
            {"batch": 2, "seq": 17},
            (
                "workload 'decoder': seq = 17 needs row 16 of table 'where.weight' (op 'where'), "
                "whose 16 rows are 0 to 15; seq can be at most 16"
            ),
        ),
    ],
)
def test_sizes_that_the_model_does_not_allow(sizes: dict[str, Any], message: str) -> None:
    with pytest.raises(WorkloadError) as caught:
        decoder().with_dims(**sizes)
    assert str(caught.value) == message


def masked_positions() -> Workload:
    """Positions counted over an attention mask, two rows of the table reserved, as in OPT."""
    graph = Graph()
    mask = graph.input("attention_mask", "batch", "seq")
    table = graph.weight("positions.weight", 12, 4)
    count = graph.op("count", "cumsum", [mask], ("batch", "seq"), dtype="int64", axis=1)
    count = graph.op("held", "mul", [count, mask], ("batch", "seq"), dtype="int64")
    count = graph.op("less", "sub", [count], ("batch", "seq"), dtype="int64", scalar=1)
    count = graph.op("moved", "add", [count], ("batch", "seq"), dtype="int64", scalar=2)
    return graph.build(graph.op("x", "embedding", [count, table], ("batch", "seq", 4)))


def sliced_table(values: np.ndarray) -> Workload:
    """Position numbers stored in a buffer, of which the first are taken."""
    graph = Graph()
    ids = graph.input("input_ids", "batch", "seq")
    stored = graph.constant("position_ids", values[None])
    table = graph.weight("positions.weight", 8, 4)
    turned = graph.view("turned", "view", stored, 1, len(values))
    first = graph.op("first", "slice", [turned], (1, "seq"), dtype="int64",
                     axis=1, start=0, stop="seq", step=1)  # fmt: skip
    place = graph.op("place", "embedding", [first, table], (1, "seq", 4))
    return graph.build(ids, place)


def test_positions_counted_over_a_mask_end_with_their_table() -> None:
    assert masked_positions().with_dims(seq=10).dims["seq"] == (10, 10)
    with pytest.raises(WorkloadError) as caught:
        masked_positions().with_dims(seq=11)
    assert str(caught.value) == (
        "workload 'decoder': seq = 11 needs row 12 of table 'positions.weight' (op 'x'), whose 12 "
        "rows are 0 to 11; seq can be at most 10"
    )


@pytest.mark.parametrize("weights", [True, False])
def test_a_buffer_that_is_sliced_limits_the_length(weights: bool) -> None:
    workload = sliced_table(np.arange(6))
    if not weights:
        workload = replace(workload, weights={})
    assert workload.with_dims(seq=6).dims["seq"] == (6, 6)
    with pytest.raises(WorkloadError) as caught:
        workload.with_dims(seq=7)
    assert str(caught.value) == (
        "workload 'decoder': seq = 7 needs 7 entries of table 'position_ids' (op 'first'), which "
        "has 6; seq can be at most 6"
    )


def test_only_the_part_of_a_buffer_that_is_taken_is_looked_up() -> None:
    workload = sliced_table(np.arange(6) * 2)  # the last two numbers are no rows of the table
    assert workload.with_dims(seq=4).dims["seq"] == (4, 4)
