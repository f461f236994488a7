"""``--set`` changes one key and is checked as the file is; a wrong path names the right one."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimsim.config import load_architecture, overrides
from pimsim.config.architecture import Architecture
from pimsim.config.bundled import architecture_path
from pimsim.config.yaml_loader import read
from pimsim.errors import ConfigError

WORKING: list[tuple[str, Callable[[Architecture], object], object]] = [
    ("macros.mram.adc.levels=17", lambda chip: chip.macros["mram"].adc.levels, 17),
    ("macros.mram.adc.bits=5", lambda chip: chip.macros["mram"].adc.bits, 5),
    ("macros.mram.adc.bits=5", lambda chip: chip.macros["mram"].adc.levels, None),
    ("macros.mram.adc.noise_ratio=null", lambda chip: chip.macros["mram"].adc.noise_ratio, None),
    ("macros.mram.adc.noise_ratio=1.0e-3", lambda chip: chip.macros["mram"].adc.noise_ratio, 1e-3),
    (
        "macros.mram.crossbar.cell.sigma_off_ratio=0.01",  # optional, absent from the file
        lambda chip: chip.macros["mram"].crossbar.cell.sigma_off_ratio,
        0.01,
    ),
    (
        "macros.mram.weights={coding: twos_complement, bits: 4}",
        lambda chip: chip.macros["mram"].weights.bits,
        4,
    ),
    ("notes=[one, two]", lambda chip: chip.notes, ("one", "two")),
    (
        "cost.variants.upper={flash_adc: survey_regression_4bit}",
        lambda chip: chip.cost.variants["upper"].flash_adc,
        "survey_regression_4bit",
    ),
    ("description=a = b", lambda chip: chip.description, "a = b"),
    ("node_nm=22", lambda chip: chip.node_nm, 22.0),
    ("  node_nm = 22.0 ", lambda chip: chip.node_nm, 22.0),
]


@pytest.mark.parametrize(("override", "value_of", "value"), WORKING)
def test_an_override_changes_the_key_it_names(
    override: str, value_of: Callable[[Architecture], object], value: object
) -> None:
    changed = load_architecture("rap", overrides=[override])
    assert value_of(changed) == value
    assert changed != load_architecture("rap")


def test_levels_replaces_bits() -> None:
    changed = load_architecture("conventional", overrides=["macros.mram.adc.levels=9"])
    assert changed.macros["mram"].adc.levels == 9
    assert changed.macros["mram"].adc.bits is None


def test_one_way_to_state_an_error_replaces_the_others() -> None:
    for override, key in (("enob_bits=3.0", "enob_bits"), ("noise_mv=1.0", "noise_mv")):
        changed = load_architecture(
            "rap",
            overrides=["macros.mram.adc.full_scale_mv=400.0", f"macros.mram.adc.{override}"],
        )
        adc = changed.macros["mram"].adc
        assert adc.noise_ratio is None
        assert getattr(adc, key) is not None


def test_a_null_alternative_removes_nothing() -> None:
    assert load_architecture("rap", overrides=["macros.mram.adc.bits=null"]) == load_architecture(
        "rap"
    )


def test_an_optional_section_may_be_set_key_by_key() -> None:
    changed = load_architecture(
        "rap",
        overrides=[
            "macros.mram.writable=true",
            "macros.mram.write.port=row",
            "macros.mram.write.cycle_time_ns=5.0",
        ],
    )
    write = changed.macros["mram"].write
    assert write is not None
    assert write.cycle_time_ns == 5.0


def test_a_section_may_be_replaced_and_then_refined() -> None:
    changed = load_architecture(
        "rap", overrides=["tile.macros={mram: 1}", "tile.macros.sram=2", "tile.macros.mram=3"]
    )
    assert changed.tile.macros == {"mram": 3, "sram": 2}


BAD = [
    ("macros.mram.adc.levels", "no '='; write --set PATH=VALUE"),
    ("=3", "the path has an empty part; write keys joined by dots"),
    ("macros..adc=3", "the path has an empty part; write keys joined by dots"),
    ("node_nm=", "node_nm: no value after '='; write null for nothing"),
    ("node_nm=#22", "node_nm: no value after '='; write null for nothing"),
    (
        "macros.mram.adc.levles=9",
        "macros.mram.adc.levles: unknown key 'levles'; did you mean 'macros.mram.adc.levels'?",
    ),
    (
        "macros.mram.acd.levels=9",
        "macros.mram.acd: unknown key 'acd'; did you mean 'macros.mram.adc.levels'?",
    ),
    (
        "adc.levels=9",
        (
            "adc: unknown key 'adc'; did you mean 'macros.mram.adc.levels' or "
            "'macros.sram.adc.levels'?"
        ),
    ),
    (
        "macros.mran.adc.levels=9",
        (
            "macros.mran: no 'mran' here; a new one is set as a whole, --set macros.mran={...}; "
            "did you mean 'mram'?"
        ),
    ),
    (
        "volume=11",
        (
            "volume: unknown key 'volume'; known: chip, cost, description, macros, mapping, name, "
            "node_nm, notes, numerics, pvt, schema_version, tile, units"
        ),
    ),
    (
        "node_nm.value=22",
        "node_nm: is a single value, nothing stands below it (found 28.0)",
    ),
    ("notes.0=none", "notes: is a list, set it as a whole: --set notes=[...]"),
    (
        "schema_version.bits=1",
        "schema_version: is a single value, nothing stands below it (found 1)",
    ),
    (
        "node_nm=[22",
        (
            "node_nm: not valid YAML: while parsing a flow sequence: expected ',' or ']', but got "
            "'<stream end>'"
        ),
    ),
    ("node_nm=&a 22", "node_nm: &a: anchors and aliases are not read; write the value out"),
    (
        "chip.tiles=016",
        "chip.tiles: '016' is an octal number in YAML (14); write it without the leading zero",
    ),
    ("pvt={process: tt, process: ss}", "pvt.process: repeated key 'process'; keep one of them"),
    (
        "macros.mram.adc.noise_ratio=1e-3",
        (
            "macros.mram.adc.noise_ratio: must be a number; YAML reads 1e-3 as text, write 1.0e-3 "
            "(found '1e-3')"
        ),
    ),
    ("macros.mram.adc.levels=1", "macros.mram.adc.levels: must be at least 2 (found 1)"),
    ("macros.mram.adc.bits=-1", "macros.mram.adc.bits: must be at least 1 (found -1)"),
    (
        "macros.mram.crossbar.rows=4",
        "macros.mram.crossbar: active_rows (8) cannot exceed rows (4)",
    ),
    ("tile.macros.dram=4", "tile.macros names dram, but macros has only mram, sram"),
    ("schema_version=2", "schema_version: must be 1 (found 2)"),
    ("tile.macros=5", "tile.macros: must be a section of keys (found 5)"),
    ("macros.mram.write.port=row", "macros.mram.write.cycle_time_ns: missing"),
    (
        "units.softmax.model=ibert_gelu",
        (
            "units.softmax.model: 'ibert_gelu' is no digital unit for softmax; known: "
            "fp16_softmax, fp32_softmax, fqvit_softmax, "
            "ibert_softmax, illm_softmax, ivit_softmax, softermax, vdr_softmax"
        ),
    ),
    (
        "units.gelu={model: ibert_gleu, lanes: 8}",
        "units.gelu.model: unknown digital unit 'ibert_gleu'; did you mean 'ibert_gelu'?",
    ),
    (
        "cost.variants.modelled.flash_adc=mesh_router",
        (
            "cost.variants.modelled.flash_adc: 'mesh_router' is no cost model for converters; "
            "known: flash_comparators, murmann_fit, published_converters, sar_capacitor_array, "
            "survey_regression, survey_regression_4bit, user_table"
        ),
    ),
    (
        "macros.mram.crossbar.cell.model=ideal",
        (
            "macros.mram.crossbar.cell: model 'ideal' has no variation; remove sigma_on_ratio and "
            "sigma_off_ratio, or choose 'mram' or 'sram'"
        ),
    ),
    (
        "macros.sram.write.cycle_time_ns=0.0004",
        "macros.sram.write.cycle_time_ns: must be at least 0.001 (found 0.0004)",
    ),
    (
        "chip.noc.router_delay_ns=0.0004",
        "chip.noc.router_delay_ns: must be 0 or at least 0.001 (found 0.0004)",
    ),
]


@pytest.mark.parametrize(("override", "message"), BAD, ids=[row[0] for row in BAD])
def test_a_bad_override_is_named_with_the_remedy(override: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_architecture("rap", overrides=[override])
    assert caught.value.problems == (f"--set {override}: {message}",)


CLASHING = [
    (
        ("node_nm=22", "node_nm=28"),
        "--set node_nm=28: node_nm: undoes --set node_nm=22; keep one of them",
    ),
    (
        ("tile.macros.mram=1", "tile.macros={mram: 2}"),
        (
            "--set tile.macros={mram: 2}: tile.macros: undoes --set tile.macros.mram=1; "
            "keep one of them"
        ),
    ),
    (
        ("macros.mram.adc.offset_sigma_ratio=0.01", "macros.mram.adc.offset_sigma_mv=1.0"),
        (
            "--set macros.mram.adc.offset_sigma_mv=1.0: macros.mram.adc.offset_sigma_mv: excludes "
            "'offset_sigma_ratio' of --set macros.mram.adc.offset_sigma_ratio=0.01; keep one of "
            "them"
        ),
    ),
    (
        ("macros.mram.adc.levels=9", "macros.mram.adc.bits=3"),
        (
            "--set macros.mram.adc.bits=3: macros.mram.adc.bits: excludes 'levels' of "
            "--set macros.mram.adc.levels=9; keep one of them"
        ),
    ),
]


@pytest.mark.parametrize(("clashing", "message"), CLASHING)
def test_no_override_silently_undoes_another(clashing: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_architecture("rap", overrides=clashing)
    assert str(caught.value) == message


def test_problems_of_file_and_overrides_are_reported_together(
    spoilt: Callable[..., Path],
) -> None:
    path = spoilt(("  tiles: 16", "  tiles: 0"))
    with pytest.raises(ConfigError) as caught:
        load_architecture(path, overrides=["nome=x", "node_nm=1"])
    places = [problem.partition(": ")[0] for problem in caught.value.problems]
    assert places[0].startswith("chip.yaml:")
    assert places[1:] == ["--set nome=x", "--set node_nm=1"]


def test_an_override_can_mend_the_file(spoilt: Callable[..., Path]) -> None:
    path = spoilt(("  tiles: 16", "  tiles: 0"))
    mended = load_architecture(path, overrides=["chip.tiles=16"])
    assert mended == load_architecture("rap_int8", overrides=["name=rap"])


RAP = read(architecture_path("rap"))


@given(st.text(max_size=40) | st.from_regex(r"(macros|mram|adc|[.=\[{a:])+=?[\[\]{}:,0-9a]*"))
def test_any_text_is_applied_or_refused_with_its_place(text: str) -> None:
    changed = overrides.apply(RAP, [text], Architecture)
    if changed.problems:
        assert all(str(problem).startswith(f"--set {text}") for problem in changed.problems)
    else:
        assert changed.data != RAP.data or changed.places != RAP.places
    assert not RAP.problems
