"""result.json: its keys, its schema, what may stand in it, and the way back."""

import dataclasses
import json
import math
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from pimsim.errors import InputError, OutputError
from pimsim.report import document, to_json

KEYS = {
    "": """format_version manifest workload architecture accuracy latency_us throughput_per_s
        energy_uj power_mw tops_per_w tops_per_mm2 utilisation energy_breakdown_uj
        area_breakdown_mm2 latency_breakdown_us timing what_if_us attention_ops assumed_share
        cost_variants adc_models baselines notes""",
    "workload": "name parameters macs",
    "architecture": "name area_mm2 scheme",
    "accuracy": """metric higher_is_better samples float32 integer analog agreement_ratio
        logit_snr_db""",
    "utilisation": "cells_ratio area_ratio",
    "assumed_share": "energy_ratio area_ratio latency_ratio",
    "timing": """bottleneck first_us loading_us first_with_loading_us further_us reprogramming_us
        throughput interval_us token_group""",
}
SCHEMA = json.loads((files("pimsim.report") / "result.schema.json").read_text(encoding="utf-8"))
TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
    "null": type(None),
}


KEYWORDS = {"$schema", "$defs", "title", "description", "$ref", "const", "enum", "type", "minimum"}
KEYWORDS |= {"maximum", "required", "properties", "additionalProperties", "items", "minItems"}


def violations(value, schema, place="result"):
    """Check the part of JSON Schema that the file uses; an unknown keyword is an error."""
    assert set(schema) <= KEYWORDS, set(schema) - KEYWORDS
    if "$ref" in schema:
        yield from violations(value, SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]], place)
    if value not in schema.get("enum", [schema.get("const", value)]):
        yield f"{place}: {value!r} is not allowed"
    kinds = schema.get("type", [])
    kinds = kinds if isinstance(kinds, list) else [kinds]
    is_bool = isinstance(value, bool)
    if kinds and not any(
        isinstance(value, TYPES[k]) and is_bool == (k == "boolean") for k in kinds
    ):
        yield f"{place}: {value!r} is not {kinds}"
    elif isinstance(value, int | float):
        if not schema.get("minimum", -math.inf) <= value <= schema.get("maximum", math.inf):
            yield f"{place}: {value} out of range"
    elif isinstance(value, list):
        yield from _array_violations(value, schema, place)
    elif isinstance(value, dict):
        yield from _object_violations(value, schema, place)


def _array_violations(value, schema, place):
    if len(value) < schema.get("minItems", 0):
        yield f"{place}: too short"
    for index, item in enumerate(value):
        yield from violations(item, schema["items"], f"{place}[{index}]")


def _object_violations(value, schema, place):
    properties, others = schema.get("properties", {}), schema.get("additionalProperties", True)
    for name in schema.get("required", ()):
        if name not in value:
            yield f"{place}.{name}: missing"
    for name, item in value.items():
        if name in properties:
            yield from violations(item, properties[name], f"{place}.{name}")
        elif others is False:
            yield f"{place}.{name}: unknown"
        elif others is not True:
            yield from violations(item, others, f"{place}.{name}")


@pytest.mark.parametrize("section", KEYS)
def test_keys_are_the_documented_ones_in_their_order(result, section):
    content = json.loads(to_json(result))
    part = content[section] if section else content
    assert list(part) == KEYS[section].split()


def test_document_follows_the_schema(result):
    assert list(violations(json.loads(to_json(result)), SCHEMA)) == []


def test_a_replay_of_several_inferences_follows_the_schema(rebuilt, result):
    line = dataclasses.replace(
        result.timeline, request_start_ps=(0,) * 4, request_end_ps=(53_508, 70_000, 80_000, 90_000)
    )
    content = json.loads(to_json(rebuilt(timeline=line, what_if_us={"noc": 0.05})))
    assert list(violations(content["timing"], SCHEMA["properties"]["timing"])) == []
    assert content["timing"]["further_us"] == [0.07, 0.08, 0.09]
    assert content["timing"]["throughput"] == "steady_state"
    assert content["timing"]["interval_us"] == 0.01  # (90 000 - 70 000) ps / 2
    assert content["timing"]["first_with_loading_us"] == pytest.approx(1 + 0.053508)
    assert content["what_if_us"] == {"noc": 0.05}


def test_shape_only_document_follows_the_schema(rebuilt):
    content = json.loads(to_json(rebuilt(accuracy=None)))
    assert content["accuracy"] is None
    assert list(violations(content, SCHEMA)) == []


