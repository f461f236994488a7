"""``pimsim run`` passes on what was asked for, prints the result and writes it.

The simulation itself is replaced by a recorder here: these tests are about arguments and printing.
"""

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result as Outcome

from pimsim.errors import MappingError, OutputError
from pimsim.records import AdcModelCost, Result

Invoke = Callable[..., Outcome]


@dataclass
class Recorder:
    """What the verb did, in order."""

    result: Result
    steps: list[str] = field(default_factory=list)
    architecture: str = ""
    workload: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    folder: Path | None = None
    failure: BaseException | None = None

    def check_output(self, folder: Path) -> None:
        self.steps.append("check_output")
        if folder.name == "taken":
            raise OutputError(f"{folder}: is not empty")

    def simulate(self, architecture: str, workload: str, **options: Any) -> Result:
        self.steps.append("simulate")
        self.architecture, self.workload, self.options = architecture, workload, options
        logging.getLogger("pimsim.analog").debug("drew the cells")
        if self.failure is not None:
            raise self.failure
        return self.result

    def write(self, result: Result, folder: Path) -> None:
        self.steps.append("write")
        self.folder = folder


@pytest.fixture
def recorder(example_result: Result, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    recorder = Recorder(example_result)
    monkeypatch.setattr("pimsim.simulate", recorder.simulate)
    monkeypatch.setattr("pimsim.report.check_output", recorder.check_output, raising=False)
    monkeypatch.setattr("pimsim.report.write", recorder.write, raising=False)
    return recorder


def test_the_defaults_run_the_demo_on_rap(invoke: Invoke, recorder: Recorder) -> None:
    outcome = invoke("run")
    assert outcome.exit_code == 0
    assert (recorder.architecture, recorder.workload) == ("rap", "vit_digits")
    assert recorder.options == {
        "samples": None,
        "chips": 3,
        "seed": 0,
        "batch": 1,
        "seq": None,
        "threads": None,
        "overrides": (),
        "phase": None,
        "context": None,
        "requests": 1,
        "token_group": 1,
        "checks": False,
        "what_if": False,
        "progress": None,
    }
    assert recorder.folder == Path("pimsim-out/vit_digits-rap")


def test_every_flag_reaches_the_simulation(invoke: Invoke, recorder: Recorder) -> None:
    numbers = {"samples": 8, "chips": 2, "seed": 7, "batch": 4, "seq": 16, "threads": 2}
    step = {"phase": "decode", "context": 16}
    replays = {"requests": 3, "token-group": 5}
    given = numbers | step | replays
    flags = [word for name, value in given.items() for word in (f"--{name}", value)]
    sets = ["--set", "macros.mram.adc.levels=17", "--set", "node_nm=22"]
    outcome = invoke(
        "run",
        "--workload",
        "vit_digits",
        "--arch",
        "conventional",
        "--output",
        "out",
        *flags,
        "--checks",
        "--what-if",
        *sets,
    )
    assert outcome.exit_code == 0
    assert recorder.architecture == "conventional"
    assert recorder.options == {
        **numbers,
        **step,
        "requests": 3,
        "token_group": 5,
        "checks": True,
        "what_if": True,
        "overrides": ("macros.mram.adc.levels=17", "node_nm=22"),
        "progress": None,
    }
    assert recorder.folder == Path("out")


def test_models_of_converters_are_costed_after_the_run_and_written_with_it(
    invoke: Invoke, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    cost = AdcModelCost("sar_capacitor_array", False, 1.25, 2.5, 3.75)
    seen: list[Result] = []

    def under_adc_models(result: Result) -> tuple[AdcModelCost, ...]:
        recorder.steps.append("adc models")
        seen.append(result)
        return (cost,)

    monkeypatch.setattr("pimsim.adc_comparison.under_adc_models", under_adc_models)
    outcome = invoke("run", "--adc-models", "all")
    assert outcome.exit_code == 0
    assert recorder.steps == ["check_output", "simulate", "adc models", "write"]
    assert seen == [recorder.result]
    assert "sar_capacitor_array" in outcome.stdout
    assert "sar_capacitor_array" not in invoke("run").stdout


def test_the_folder_is_named_after_workload_and_chip_not_after_paths(
    invoke: Invoke, recorder: Recorder, tmp_path: Path
) -> None:
    chip = tmp_path / "edited.yaml"
    chip.write_text(invoke("show", "rap").stdout.replace("name: rap", "name: my_rap"))
    assert invoke("run", "--arch", chip).exit_code == 0
    assert recorder.folder == Path("pimsim-out/vit_digits-my_rap")


def test_the_output_folder_is_checked_before_any_work(invoke: Invoke, recorder: Recorder) -> None:
    outcome = invoke("run", "--output", "taken")
    assert (outcome.exit_code, outcome.stderr) == (1, "error: taken: is not empty\n")
    assert recorder.steps == ["check_output"]


def test_the_table_goes_to_stdout_and_nothing_to_a_piped_stderr(
    invoke: Invoke, recorder: Recorder
) -> None:
    outcome = invoke("run")
    assert outcome.stdout.startswith("tiny on example\n")
    assert "Files: pimsim-out/vit_digits-rap" in outcome.stdout
    assert outcome.stderr == ""
    assert recorder.steps == ["check_output", "simulate", "write"]


@pytest.mark.usefixtures("recorder")
def test_json_alone_goes_to_stdout(invoke: Invoke) -> None:
    outcome = invoke("run", "--format", "json")
    assert json.loads(outcome.stdout)["architecture"]["name"] == "example"
    assert outcome.stderr == "written to pimsim-out/vit_digits-rap\n"
    assert invoke("run", "--format", "json", "--quiet").stderr == ""


@pytest.mark.usefixtures("recorder")
def test_verbose_logs_to_stderr_and_leaves_no_handler(invoke: Invoke) -> None:
    outcome = invoke("run", "--verbose")
    assert outcome.stderr.endswith("pimsim.analog: drew the cells\n")
    assert logging.getLogger("pimsim").handlers == []
    assert invoke("run").stderr == ""


@pytest.mark.parametrize("in_a_kernel", [False, True])
def test_an_interrupt_says_that_nothing_was_written(
    invoke: Invoke, recorder: Recorder, *, in_a_kernel: bool
) -> None:
    recorder.failure = KeyboardInterrupt()
    if in_a_kernel:  # what numba makes of it
        recorder.failure = SystemError("returned a result with an exception set")
        recorder.failure.__cause__ = KeyboardInterrupt()
    outcome = invoke("run")
    assert (outcome.exit_code, outcome.stdout) == (130, "")
    assert outcome.stderr == "interrupted; nothing was written\n"
    assert recorder.steps == ["check_output", "simulate"]


def test_a_fault_of_ours_keeps_its_traceback(invoke: Invoke, recorder: Recorder) -> None:
    recorder.failure = SystemError("not an interrupt")
    outcome = invoke("run")
    assert outcome.exception is recorder.failure


def test_an_error_of_a_pass_is_one_message(invoke: Invoke, recorder: Recorder) -> None:
    recorder.failure = MappingError("op 'fc' needs 36 macros, 20 are free")
    outcome = invoke("run")
    assert (outcome.exit_code, outcome.stdout) == (1, "")
    assert outcome.stderr == "error: op 'fc' needs 36 macros, 20 are free\n"
    assert recorder.steps == ["check_output", "simulate"]
