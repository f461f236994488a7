"""graph.json: what is refused, and with which words."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from pimsim.errors import UnsupportedOpError, WorkloadError
from pimsim.workload.graph import OP_KINDS, AttentionGroup, Op, Workload
from pimsim.workload.schema import parse, render

Edit = Callable[..., dict[str, Any]]
KINDS = ", ".join(sorted(OP_KINDS))


def refusal(text: str | bytes) -> str:
    with pytest.raises(WorkloadError) as caught:
        parse(text if isinstance(text, bytes) else text.encode(), "graph.json")
    return str(caught.value)


def test_a_graph_survives_writing_and_reading(document: dict[str, Any], tiny: Workload) -> None:
    graph = parse(json.dumps(document).encode(), "graph.json")
    assert graph.ops == tiny.ops
    assert graph.tensors == tiny.tensors
    text = render(graph, "here")
    assert parse(text, "graph.json") == graph
    assert render(parse(text, "graph.json"), "here") == text
    assert json.loads(text) == document  # the layout is ours, the content is plain JSON


def test_groups_and_sequences_survive_and_are_hashable_tuples(document: dict[str, Any]) -> None:
    document["ops"][1] |= {
        "kind": "view",
        "attributes": {"shape": ["batch", 2]},
        "group": {"name": "a", "role": "scale", "heads": 4, "kv_heads": 2, "causal": True},
    }
    op = parse(json.dumps(document).encode(), "graph.json").ops[1]
    expected = AttentionGroup("a", "scale", heads=4, kv_heads=2, causal=True)
    assert op == Op("answer", "view", ("fc",), ("answer",), {"shape": ("batch", 2)}, expected)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "{",
            "graph.json: not a JSON file: Expecting property name",
        ),
        ("", "graph.json: not a JSON file: Expecting value: line 1 column 1 (char 0); trace the"),
        (b"\xff\xfe", "graph.json: not a JSON file: 'utf-8' codec can't decode byte 0xff"),
        ('{"a": 1, "a": 2}', "graph.json: not a JSON file: key 'a' stands twice in one object;"),
        ('{"a": NaN}', "graph.json: not a JSON file: NaN is not a JSON number; trace the"),
        ("[" * 200_000, "graph.json: not a JSON file: nested too deeply; trace the model again"),
        ("[]", "graph.json: must hold one JSON object, found list; trace the model again"),
        ("{}", "graph.json: format_version is missing; this pimsim reads version 1"),
        (
            '{"format_version": 2, "anything": "else"}',
            (
                "graph.json: format_version 2 was written by a newer pimsim; this one reads up to "
                "1; update pimsim"
            ),
        ),
    ],
)
def test_text_that_is_no_graph_of_this_version(text: str | bytes, message: str) -> None:
    assert refusal(text).startswith(message)


FORM_PROBLEMS: tuple[tuple[tuple[str | int, ...], object, str], ...] = (
    (("format_version",), True, "format_version: input should be a valid integer (got True)"),
    (("format_version",), 0, "format_version: input should be greater than or equal to 1 (got 0)"),
    (
        ("name",),
        "../../etc/cron",
        (
            "name: must be letters, digits, '.', '_' and '-', because it names the result folder "
            "(got '../../etc/cron')"
        ),
    ),
    (
        ("factory",),
        "../evil.py:model",
        "factory: must be a path inside the project, without '..' (got '../evil.py:model')",
    ),
    (
        ("factory",),
        "model",
        "factory: must read module:function or path/to/file.py:function (got 'model')",
    ),
    (("dims", "batch"), [0, 4], "dims.batch[0]: input should be greater than 0 (got 0)"),
    (
        ("dims",),
        {"batch": [1, 2], "max": [1, 2]},
        "dims.max.[key]: must be letters, digits and '_', and not inf, max or min (got 'max')",
    ),
    (("outputs",), "answer", "outputs: must be a list (got 'answer')"),
    (("inputs",), [], "inputs: needs at least 1 entries (got [])"),
    (
        ("tensors", "x", "dtype"),
        "bfloat16",
        (
            "tensors.x.dtype: input should be 'float16', 'float32', 'float64', 'int8', 'int16', "
            "'int32', 'int64', 'uint8' or 'bool' (got 'bfloat16')"
        ),
    ),
    (
        ("tensors", "x", "kind"),
        "parameter",
        (
            "tensors.x.kind: input should be 'input', 'state', 'weight', 'constant' or "
            "'activation' (got 'parameter')"
        ),
    ),
    (("tensors", "x", "units"), "V", "unknown key 'tensors.x.units'"),
    (("weights_file",), "../w.safetensors", "unknown key 'weights_file'"),
    (
        ("ops", 1, "outputs"),
        ["answer", "more"],
        ("ops[1].outputs: needs at most 1 entries (got ['answer', 'more'])"),
    ),
    (
        ("ops", 0, "group"),
        {"name": "a", "role": "querry", "heads": 1, "kv_heads": 1, "causal": False},
        (
            "ops[0].group.role: input should be 'query', 'key', 'value', 'query_key_value', "
            "'key_value', 'logits', 'scale', 'softmax', 'context' or 'output' (got 'querry')"
        ),
    ),
    (("ops", 1, "attributes"), {}, "ops[1] 'answer' (softmax) attributes: axis: is missing"),
    (
        ("ops", 1, "attributes"),
        {"axis": "-1"},
        "ops[1] 'answer' (softmax) attributes: axis: input should be a valid integer (got '-1')",
    ),
    (
        ("ops", 0, "attributes"),
        {"axis": 1},
        "ops[0] 'fc' (linear) attributes: unknown key 'axis'",
    ),
)


@pytest.mark.parametrize(("path", "value", "message"), FORM_PROBLEMS)
def test_a_wrong_value_is_named_with_its_place(
    edit: Edit, path: tuple[str | int, ...], value: object, message: str
) -> None:
    assert refusal(json.dumps(edit(*path, to=value))) == f"graph.json: {message}"


def test_a_missing_key_is_named(document: dict[str, Any]) -> None:
    del document["ops"][0]["group"]
    assert refusal(json.dumps(document)) == "graph.json: ops[0].group: is missing"


def test_an_unknown_kind_is_named_with_the_op_and_the_supported_kinds(edit: Edit) -> None:
    text = json.dumps(edit("ops", 1, "kind", to="fft")).encode()
    with pytest.raises(UnsupportedOpError) as caught:
        parse(text, "graph.json")
    assert str(caught.value) == (
        f"graph.json: ops[1] 'answer': unknown kind 'fft'; supported: {KINDS}"
    )


def test_all_problems_of_form_come_at_once_up_to_a_limit(edit: Edit) -> None:
    edit("name", to="")
    edit("inputs", to=["x", 1])
    edit("ops", 0, "inputs", to=["x", *range(30)])
    lines = refusal(json.dumps(edit("outputs", to="answer"))).splitlines()
    assert len(lines) == 21
    assert lines[0].startswith("graph.json: name: string should have at least 1 character")
    assert lines[-1] == "graph.json: and 13 more problems"


def test_infinities_have_a_form_in_json_and_nan_has_none(tiny: Workload) -> None:
    masked = Op("answer", "mask", ("fc", "fc"), ("answer",), {"fill": -math.inf})
    graph = replace(tiny, ops=(tiny.ops[0], masked), weights={}, samples=None)
    text = render(graph, "here")
    assert json.loads(text)["ops"][1]["attributes"] == {"fill": "-inf"}
    assert parse(text, "here") == graph
    nan = replace(masked, attributes={"fill": math.nan})
    with pytest.raises(WorkloadError, match="has no JSON form"):
        render(replace(graph, ops=(tiny.ops[0], nan)), "here")


def test_an_operation_may_have_no_inputs(edit: Edit) -> None:
    edit("ops", 0, "attributes", to={"shape": ["batch", 2], "value": 0.5})
    edit("ops", 0, "kind", to="full")
    graph = parse(json.dumps(edit("ops", 0, "inputs", to=[])).encode(), "graph.json")
    assert graph.ops[0] == Op("fc", "full", (), ("fc",), {"shape": ("batch", 2), "value": 0.5})


def test_a_graph_that_cannot_be_read_again_is_not_written(tiny: Workload) -> None:
    for ops in (
        (replace(tiny.ops[0], attributes={"scale": float("nan")}), tiny.ops[1]),
        (replace(tiny.ops[0], attributes={"scale": object()}), tiny.ops[1]),
        (tiny.ops[0], replace(tiny.ops[1], attributes={})),
    ):
        with pytest.raises(WorkloadError, match="tiny"):
            render(replace(tiny, ops=ops), "workload 'tiny'")
