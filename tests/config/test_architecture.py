"""Every architecture file loads and survives a round trip; every quantity's name has its unit."""

import sys
from pathlib import Path
from typing import get_args, get_origin

import pytest
import yaml
from pydantic import BaseModel

from pimsim.config import Architecture, config_hash, ideal_parts, load_architecture
from pimsim.config.base import Config
from pimsim.config.bundled import bundled_architectures
from pimsim.units import UNIT_SUFFIXES

BUNDLED = bundled_architectures()


@pytest.mark.parametrize("name", BUNDLED)
def test_every_bundled_file_is_called_as_its_chip(name: str) -> None:
    assert load_architecture(name).name == name


@pytest.mark.parametrize("name", BUNDLED)
def test_every_bundled_file_survives_a_round_trip(name: str, tmp_path: Path) -> None:
    architecture = load_architecture(name)
    copy = tmp_path / "copy.yaml"
    copy.write_text(yaml.safe_dump(architecture.model_dump(mode="json"), sort_keys=False))
    again = load_architecture(copy)
    assert again == architecture
    assert config_hash(again) == config_hash(architecture)


def _annotations(annotation: object) -> list[object]:
    return [annotation, *(part for arg in get_args(annotation) for part in _annotations(arg))]


def _models(model: type[BaseModel]) -> set[type[BaseModel]]:
    found = {model}
    for field in model.model_fields.values():
        for annotation in _annotations(field.annotation):
            if isinstance(annotation, type) and get_origin(annotation) is None:
                found |= _models(annotation) if issubclass(annotation, BaseModel) else set()
    return found


def _float_fields() -> list[str]:
    return sorted(
        f"{model.__name__}.{name}"
        for model in _models(Architecture)
        for name, field in model.model_fields.items()
        if float in _annotations(field.annotation)
    )


def test_the_walk_over_the_models_meets_all_of_them() -> None:
    modules = [module for name, module in sys.modules.items() if name.startswith("pimsim.config.")]
    every = [one for module in modules for one in vars(module).values()]
    here = [one for one in every if one is not Config]
    classes = {one for one in here if isinstance(one, type) and issubclass(one, Config)}
    assert _models(Architecture) == classes


@pytest.mark.parametrize("field", _float_fields())
def test_every_float_of_a_configuration_ends_in_its_unit(field: str) -> None:
    name = field.partition(".")[2]
    assert any(name.endswith(f"_{suffix}") for suffix in UNIT_SUFFIXES)


def test_the_hash_ignores_layout_and_sees_every_value(tmp_path: Path) -> None:
    rap = load_architecture("rap")
    text = BUNDLED["rap"].read_text(encoding="utf-8")
    reordered = tmp_path / "reordered.yaml"
    pvt = "pvt: {process: tt, supply_v: 0.9, temperature_degc: 25.0}\n"
    assert pvt in text
    reordered.write_text(
        text.replace(pvt, "").replace(
            "node_nm: 28.0",
            "pvt: {temperature_degc: 25, supply_v: 0.90, process: tt} # moved\nnode_nm: 28",
        )
    )
    assert config_hash(load_architecture(reordered)) == config_hash(rap)
    for override in ("node_nm=22", "macros.sram.adc.noise_ratio=null", "cost.variants.b={}"):
        assert config_hash(load_architecture("rap", overrides=[override])) != config_hash(rap)


def test_the_hash_sees_the_order_of_the_macros(tmp_path: Path) -> None:
    data = load_architecture("rap").model_dump(mode="json")
    data["macros"] = dict(reversed(data["macros"].items()))
    swapped = tmp_path / "swapped.yaml"
    swapped.write_text(yaml.safe_dump(data, sort_keys=False))
    assert config_hash(load_architecture(swapped)) != config_hash(load_architecture("rap"))


def test_what_the_file_leaves_out_is_listed_as_ideal() -> None:
    given = ideal_parts(load_architecture("rap"))
    assert "macros.mram.crossbar.cell.drift" in given
    assert "macros.mram.crossbar.wires" in given
    assert "macros.sram.crossbar.cell.faults" in given
    assert not any("on_off_ratio" in path or "noise_ratio" in path for path in given)
    quiet = load_architecture(
        "rap",
        overrides=[
            "macros.mram.adc.noise_ratio=null",
            "macros.sram.crossbar.cell.on_off_ratio=null",
        ],
    )
    assert set(ideal_parts(quiet)) - set(given) == {
        "macros.mram.adc.noise_ratio",
        "macros.sram.crossbar.cell.on_off_ratio",
    }
    enough = load_architecture(
        "rap",
        overrides=[
            "macros.mram.adc.full_scale_mv=400.0",
            "macros.mram.adc.offset_sigma_mv=1.0",
            "macros.mram.adc.reference=fixed",
            "macros.mram.adc.tracking_ratio=null",
            "macros.mram.inputs.bits_per_cycle=2",
            "macros.mram.zero_skipping={model: none}",
        ],
    )
    assert set(given) - set(ideal_parts(enough)) == {"macros.mram.adc.offset_sigma_ratio"}
    assert set(ideal_parts(enough)) - set(given) == {"macros.mram.inputs.dac_inl_ratio"}
    faulty = load_architecture("rap", overrides=["macros.sram.crossbar.cell.faults={}"])
    assert set(given) - set(ideal_parts(faulty)) == {"macros.sram.crossbar.cell.faults"}


def test_static_weights_go_to_read_only_macros_and_dynamic_operands_to_writable_ones() -> None:
    rap = load_architecture("rap")
    assert (rap.macro_for("static"), rap.macro_for("dynamic")) == ("mram", "sram")
    only_sram = load_architecture("rap", overrides=["tile.macros.mram=0"])
    assert only_sram.macro_for("static") == "sram"
    only_mram = load_architecture("rap", overrides=["tile.macros.sram=0"])
    assert only_mram.macro_for("dynamic") is None