def test_schema_tells_wrong_documents(result):
    content = json.loads(to_json(result))
    content["energy_uj"] = "1"
    content["extra"] = 1
    del content["utilisation"]["area_ratio"]
    content["accuracy"]["agreement_ratio"] = 1.5
    assert sorted(violations(content, SCHEMA)) == [
        "result.accuracy.agreement_ratio: 1.5 out of range",
        "result.energy_uj: '1' is not ['number']",
        "result.extra: unknown",
        "result.utilisation.area_ratio: missing",
    ]


def test_breakdowns_sum_to_their_totals(result):
    content = json.loads(to_json(result))
    for part, total in (
        ("energy_breakdown_uj", content["energy_uj"]),
        ("area_breakdown_mm2", content["architecture"]["area_mm2"]),
        ("latency_breakdown_us", content["latency_us"]),
    ):
        assert math.fsum(content[part].values()) == pytest.approx(total, rel=1e-12)


def test_spread_over_chips_is_the_sample_standard_deviation(result):
    analog = json.loads(to_json(result))["accuracy"]["analog"]
    # Two values 0.75 and 0.5: mean 0.625, deviation 0.125 * sqrt(2) with n - 1.
    assert analog == {"mean": 0.625, "std": pytest.approx(0.125 * 2**0.5), "chips": [0.75, 0.5]}


def test_infinite_snr_is_null_and_comes_back_infinite(rebuilt, result, equal):
    import dataclasses

    exact = rebuilt(accuracy=dataclasses.replace(result.accuracy, logit_snr_db=math.inf))
    text = to_json(exact)
    assert json.loads(text)["accuracy"]["logit_snr_db"] is None
    assert equal(_back(text, exact), exact)


@pytest.mark.parametrize("value", [math.nan, math.inf, np.float64("nan")])
def test_numbers_that_are_not_finite_are_refused_by_name(rebuilt, value):
    with pytest.raises(OutputError, match=r"energy_breakdown_uj\.mram\.adc is (nan|inf)"):
        to_json(rebuilt(energy_breakdown_uj={"mram.adc": value}))


def test_numpy_scalars_become_plain_numbers(rebuilt):
    workload = {"name": "toy", "parameters": np.int64(7), "macs": np.int32(9)}
    content = json.loads(to_json(rebuilt(workload=workload, power_mw=np.float64(0.1))))
    assert content["workload"] == {"name": "toy", "parameters": 7, "macs": 9}
    assert content["power_mw"] == 0.1


def test_reading_gives_back_an_equal_result(result, equal):
    assert equal(_back(to_json(result), result), result)


def test_keys_of_a_later_version_are_passed_over(result, equal):
    content = json.loads(to_json(result))
    content["later"] = 1
    content["utilisation"]["later_ratio"] = 0.5
    assert equal(_back(json.dumps(content), result), result)


def _back(text, result):
    names = ("counts", "costs", "timeline", "sources", "recost")
    parts = {name: getattr(result, name) for name in names}
    return document.from_json(text, Path("r/result.json"), **parts)


def _changed(result, change):
    content = json.loads(to_json(result))
    change(content)
    return json.dumps(content)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(format_version=2), "format_version 2 of pimsim 0.1.0"),
        (lambda c: c.update(format_version=0), "format_version 0 of pimsim 0.1.0"),
        (lambda c: c.update(format_version=True), "not a pimsim result"),
        (lambda c: c.pop("manifest"), "not a pimsim result"),
        (lambda c: c.pop("latency_us"), "r/result.json: latency_us: Field required"),
        (lambda c: c.update(energy_uj="1"), "energy_uj: Input should be a valid number"),
        (
            lambda c: c["manifest"].update(seed=0.5),
            "manifest.seed: Input should be a valid integer",
        ),
        (lambda c: c["baselines"][1].pop("scope"), "baselines.1.scope: Field required"),
        (lambda c: c.update(energy_uj=math.nan), "energy_uj: Input should be a finite number"),
    ],
)
def test_wrong_documents_are_named(result, change, message):
    with pytest.raises(InputError) as caught:
        _back(_changed(result, change), result)
    assert message in str(caught.value)


def test_every_problem_is_listed_at_once(result):
    text = _changed(result, lambda c: (c.pop("latency_us"), c.pop("power_mw"), c.pop("notes")))
    with pytest.raises(InputError) as caught:
        _back(text, result)
    assert len(str(caught.value).splitlines()) == 3


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", '{"format_version": 1}', "[" * 100_000])
def test_what_is_no_result_is_told_so(result, text):
    with pytest.raises(InputError, match=r"^r/result\.json: not "):
        _back(text, result)
