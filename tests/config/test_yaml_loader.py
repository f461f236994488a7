"""A mistake in an architecture file is named with its line, what is allowed and the remedy.

Each row spoils a copy of rap.yaml in one place. Expected lines are found in the spoilt text itself,
so that comments may come and go in rap.yaml.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimsim.config import load_architecture
from pimsim.config.document import Place, parse
from pimsim.config.yaml_loader import MAX_FILE_BYTES
from pimsim.errors import ConfigError, NotFoundError

Spoil = Callable[..., Path]


def line_of(path: Path, fragment: str) -> int:
    lines = path.read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(lines, start=1) if fragment in line)


BAD_VALUES = [
    # what stands in rap.yaml, what replaces it, the place and message expected
    (
        "      levels: 9 ",
        "      levles: 9 ",
        "macros.mram.adc.levles: unknown key 'levles'; did you mean 'levels'?",
    ),
    (
        "      trim: nominal",
        "      colour: blue\n      trim: nominal",
        (
            "macros.mram.adc.colour: unknown key 'colour'; known: bits, calibrated, "
            "capacitor_mismatch_ratio, clip_ratio, columns_per_adc, comparator_offset_mv, "
            "comparator_offset_ratio, conversion_time_ns, dnl_sigma_mv, dnl_sigma_ratio, "
            "enob_bits, full_scale_mv, gain_sigma_ratio, inl_mv, inl_ratio, levels and 11 more"
        ),
    ),
    (
        "      rows: 1024 ",
        "      rows: '1024' ",
        "macros.mram.crossbar.rows: must be a whole number without quotes (found '1024')",
    ),
    (
        "      rows: 1024 ",
        "      rows: 1024.0 ",
        "macros.mram.crossbar.rows: must be a whole number, write 1024 (found 1024.0)",
    ),
    (
        "      rows: 1024 ",
        "      rows: many ",
        "macros.mram.crossbar.rows: must be a whole number (found 'many')",
    ),
    (
        "      noise_ratio: 0.0004 ",
        "      noise_ratio: 4e-4 ",
        (
            "macros.mram.adc.noise_ratio: must be a number; YAML reads 4e-4 as text, "
            "write 4.0e-4 (found '4e-4')"
        ),
    ),
    (
        "      noise_ratio: 0.0004 ",
        "      noise_ratio: 4.5e2 ",
        (
            "macros.mram.adc.noise_ratio: must be a number; YAML reads 4.5e2 as text, "
            "write 4.5e+2 (found '4.5e2')"
        ),
    ),
    (
        "    read_time_ns: 10.0 ",
        "    read_time_ns: '10.0' ",
        "macros.mram.read_time_ns: must be a number without quotes (found '10.0')",
    ),
    (
        "    read_time_ns: 10.0 ",
        "    read_time_ns: .inf ",
        "macros.mram.read_time_ns: '.inf' is not a finite number",
    ),
    (
        "    read_time_ns: 10.0 ",
        "    read_time_ns: .nan ",
        "macros.mram.read_time_ns: '.nan' is not a finite number",
    ),
    (
        "    read_time_ns: 10.0 ",
        "    read_time_ns: 1:30 ",
        (
            "macros.mram.read_time_ns: '1:30' is a base-60 number in YAML; write a plain number "
            "or use quotes"
        ),
    ),
    (
        "  tiles: 16",
        "  tiles: 016",
        "chip.tiles: '016' is an octal number in YAML (14); write it without the leading zero",
    ),
    ("  tiles: 16", "  tiles: 0", "chip.tiles: must be at least 1 (found 0)"),
    ("  tiles: 16", "  tiles: -16", "chip.tiles: must be at least 1 (found -16)"),
    ("  clock_ghz: 1.0 ", "  clock_ghz: 0.0 ", "chip.clock_ghz: must be above 0 (found 0.0)"),
    ("  clock_ghz: 1.0 ", "  clock_ghz: 1000 ", "chip.clock_ghz: must be at most 100 (found 1000)"),
    (
        "    sync: plane",
        "    sync: on",
        "macros.mram.sync: must be 'plane' or 'vector' (found true)",
    ),
    (
        "    writable: false",
        "    writable: nope",
        "macros.mram.writable: must be true or false (found 'nope')",
    ),
    (
        "name: rap",
        "name: yes",
        (
            "name: must be text; YAML reads yes, no, on and off as booleans, write it in quotes "
            "(found true)"
        ),
    ),
    (
        "name: rap",
        "name: RAP chip",
        "name: must be a name: lower-case letters, digits and _, a letter first (found 'RAP chip')",
    ),
    (
        "name: rap",
        "name: 28",
        "name: must be text, write it in quotes (found 28)",
    ),
    (
        "      model: flash",
        "      model: falsh",
        "macros.mram.adc.model: unknown ADC model 'falsh'; did you mean 'flash'?",
    ),
    ("tiles: 16", "tiles: null", "chip.tiles: must be a whole number (found null)"),
    (
        "    zero_skipping: {model: none}",
        "    zero_skipping: none",
        "macros.mram.zero_skipping: must be a section of keys (found 'none')",
    ),
    (
        "  macros: {mram: 72, sram: 512}",
        "  macros: [72, 512]",
        "tile.macros: must be a section of keys (found a list of 2)",
    ),
    (
        "    sync: plane",
        "    sync: plane\n    sync: vector",
        "macros.mram.sync: repeated key 'sync' (first on line {previous}); keep one of them",
    ),
]


@pytest.mark.parametrize(("old", "new", "expected"), BAD_VALUES, ids=[row[2] for row in BAD_VALUES])
def test_one_mistake_is_one_line_with_its_place(
    spoilt: Spoil, old: str, new: str, expected: str
) -> None:
    path = spoilt((old, new))
    with pytest.raises(ConfigError) as caught:
        load_architecture(path)
    blamed = new.splitlines()[-1 if "repeated" in expected else 0]
    line = line_of(path, blamed)
    assert caught.value.problems == (f"chip.yaml:{line}: {expected.format(previous=line - 1)}",)


BROKEN_RULES = [
    # what stands in rap.yaml, what replaces it, the line to blame, the message
    (
        "      active_rows: 8 ",
        "      active_rows: 2048 ",
        "active_rows: 2048",
        "macros.mram.crossbar: active_rows (2048) cannot exceed rows (1024)",
    ),
    (
        "      cols: 1024\n",
        "      cols: 4\n",
        "    weights:",
        "macros.mram: weights.bits (8) need 8 columns, crossbar.cols is 4",
    ),
    (
        "      columns_per_adc: 1 ",
        "      columns_per_adc: 2048 ",
        "columns_per_adc: 2048",
        "macros.mram: adc.columns_per_adc (2048) cannot exceed crossbar.cols (1024)",
    ),
    (
        "    writable: false",
        "    writable: true",
        "  mram:",
        "macros.mram: a writable macro needs a 'write' section, a read-only one must not have it",
    ),
    (
        "      levels: 9 ",
        "      bits: 4\n      levels: 9 ",
        "    adc:",
        "macros.mram.adc: give exactly one of 'levels' and 'bits', found both",
    ),
    (
        "      levels: 9 ",
        "      # levels: 9 ",
        "    adc:",
        "macros.mram.adc: give exactly one of 'levels' and 'bits', found neither",
    ),
    (
        "  macros: {mram: 72, sram: 512}",
        "  macros: {mram: 72, dram: 512}",
        "dram: 512",
        "tile.macros names dram, but macros has only mram, sram",
    ),
    (
        "  default: modelled",
        "  default: measured",
        "default: measured",
        "cost: default 'measured' is not one of the variants: modelled, survey_4bit_adc",
    ),
]


@pytest.mark.parametrize(
    ("old", "new", "blamed", "expected"), BROKEN_RULES, ids=[row[3] for row in BROKEN_RULES]
)
def test_a_rule_between_keys_is_reported_at_the_key_it_begins_with_or_at_the_section(
    spoilt: Spoil, old: str, new: str, blamed: str, expected: str
) -> None:
    path = spoilt((old, new))
    with pytest.raises(ConfigError) as caught:
        load_architecture(path)
    assert caught.value.problems == (f"chip.yaml:{line_of(path, blamed)}: {expected}",)


def test_missing_key_is_reported_at_its_section(spoilt: Spoil) -> None:
    path = spoilt(("  clock_ghz: 1.0", "  # clock_ghz: 1.0"))
    with pytest.raises(ConfigError) as caught:
        load_architecture(path)
    line = line_of(path, "tiles: 16") - 1
    assert str(caught.value) == f"chip.yaml:{line}: chip.clock_ghz: missing"


def test_all_mistakes_are_reported_at_once_in_the_order_of_the_lines(spoilt: Spoil) -> None:
    path = spoilt(
        ("  clock_ghz: 1.0 ", "  clock_ghz: fast "),
        ("      rows: 1024 ", "      rows: 0 "),
        ("    sync: plane", "    sync: plane\n    sync: plane"),
        ("node_nm: 28.0", "node: 28.0"),
    )
    with pytest.raises(ConfigError) as caught:
        load_architecture(path)
    paths = [problem.split(": ")[1] for problem in caught.value.problems]
    assert paths == [
        "node_nm",
        "node",
        "macros.mram.sync",
        "macros.mram.crossbar.rows",
        "chip.clock_ghz",
    ]


def test_a_bad_name_in_a_library_is_reported_as_a_key(spoilt: Spoil) -> None:
    path = spoilt(("    survey_4bit_adc:", "    Survey-ADC:"))
    with pytest.raises(ConfigError) as caught:
        load_architecture(path)
    line = line_of(path, "Survey-ADC")
    assert str(caught.value) == (
        f"chip.yaml:{line}: cost.variants.Survey-ADC: must be a name: lower-case letters, digits "
        "and _, a letter first (found 'Survey-ADC')"
    )


def test_many_problems_are_counted_not_all_printed(spoilt: Spoil) -> None:
    path = spoilt(("node_nm: 28.0", "node_nm: 28.0\n" + "\n".join(f"x{n}: 1" for n in range(80))))
    with pytest.raises(ConfigError) as caught:
        load_architecture(path)
    assert len(caught.value.problems) == 51
    assert caught.value.problems[-1] == "chip.yaml: and 30 more problems"


BAD_VERSIONS = [
    ("", "missing; write 'schema_version: 1' as the first key"),
    (
        "schema_version: 2",
        "2 was written for a newer pimsim, this one reads up to 1; update pimsim",
    ),
    (
        "schema_version: true",
        "must be a whole number, write 'schema_version: 1' as the first key (found true)",
    ),
    (
        "schema_version: 0",
        "must be a whole number, write 'schema_version: 1' as the first key (found 0)",
    ),
]


@pytest.mark.parametrize(("new", "message"), BAD_VERSIONS)
def test_an_unknown_schema_version_is_reported_alone(spoilt: Spoil, new: str, message: str) -> None:
    path = spoilt(("schema_version: 1", new), ("node_nm: 28.0", "node_nm: -1"))
    line = line_of(path, "schema_version") if new else 1
    with pytest.raises(ConfigError) as caught:
        load_architecture(path)
    assert str(caught.value) == f"chip.yaml:{line}: schema_version: {message}"


def test_schema_version_must_come_first(spoilt: Spoil) -> None:
    path = spoilt(("schema_version: 1\nname: rap", "name: rap\nschema_version: 1"))
    with pytest.raises(ConfigError) as caught:
        load_architecture(path)
    line = line_of(path, "schema_version")
    assert str(caught.value) == (
        f"chip.yaml:{line}: schema_version: must come first; write 'schema_version: 1' as the "
        "first key"
    )


BILLION_LAUGHS = (
    "schema_version: 1\n"
    "a: &a [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n"
    + "".join(
        f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
        for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    )
)

BAD_TEXTS = [
    ("", "chip.yaml: is empty; `pimsim show rap` prints a file to start from"),
    (
        "# nothing but a comment\n",
        "chip.yaml: is empty; `pimsim show rap` prints a file to start from",
    ),
    ("- a\n- b\n", "chip.yaml:1: must hold keys at its top level, found a list of 2"),
    ("rap", "chip.yaml:1: must hold keys at its top level, found 'rap'"),
    (
        "schema_version: 1\nmacros:\n\tmram: 1\n",
        "chip.yaml:3: a tab cannot indent or start a value in YAML; use spaces",
    ),
    (
        "schema_version: 1\nname: a: b\n",
        "chip.yaml:2: not valid YAML: mapping values are not allowed here",
    ),
    (
        "schema_version: 1\ntile: {macros: [1, 2}\n",
        (
            "chip.yaml:2: not valid YAML: while parsing a flow sequence: "
            "expected ',' or ']', but got '}'"
        ),
    ),
    (
        "schema_version: 1\nname: 'rap\nnode_nm: 28.0\n",
        (
            "chip.yaml:4: not valid YAML: while scanning a quoted scalar (begun on line 2): "
            "found unexpected end of stream"
        ),
    ),
    (
        "schema_version: 1\ntile:\n  macros: {}\n   buffer: {}\n",
        (
            "chip.yaml:4: does not continue the block (begun on line 3); check the indentation and "
            "the quotes"
        ),
    ),
    (
        BILLION_LAUGHS,
        "chip.yaml:2: &a: anchors and aliases are not read; write the value out",
    ),
    (
        "schema_version: 1\nname: *rap\n",
        "chip.yaml:2: *rap: anchors and aliases are not read; write the value out",
    ),
    (
        "schema_version: 1\nname: !!python/object/apply:os.system [true]\n",
        (
            "chip.yaml:2: tag 'tag:yaml.org,2002:python/object/apply:os.system': tags are not "
            "read; write plain data"
        ),
    ),
    (
        "schema_version: 1\nname: " + "[" * 5_000,
        "chip.yaml:2: nested deeper than 32 levels",
    ),
    (
        "schema_version: 1\n---\nschema_version: 1\n",
        "chip.yaml:2: a second document begins here; a file holds one",
    ),
    (
        "schema_version: 1\nname: \x07\n",
        "chip.yaml:2: character U+0007 is not allowed in YAML; remove it",
    ),
    (
        "on: 1\n1: 2\n? [a]\n: 3\n2001-01-01: 4\n",
        (
            "chip.yaml:1: key 'on' is a boolean in YAML; write it in quotes\n"
            "chip.yaml:1: schema_version: missing; write 'schema_version: 1' as the first key\n"
            "chip.yaml:2: key '1' is a number in YAML; write it in quotes\n"
            "chip.yaml:3: a key must be a word, found a list or section\n"
            "chip.yaml:5: key '2001-01-01' is a date in YAML; write it in quotes"
        ),
    ),
]


@pytest.mark.parametrize(("text", "message"), BAD_TEXTS, ids=[row[1][:50] for row in BAD_TEXTS])
def test_a_text_that_is_not_plain_yaml_is_refused_with_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    path = Path("chip.yaml")
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_architecture(path)
    assert str(caught.value) == message


def test_bytes_that_are_not_utf8_are_refused_with_their_line(tmp_path: Path) -> None:
    path = tmp_path / "chip.yaml"
    path.write_bytes("schema_version: 1\n# 30 µm\n".encode("latin-1"))
    with pytest.raises(ConfigError, match=r"chip.yaml:2: byte 0xB5 is not UTF-8; save the file"):
        load_architecture(path)


def test_a_byte_order_mark_is_no_mistake(spoilt: Spoil) -> None:
    path = spoilt()
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert load_architecture(path) == load_architecture("rap_int8", overrides=["name=rap"])


def test_a_large_file_is_refused_unparsed(tmp_path: Path) -> None:
    path = tmp_path / "chip.yaml"
    path.write_bytes(b"[" * (MAX_FILE_BYTES + 1))
    with pytest.raises(ConfigError, match="is larger than 1048576 bytes"):
        load_architecture(path)


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is a folder; give the YAML file itself"):
        load_architecture(tmp_path)


def test_a_missing_file_names_the_nearest_known_one() -> None:
    with pytest.raises(NotFoundError, match=r"no/such\.yaml: no such architecture; known: "):
        load_architecture("no/such.yaml")


def test_a_path_with_a_null_byte_is_refused_without_traceback() -> None:
    with pytest.raises(NotFoundError, match="no such architecture"):
        load_architecture("chips\0/rap.yaml")


def test_text_that_looks_like_a_date_stays_text(spoilt: Spoil) -> None:
    path = spoilt(('description: "arrays of RAP', 'description: 2024-11-22\nnotes_: "RAP'))
    with pytest.raises(ConfigError, match="unknown key 'notes_'; did you mean 'notes'") as caught:
        load_architecture(path)
    assert len(caught.value.problems) == 1


@given(
    st.text(alphabet="ab1:-[]{},'\"\n \t#&*!|>%@.0xe~=<?\x85\ufeff", max_size=60)
    | st.text(max_size=40)
)
def test_any_text_is_read_or_refused_with_its_line(text: str) -> None:
    try:
        document = parse(text, Place("chip.yaml", 1))
    except ConfigError as error:
        problems = list(error.problems)
    else:
        problems = [str(problem) for problem in document.problems]
    lines = [int(problem.split(":")[1]) for problem in problems]
    assert all(1 <= line <= len(text.splitlines()) + 1 for line in lines)
