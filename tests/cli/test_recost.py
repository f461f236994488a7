"""``pimsim recost`` and ``pimsim cite`` on a stored run of the demo's shapes."""

import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

import pimsim
from pimsim import records
from pimsim.config import workload_path
from pimsim.report import basis_file, document, folder, load_result, tables
from pimsim.workload.files import load

Invoke = Callable[..., Result]


@pytest.fixture(scope="session")
def run() -> records.Result:
    shapes = dataclasses.replace(load(workload_path("vit_digits")), weights={}, samples=None)
    return pimsim.simulate("rap_int8", shapes, compare=())


def _data_files(result: records.Result, place: Path) -> None:
    """What a result is read back from; figures take seconds and are tested elsewhere."""
    (place / folder.RESULT_FILE).write_text(document.to_json(result), encoding="utf-8")
    tables.write_tables(result, place)
    basis_file.write(result.recost, place)


@pytest.fixture
def stored(run: records.Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "run"
    place.mkdir()
    _data_files(run, place)
    monkeypatch.setattr(folder, "_fill", _data_files)
    return place


def test_before_and_after_are_printed_by_component(
    invoke: Invoke, stored: Path, run: records.Result
) -> None:
    result = invoke("recost", stored, "--variant", "survey_4bit_adc")
    assert result.exit_code == 0
    rows = {line.split()[0]: line.split()[1:] for line in result.stdout.splitlines() if line}
    assert set(run.area_breakdown_mm2) <= set(rows)
    assert "variant modelled before, survey_4bit_adc after" in result.stdout
    before, after, ratio = rows["units.softmax"]
    assert (before, ratio) == (after, "1")
    assert float(rows["mram.adc"][2]) > 1.0
    assert max(map(len, result.stdout.splitlines())) <= 100


def test_json_and_output_hold_the_new_result(
    invoke: Invoke, stored: Path, run: records.Result, tmp_path: Path
) -> None:
    target = tmp_path / "again"
    result = invoke(
        "recost", stored, "--set", "node_nm=22.0", "--output", target, "--format", "json"
    )
    assert result.exit_code == 0
    written = load_result(target)
    assert json.loads(result.stdout)["energy_uj"] == written.energy_uj < run.energy_uj
    assert written.latency_us == run.latency_us
    again = invoke("recost", target, "--arch", "rap_int8", "--format", "json")
    assert json.loads(again.stdout)["energy_uj"] == run.energy_uj


def test_a_result_is_not_replaced_by_its_own_recosting(invoke: Invoke, stored: Path) -> None:
    before = (stored / "result.json").read_bytes()
    result = invoke("recost", stored, "--output", stored / ".." / stored.name)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "it is the result that is costed again; name another folder" in result.stderr
    assert (stored / "result.json").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--set", "macros.mram.read_time_ns=20.0"), "this change needs a new run"),
        (("--arch", "conventional"), "keys that counts or times depend on"),
        (("--arch", "rapp"), "no architecture is called 'rapp'"),
        (("--variant", "modeled"), "did you mean 'modelled'"),
        (("--set", "nod_nm=22.0"), "unknown key 'nod_nm'; did you mean 'node_nm'"),
        (("--output", "/proc/nowhere"), "cannot write to"),
    ],
)
def test_a_mistake_is_one_message(
    invoke: Invoke, stored: Path, arguments: tuple[str, ...], message: str
) -> None:
    result = invoke("recost", stored, *arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("error: ")
    assert message in result.stderr


@pytest.mark.parametrize("verb", ["recost", "cite"])
def test_a_file_in_the_place_of_a_folder_is_an_error(
    invoke: Invoke, tmp_path: Path, verb: str
) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    result = invoke(verb, tmp_path / "notes.txt")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "notes.txt is a file; name the folder that 'pimsim run' wrote" in result.stderr


@pytest.mark.parametrize("verb", ["recost", "cite"])
def test_a_folder_that_holds_no_result_is_an_error(
    invoke: Invoke, tmp_path: Path, verb: str
) -> None:
    result = invoke(verb, tmp_path)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"error: no result in {tmp_path}: it has no result.json")


def test_cite_prints_an_entry_for_every_key_that_the_run_used(
    invoke: Invoke, stored: Path, run: records.Result
) -> None:
    text = invoke("cite", stored).stdout
    keys = re.findall(r"^@\w+\{([^,]+),", text, flags=re.MULTILINE)
    used = {source.citation_key for cost in run.costs for source in cost.sources}
    used |= {source.citation_key for source in run.sources}
    assert set(keys) == {"pimsim"} | used - {""}
    assert len(keys) == len(set(keys))
    assert {"yi2024", "kim2021", "stillmaker2017"} <= set(keys)


def test_cite_lists_papers_as_text_with_what_was_taken(invoke: Invoke, stored: Path) -> None:
    text = invoke("cite", stored, "--format", "text").stdout
    assert "Kim et al. (I-BERT), ICML 2021\n" in text
    assert "Assumptions, which nobody has published:" in text
