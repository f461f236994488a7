"""docs/sweeps.md says what the code does."""

import json
import re
import runpy
from pathlib import Path

import yaml

from pimsim.dse.metrics import HEADLINES
from pimsim.dse.pace import Tally
from pimsim.dse.sweep_file import Bounds, Sampler, SweepFile, load_sweep

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "sweeps.md"


def test_its_tables_are_those_of_the_code() -> None:
    """If this fails: python scripts/make_docs.py."""
    script = runpy.run_path(str(ROOT / "scripts" / "make_docs.py"))
    text = PAGE.read_text()
    assert script["sweeps_page"](text) == text
    keys = set(re.findall(r"^\| `([a-zA-Z0-9_.]+)` \|", text, flags=re.MULTILINE))
    assert set(SweepFile.model_fields) | set(HEADLINES) <= keys
    assert {f"sampler.{name}" for name in Sampler.model_fields} <= keys
    assert {f"constraints.NAME.{name}" for name in Bounds.model_fields} <= keys


def test_its_sweep_can_be_asked(tmp_path: Path) -> None:
    text = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)[0]
    path = tmp_path / "sweep.yaml"
    path.write_text(text)
    asked = load_sweep(path)
    assert [axis.name for axis in asked.axes] == ["macros.mram.adc.levels", "chip.clock_ghz"]
    assert set(yaml.safe_load(text)) >= {"overrides", "constraints", "objectives"}


def test_its_samplers_are_those_that_there_are() -> None:
    rows = re.findall(r"^\| `(\{model: .*?\})` \|", PAGE.read_text(), flags=re.MULTILINE)
    samplers = [Sampler.model_validate(yaml.safe_load(row)) for row in rows]
    known = json.loads(json.dumps(Sampler.model_json_schema()))["properties"]["model"]["enum"]
    assert [sampler.model for sampler in samplers] == known


def test_it_shows_the_last_line_of_the_verb_as_it_is() -> None:
    tally = Tally(200, 0, 0, {"values": 2, "timeline": 2, "layout": 2})
    shown = re.findall(r"^(200 points computed.*), \.\.\.$", PAGE.read_text(), flags=re.MULTILINE)
    assert str(tally).startswith(shown[0])
