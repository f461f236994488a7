"""``pimsim map`` prints what lies where, and draws it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from pimsim.cli.map import _tiles

Invoke = Callable[..., Result]


def test_the_table_says_what_lies_where(invoke: Invoke) -> None:
    result = invoke("map", "vit_digits", "--arch", "rap_int8")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == "vit_digits on rap_int8"
    assert lines[1].startswith("16 tiles, batch 1, scheme int8_dyadic, policy layer_order, dataflo")
    assert max(map(len, lines)) <= 100
    words = {line.split()[0]: line.split() for line in lines if line}
    # 64 of 1,024 rows and 64 x 8 of 1,024 columns; 17 tokens.
    assert words["blocks.0.attention.query"][1:] == [
        *("mram", "1", "0", "6", "%", "50", "%", "8.7")
    ]
    # Patches, per layer 4 square matrices and 2 + 1 of the MLP, classifier; 4 heads x 2 x 4.
    assert words["mram"][1:6] == ["1,152", "30", "3", "%", "9"]
    assert words["mram"][-1] == "once"
    assert words["sram"][1:3] == ["8,192", "32"]
    assert words["sram"][-3:] == ["at", "run", "time"]
    assert "copies" not in result.stdout
    assert "Floor plan" not in result.stdout


def test_json_has_every_operation(invoke: Invoke) -> None:
    result = invoke("map", "bert_base", "--arch", "rap_int8", "--seq", "16", "--format", "json")
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert (found["workload"], found["dims"]) == ("bert_base", {"batch": 1, "seq": 16})
    assert found["rounds"] == 1
    by_name = {op["op"]: op for op in found["ops"]}
    query = by_name["encoder.layer.0.attention.self.query"]
    assert (query["hardware"], query["blocks"], query["tokens"]) == ("mram", 6, 16)
    assert query["moved"]["tile_buffer_read_bits"] == 16 * 768 * 8
    assert by_name["encoder.layer.0.attention.self.softmax"]["hardware"] == "softmax"
    assert found["macros"][0]["used"] == sum(
        op["blocks"] for op in found["ops"] if op["hardware"] == "mram"
    )
    table, *spilled = found["homes"]
    assert {home["place"] for home in spilled} == {"global_buffer"}
    assert len(spilled) == sum(op["kept"] == "global_buffer" for op in found["ops"])
    assert (table["what"], table["place"]) == ("embeddings.word_embeddings.weight", "host")


def test_rounds_and_copies_have_columns_when_there_are_any(invoke: Invoke) -> None:
    copies = invoke("map", "vit_digits", "--set", "mapping.replication_mm2=5")
    assert copies.exit_code == 0
    assert "copies" in copies.stdout
    memory = "technology: lpddr4, capacity_bytes: 1000000000, bandwidth_bits_per_ns: 100.0"
    settings = (
        "chip.tiles=1",
        "tile.macros.mram=16",
        "mapping.time_multiplex=true",
        "macros.mram.reprogram={row_time_ns: 1000.0, endurance_cycles: 1000000}",
        f"chip.memory={{{memory}, latency_ns: 100.0}}",
    )
    words = [word for one in settings for word in ("--set", one)]
    rounds = invoke("map", "vit_digits", "--arch", "rap_int8", *words)
    assert rounds.exit_code == 0
    assert ", 2\nrounds" in rounds.stdout or "2 rounds" in rounds.stdout
    assert "2 x per inference" in rounds.stdout
    assert "static weights of all rounds" in rounds.stdout
    assert "their cells last for 500,000\ninferences" in rounds.stdout


@pytest.mark.parametrize("suffix", [".svg", ".png", ".pdf"])
def test_the_floor_plan_is_written_where_it_is_asked_for(
    invoke: Invoke, tmp_path: Path, suffix: str
) -> None:
    result = invoke("map", "vit_digits", "--output", f"plan{suffix}")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == f"Floor plan: plan{suffix}"
    begins = {".svg": b"<?xml", ".png": b"\x89PNG", ".pdf": b"%PDF"}[suffix]
    assert (tmp_path / f"plan{suffix}").read_bytes().startswith(begins)


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("plan.jpg", "a floor plan is a file that ends in .svg, .png, .pdf"),
        ("no/plan.svg", "its folder does not exist"),
    ],
)
def test_a_file_that_cannot_be_written_is_refused_at_once(
    invoke: Invoke, output: str, message: str
) -> None:
    result = invoke("map", "vit_digits", "--output", output)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"error: cannot write to {output}: {message}\n"


def test_a_chip_that_is_too_small_names_numbers_and_remedies(invoke: Invoke) -> None:
    result = invoke("map", "bert_large", "--seq", "128")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        "error: op 'encoder.layer.9.output.dense' needs 40 'mram' macros of 1024x1024 cells "
        "(weights: 4096x1024, 9 slices)\n"
        "  but 22 are free on architecture 'rap' (tiles: 16, 'mram' macros per tile: 72, used: "
        "1130).\n"
        "  The whole workload needs 2808, 1152 are present: raise chip.tiles to at least 39, or "
        "tile.macros.mram to at least 176; or set mapping.time_multiplex to true (give "
        "macros.mram.reprogram and chip.memory as well): macros are then reprogrammed in rounds.\n"
    )


ROUNDS = (
    "mapping.time_multiplex=true",
    "macros.mram.reprogram={row_time_ns: 1000.0}",
    (
        "chip.memory={technology: lpddr4, capacity_bytes: 1000000000, bandwidth_bits_per_ns: "
        "100.0, latency_ns: 100.0}"
    ),
)


@pytest.mark.parametrize(
    ("remedy", "rounds"),
    [
        (("chip.tiles=39",), "1 round"),
        (("tile.macros.mram=176",), "1 round"),
        (ROUNDS, "3 rounds"),
    ],
)
def test_its_remedies_help(invoke: Invoke, remedy: tuple[str, ...], rounds: str) -> None:
    """With the least buffer that the next message asks for, where there is no memory."""
    settings = remedy if len(remedy) > 1 else (*remedy, "tile.buffer.capacity_bytes=3407872")
    words = [word for one in settings for word in ("--set", one)]
    result = invoke("map", "bert_large", "--seq", "128", *words)
    assert (result.exit_code, result.stderr) == (0, "")
    assert rounds in " ".join(result.stdout.split())


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("chip.tiles=38", "raise chip.tiles to at least 39"),
        ("tile.macros.mram=175", "or tile.macros.mram to at least 176"),
        (ROUNDS[0], "Give macros.mram.reprogram with row_time_ns"),
    ],
)
def test_a_little_less_does_not_help(invoke: Invoke, setting: str, message: str) -> None:
    result = invoke("map", "bert_large", "--seq", "128", "--set", setting)
    assert (result.exit_code, result.stdout) == (1, "")
    assert message in result.stderr


def test_phases_of_a_decoder(invoke: Invoke) -> None:
    phase = ("--phase", "decode", "--context", "16")
    result = invoke("map", "gpt2", "--arch", "rap_int8", *phase, "--set", "chip.tiles=40")
    assert result.exit_code == 0
    assert result.stdout.startswith("gpt2-decode-16 on rap_int8\n")


@pytest.mark.parametrize(
    ("tiles", "text"),
    [((3,), "3"), ((0, 1, 2, 7), "0-2,7"), ((1, 3, 5, 7, 9), "5 of 1-9"), ((4, 5), "4-5")],
)
def test_tiles_are_written_as_ranges(tiles: tuple[int, ...], text: str) -> None:
    assert _tiles(tiles) == text
