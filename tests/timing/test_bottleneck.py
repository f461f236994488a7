"""Shares of the critical path sum to the latency, and the sentence names the largest of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimsim.timing import bottleneck
from tests.timing.timelines import Use, timeline_of


def with_path(path, latency_ps=None):
    latency_ps = sum(path.values()) if latency_ps is None else latency_ps
    return timeline_of([Use("macro:mram:a", 0, 1)], path=path, latency_ps=latency_ps)


paths = st.dictionaries(
    st.tuples(
        st.sampled_from(["layer.0.q", "layer.1.q", "layer.1.softmax", "head", "a|b"]),
        st.sampled_from(["macro", "adc", "noc", "new_class"]),
    ).map("|".join),
    st.integers(1, 10**9),
    min_size=1,
)


@given(paths)
def test_shares_sum_to_the_latency(path):
    timeline = with_path(path)
    for shares in (bottleneck.class_shares(timeline), bottleneck.op_shares(timeline)):
        assert sum(share.time_ps for share in shares) == timeline.latency_ps
        assert sum(share.ratio for share in shares) == pytest.approx(1.0)
        assert [share.time_ps for share in shares] == sorted(
            (share.time_ps for share in shares), reverse=True
        )


@given(paths)
def test_latency_without_a_class_is_what_the_others_hold(path):
    timeline = with_path(path)
    without = bottleneck.latency_without_ps(timeline)
    for name in {key.rpartition("|")[2] for key in path}:
        others = sum(time for key, time in path.items() if not key.endswith(f"|{name}"))
        assert without[name] == others


def test_a_class_that_holds_nothing_would_save_nothing():
    assert bottleneck.latency_without_ps(with_path({"a|noc": 5}))["macro"] == 5


@given(paths)
def test_the_sentence_names_the_largest_class(path):
    timeline = with_path(path)
    text = bottleneck.bottleneck_sentence(timeline)
    first = bottleneck.class_shares(timeline)[0]
    assert text.startswith(f"Latency is {100 * first.ratio:.0f} % ")
    assert text.endswith(".")
    names = {**bottleneck.CLASS_NAMES, "new_class": "new-class"}
    largest = [
        names[share.name]
        for share in bottleneck.class_shares(timeline)
        if share.time_ps == first.time_ps
    ]
    assert any(f" {name}-bound, " in text for name in largest)


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        (
            {"encoder.layer.3.ffn.up|adc": 30, "encoder.layer.3.ffn.down|adc": 30, "q|noc": 40},
            "Latency is 60 % ADC-bound, all of it in encoder.layer.3.ffn.",
        ),
        (
            {"encoder.layer.3.ffn|adc": 50, "encoder.layer.1.ffn|adc": 11, "q|noc": 39},
            "Latency is 61 % ADC-bound, most of it in encoder.layer.3.ffn.",
        ),
        (
            {f"layer.{n}.attention.softmax|vector_unit": 10 for n in range(9)} | {"q|noc": 10},
            "Latency is 90 % vector-unit-bound, all of it in layer.*.attention.softmax.",
        ),
        (
            {f"layer.{n}.{op}|macro": 10 + n for n in range(2) for op in ("q", "k", "v")},
            "Latency is 100 % macro-read-bound, most of it in layer.1.",
        ),
        (
            {"head|memory": 4, "stem|noc": 1},
            "Latency is 80 % off-chip-memory-bound, all of it in head.",
        ),
        (
            {f"{op}|io": 25 for op in "abcd"},
            "Latency is 100 % I/O-bound, spread widely; the largest part, 25 %, in a.",
        ),
        ({}, "Nothing takes any time."),
    ],
)
def test_the_sentence_tells_where(path, sentence):
    assert bottleneck.bottleneck_sentence(with_path(path)) == sentence
