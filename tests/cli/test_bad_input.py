"""Bad input of every kind, typed at the real command line: which words come back, which status?

One table. A message names the place, the value, what is allowed and the fix; it is compared as a
whole (:func:`tests.cli.bad_input.matches` says what ``<tmp>``, ``<line of ...>`` and ``…`` stand
for). Each case must end before anything is simulated, and leave nothing behind.
"""

import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import Result as Outcome

from pimsim.workload.graph import OP_KINDS
from tests.cli.bad_input import (
    SAMPLES,
    WEIGHTS,
    Arrays,
    Case,
    arrays,
    chip,
    cut,
    file,
    folder,
    graph,
    graph_text,
    linked_out,
    matches,
)

Invoke = Callable[..., Outcome]
RunProcess = Callable[..., "subprocess.CompletedProcess[str]"]

WEIGHT = "blocks.0.attention.output.weight"
OTHER_TRACE = "the two files are not of one trace; trace the model again"
CUT = "truncated or damaged safetensors file (…); restore it or build the workload again"
USAGE = "Usage: pimsim …\n…\n\nError: "
RUN_WORKLOAD, RUN_CHIP = "run --workload ./mine", "run --arch chip.yaml"
LAUGHS = 'a: &a ["lol","lol","lol","lol","lol","lol","lol","lol","lol"]\n' + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


def one_nan(name: str) -> Callable[[Arrays], object]:
    def change(found: Arrays) -> None:
        found[name].flat[5] = np.nan

    return change


def no_evaluation_samples(found: Arrays) -> None:
    for name in found:
        if not name.startswith("calibration"):
            found[name] = found[name][:0]


BAD_WORKLOADS = [
    Case(
        "weights cut short",
        RUN_WORKLOAD,
        f"error: mine/{WEIGHTS}: {CUT}",
        cut(WEIGHTS, -100),
    ),
    Case("no bytes of weights", RUN_WORKLOAD, f"error: mine/{WEIGHTS}: {CUT}", cut(WEIGHTS, 0)),
    Case(
        "samples cut short",
        RUN_WORKLOAD,
        f"error: mine/{SAMPLES}: {CUT}",
        cut(SAMPLES, -100),
    ),
    Case(
        "graph of a newer version",
        RUN_WORKLOAD,
        "error: mine/graph.json: format_version 2 was written by a newer pimsim; this one reads "
        "up to 1; update pimsim",
        graph(lambda document: document.update(format_version=2)),
    ),
    Case(
        "graph that is no JSON",
        RUN_WORKLOAD,
        "error: mine/graph.json: not a JSON file: Expecting value: line 1 column 1 (char 0); "
        "trace the model again or restore the file",
        graph_text("graph"),
    ),
    Case(
        "unknown kind of op",
        RUN_WORKLOAD,
        "error: mine/graph.json: ops[5] 'add': unknown kind 'einsum'; supported: "
        + ", ".join(sorted(OP_KINDS)),
        graph(lambda document: document["ops"][5].update(kind="einsum")),
    ),
    Case(
        "op that reads a tensor nobody makes",
        RUN_WORKLOAD,
        "error: mine/graph.json: ops[5] 'add': consumes 'positons', which nothing produces; did "
        "you mean 'positions'?",
        graph(lambda document: document["ops"][5].update(inputs=["cat", "positons"])),
    ),
    Case(
        "graph without a key",
        RUN_WORKLOAD,
        "error: mine/graph.json: dims: is missing",
        graph(lambda document: document.pop("dims")),
    ),
    Case(
        "NaN among the weights",
        RUN_WORKLOAD,
        f"error: mine/{WEIGHTS}: tensor '{WEIGHT}' has 1 of 4096 values that are NaN or infinite; "
        "train or export the model again",
        arrays(WEIGHTS, one_nan(WEIGHT)),
    ),
    Case(
        "weight that is missing",
        RUN_WORKLOAD,
        f"error: mine/{WEIGHTS}: tensor '{WEIGHT}' of graph.json is missing; {OTHER_TRACE}",
        arrays(WEIGHTS, lambda found: found.pop(WEIGHT)),
    ),
    Case(
        "weight of another shape",
        RUN_WORKLOAD,
        f"error: mine/{WEIGHTS}: tensor '{WEIGHT}' has shape (63, 64), graph.json declares "
        f"(64, 64); {OTHER_TRACE}",
        arrays(WEIGHTS, lambda found: found.update({WEIGHT: found[WEIGHT][1:].copy()})),
    ),
    Case(
        "weight of another type",
        RUN_WORKLOAD,
        f"error: mine/{WEIGHTS}: tensor '{WEIGHT}' has element type float64, graph.json declares "
        f"float32; {OTHER_TRACE}",
        arrays(WEIGHTS, lambda found: found.update({WEIGHT: found[WEIGHT].astype(np.float64)})),
    ),
    Case(
        "no evaluation samples",
        RUN_WORKLOAD,
        f"error: mine/{SAMPLES}: evaluation.image is empty; at least one sample is needed",
        arrays(SAMPLES, no_evaluation_samples),
    ),
    Case(
        "too few labels",
        RUN_WORKLOAD,
        f"error: mine/{SAMPLES}: labels have shape (5,); one label is needed for each of the 360 "
        "evaluation samples",
        arrays(SAMPLES, lambda found: found.update(labels=found["labels"][:5])),
    ),
    Case(
        "label of a class that is not there",
        RUN_WORKLOAD,
        f"error: mine/{SAMPLES}: labels reach from 1 to 10, but the 10 classes of the output are "
        "0 to 9; correct the labels",
        arrays(SAMPLES, lambda found: found.update(labels=found["labels"] + 1)),
    ),
    Case(
        "NaN in a sample",
        RUN_WORKLOAD,
        f"error: mine/{SAMPLES}: evaluation.image has 1 of 23040 values that are NaN or infinite; "
        "correct or leave out these samples and save the workload again",
        arrays(SAMPLES, one_nan("evaluation.image")),
    ),
    Case(
        "link out of the folder",
        RUN_WORKLOAD,
        f"error: mine/{WEIGHTS}: points to <tmp>/elsewhere.safetensors, outside the workload "
        "folder; copy the file into the folder",
        linked_out,
    ),
    Case(
        "folder without a graph, by path",
        RUN_WORKLOAD,
        "error: mine: has no graph.json, so it is not a workload folder",
        folder("mine", "notes.txt"),
    ),
    Case(
        "folder without a graph, by name",
        "run --workload mine",
        "error: no workload is called 'mine', and the folder 'mine' here has no graph.json",
        folder("mine", "notes.txt"),
    ),
    Case(
        "file for a workload",
        "run --workload model.pt",
        "error: no workload is called 'model.pt', and 'model.pt' here is a file, not a folder",
        file("model.pt"),
    ),
    Case(
        "misspelt name of a workload",
        "run --workload vit_digit",
        "error: no workload is called 'vit_digit'; did you mean 'vit_digits'?",
    ),
    Case(
        "workload at no path",
        "run --workload models/vit_digits",
        "error: models/vit_digits: no such workload; the workload that comes by name is called "
        "just 'vit_digits'",
    ),
    Case(
        "check of a broken workload",
        "check mine",
        "error: 1 of 1 checked have problems",
        cut(SAMPLES, -1),
        output=f"mine/{SAMPLES}: {CUT}\n",
    ),
]

BAD_CHIPS = [
    Case(
        "misspelt name of a chip",
        "run --arch conventionl",
        "error: no architecture is called 'conventionl'; did you mean 'conventional'?",
    ),
    Case(
        "chip without its ending",
        "run --arch chip",
        "error: no architecture is called 'chip'; did you mean the file 'chip.yaml'?",
        chip(),
    ),
    Case(
        "chip at no path",
        "run --arch chips/rapp.yaml",
        "error: chips/rapp.yaml: no such architecture; did you mean 'rap'?",
    ),
    Case(
        "folder for a chip",
        "run --arch ./chips",
        "error: chips: is a folder; give the YAML file itself",
        folder("chips", "rap.yaml"),
    ),
    Case(
        "billion laughs",
        RUN_CHIP,
        "error: chip.yaml:1: &a: anchors and aliases are not read; write the value out",
        file("chip.yaml", LAUGHS),
    ),
    Case(
        "code in YAML",
        RUN_CHIP,
        "error: chip.yaml:1: tag 'tag:yaml.org,2002:python/object/apply:os.system': tags are not "
        "read; write plain data",
        file("chip.yaml", "!!python/object/apply:os.system [true]\n"),
    ),
    Case(
        "empty file",
        RUN_CHIP,
        "error: chip.yaml: is empty; `pimsim show rap` prints a file to start from",
        file("chip.yaml", "# to be written\n"),
    ),
    Case(
        "tab",
        RUN_CHIP,
        "error: chip.yaml:<line of tiles>: a tab cannot indent or start a value in YAML; use "
        "spaces",
        chip(("  tiles: 16", "\ttiles: 16")),
    ),
    Case(
        "newer schema",
        RUN_CHIP,
        "error: chip.yaml:<line of schema_version>: schema_version: 2 was written for a newer "
        "pimsim, this one reads up to 1; update pimsim",
        chip(("schema_version: 1", "schema_version: 2")),
    ),
    Case(
        "repeated key",
        RUN_CHIP,
        "error: chip.yaml:<line of tiles: 8>: chip.tiles: repeated key 'tiles' (first on line "
        "<line of tiles: 16>); keep one of them",
        chip(("  clock_ghz", "  tiles: 8\n  clock_ghz")),
    ),
    Case(
        "unknown key",
        RUN_CHIP,
        "error: chip.yaml:<line of clok_ghz>: chip.clok_ghz: unknown key 'clok_ghz'; did you mean "
        "'clock_ghz'?",
        chip(("  clock_ghz", "  clok_ghz: 1.0\n  clock_ghz")),
    ),
    Case(
        "missing key",
        RUN_CHIP,
        "error: chip.yaml:<line of chip:>: chip.tiles: missing",
        chip(("  tiles: 16\n", "")),
    ),
    Case(
        "text for a number",
        RUN_CHIP,
        "error: chip.yaml:<line of tiles>: chip.tiles: must be a whole number without quotes "
        "(found '16')",
        chip(("  tiles: 16", "  tiles: '16'")),
    ),
    Case(
        "1e-9, which YAML reads as text",
        RUN_CHIP,
        "error: chip.yaml:<line of noise_ratio: 1e-9>: macros.mram.adc.noise_ratio: must be a "
        "number; YAML reads 1e-9 as text, write 1.0e-9 (found '1e-9')",
        chip(("noise_ratio: 0.0004", "noise_ratio: 1e-9")),
    ),
    Case(
        "three problems at once",
        RUN_CHIP,
        "error: chip.yaml:<line of node_nm>: node_nm: must be at least 7 (found 2.0)\n"
        "chip.yaml:<line of model: flesh>: macros.mram.adc.model: unknown ADC model 'flesh'; did "
        "you mean 'flash'?\n"
        "chip.yaml:<line of tiles: 0>: chip.tiles: must be at least 1 (found 0)",
        chip(
            ("node_nm: 28.0", "node_nm: 2.0"),
            ("model: flash", "model: flesh"),
            ("tiles: 16", "tiles: 0"),
        ),
    ),
    Case(
        "check of a broken chip",
        "check rap chip.yaml",
        "error: 1 of 2 checked have problems",
        chip(("active_rows: 8 ", "active_rows: 2048 ")),
        output="rap: ok, architecture rap\n"
        "chip.yaml:<line of active_rows: 2048>: macros.mram.crossbar: active_rows (2048) cannot "
        "exceed rows (1024)\n",
    ),
    Case(
        "show of an unknown name",
        "show rpa",
        "error: no architecture is called 'rpa'; did you mean 'rap'?",
    ),
    Case(
        "path variable that names no folder",
        "run",
        "error: $PIMSIM_PATH names '/no/such/place', which is not a folder; correct or unset it",
        environment={"PIMSIM_PATH": "/no/such/place"},
    ),
]

BAD_SETTINGS = [
    Case(
        "--set of a wrong key",
        "run --set macros.mram.adc.levles=9",
        "error: --set macros.mram.adc.levles=9: macros.mram.adc.levles: unknown key 'levles'; did "
        "you mean 'macros.mram.adc.levels'?",
    ),
    Case(
        "--set of half a path",
        "run --set mram.adc.levels=9",
        "error: --set mram.adc.levels=9: mram: unknown key 'mram'; did you mean "
        "'macros.mram.adc.levels'?",
    ),
    Case(
        "--set without =",
        "run --set chip.tiles",
        "error: --set chip.tiles: no '='; write --set PATH=VALUE",
    ),
    Case(
        "--set without a value",
        "run --set chip.tiles=",
        "error: --set chip.tiles=: chip.tiles: no value after '='; write null for nothing",
    ),
    Case(
        "--set out of range",
        "run --set chip.tiles=0",
        "error: --set chip.tiles=0: chip.tiles: must be at least 1 (found 0)",
    ),
    Case(
        "--set of levels and bits",
        "run --set macros.mram.adc.levels=9 --set macros.mram.adc.bits=3",
        "error: --set macros.mram.adc.bits=3: macros.mram.adc.bits: excludes 'levels' of --set "
        "macros.mram.adc.levels=9; keep one of them",
    ),
    Case(
        "--set of a unit for something else",
        "run --set units.softmax.model=ibert_gelu",
        "error: --set units.softmax.model=ibert_gelu: units.softmax.model: 'ibert_gelu' is no "
        "digital unit for softmax; known: fp16_softmax, fp32_softmax, fqvit_softmax, "
        "ibert_softmax, "
        "illm_softmax, ivit_softmax, softermax, vdr_softmax",
    ),
    Case(
        "scheme and units of two kinds",
        "run --arch rap_int8 --set numerics.scheme=int8_dqq",
        "error: architecture 'rap_int8': units.layer_norm.model is 'ibert_layer_norm', but "
        "numerics.scheme "
        "'int8_dqq' builds 'fp16_layer_norm' or 'fp32_layer_norm'; change one of the two",
    ),
    Case(
        "converter outside its cost model",
        "run --set cost.variants.modelled.flash_adc=survey_regression",
        "error: macros.mram.adc: cost.variants.modelled.flash_adc names 'survey_regression': the "
        "survey regression holds for 4 to 14 effective bits, got 3.17; name 'flash_comparators', "
        "or 'survey_regression_4bit' for an upper bound",
    ),
    Case(
        "cost model of another component",
        "run --set cost.variants.modelled.flash_adc=sram_buffer",
        "error: --set cost.variants.modelled.flash_adc=sram_buffer: "
        "cost.variants.modelled.flash_adc: 'sram_buffer' is no cost model for converters; known: "
        "flash_comparators, murmann_fit, published_converters, sar_capacitor_array, "
        "survey_regression, survey_regression_4bit, user_table",
    ),
    Case(
        "chip too small for the weights",
        "run --arch rap_int8 --set chip.tiles=1 --set tile.macros.mram=2",
        "error: op 'blocks.0.attention.key' needs 1 'mram' macros of 1024x1024 cells (weights: "
        "64x64, 8 slices)\n"
        "  but 0 are free on architecture 'rap_int8' (tiles: 1, 'mram' macros per tile: 2, "
        "used: 2).\n"
        "  The whole workload needs 30, 2 are present: raise chip.tiles to at least 15, or "
        "tile.macros.mram to at least 30; or set mapping.time_multiplex to true (give "
        "macros.mram.reprogram and chip.memory as well): macros are then reprogrammed in rounds.",
    ),
    Case(
        "chip without writable macros",
        "run --set tile.macros.sram=0",
        "error: op 'blocks.0.attention.matmul' writes its 16x17 operand into cells at run time, "
        "but no tile of architecture 'rap' has a writable macro.\n"
        "  Raise tile.macros.sram to at least 1, or give units.mac_array, which multiplies "
        "without cells.",
    ),
    Case(
        "operand wider than the macro",
        "run --arch rap_int8 --set macros.mram.inputs.bits=4",
        "error: op 'patch_embedding': operand 'patch_embedding.patches' has 8 bits, but "
        "macros.mram.inputs.bits is 4.\n"
        "  Raise macros.mram.inputs.bits to at least 8, or choose a narrower numerics.scheme.",
    ),
    Case(
        "weights wider than the macro",
        "run --arch rap_int8 --set macros.mram.weights.bits=4",
        "error: op 'patch_embedding': its weights reach from -127 to 127 and need 8 bits, but "
        "macros.mram.weights.bits is 4.\n"
        "  Raise macros.mram.weights.bits to at least 8, or choose a narrower numerics.scheme.",
    ),
    Case(
        "buffer too small",
        "run --arch rap_int8 --set tile.buffer.capacity_bytes=1024 --set "
        "chip.global_buffer.capacity_bytes=2000",
        "error: op 'patch_embedding.requantize' needs 2048 bytes in the buffer of tile 0, which "
        "has 1024 on architecture 'rap_int8' (outputs of 'patch_embedding.requantize': 2048 "
        "bytes), and "
        "the global buffer has 1916 bytes free, fewer than the 2048 of its output.\n"
        "  Raise tile.buffer.capacity_bytes to at least 28288, the most that any operation needs, "
        "or chip.global_buffer.capacity_bytes, or give chip.memory for what does not fit, or use a "
        "smaller batch or sequence, or try mapping.dataflow token_streaming, which keeps only "
        "what is in flight or needed whole.",
    ),
]

BAD_REQUESTS = [
    Case(
        "more samples than there are",
        "run --samples 1000",
        "error: samples = 1000, but workload 'vit_digits' has 360 evaluation samples; ask for "
        "fewer",
    ),
    Case(
        "batch that does not divide",
        "run --samples 8 --batch 3",
        "error: samples = 8 is not a whole number of batches of 3; take 6 or 9",
    ),
    Case(
        "batch larger than the samples",
        "run --batch 1000",
        "error: batch = 1000, but workload 'vit_digits' has 360 evaluation samples; ask for a "
        "smaller batch",
    ),
    Case(
        "dimension that the workload has not",
        "run --seq 128",
        "error: workload 'vit_digits' has no dimension 'seq'; known: batch",
    ),
    Case(
        "context without a phase",
        "run --context 16",
        "error: context = 16 needs a phase of a decoder: prefill, which fills the cache with these "
        "tokens, or decode, which finds them in it",
    ),
    Case(
        "phase without a context",
        "run --phase decode",
        "error: decode needs context, the number of tokens in the cache",
    ),
    Case(
        "sequence for a decoding step",
        "run --phase decode --seq 16",
        "error: seq = 16 means nothing for decode, which takes one new token; give context, the "
        "number of tokens in the cache",
    ),
    Case(
        "phase of a network that is no decoder",
        "run --phase decode --context 16",
        "error: workload 'vit_digits' has no dimension of tokens, which decode needs (its "
        "dimensions: batch); only causal decoders have phases. Trace a decoder with a dynamic "
        "dimension 'seq'",
    ),
    Case(
        "unknown phase",
        "run --phase decoding",
        f"{USAGE}Invalid value for '--phase': …'decoding' is not one of 'prefill', 'decode'.",
        status=2,
    ),
    Case(
        "trace into a folder that holds something",
        "trace models:bert --output thesis",
        "error: thesis: exists already and is not empty; name another folder, or remove this one",
        folder("thesis", "thesis.tex"),
    ),
    Case(
        "trace into a file",
        "trace models:bert --output thesis.tex",
        "error: thesis.tex: is a file; name a folder that does not exist yet",
        file("thesis.tex"),
    ),
    Case(
        "trace without a folder",
        "trace models:bert",
        f"{USAGE}Missing option '--output'.",
        status=2,
    ),
    Case(
        "samples without weights",
        "trace models:bert --output o --samples models:texts --no-weights",
        f"{USAGE}Invalid value: --samples and --no-weights exclude each other",
        status=2,
    ),
    Case(
        "more threads than processors",
        "run --threads 1000",
        "error: threads must be 1 to … on this machine, got 1000",
    ),
    Case(
        "output that is a file",
        "run --output result",
        "error: cannot write to <tmp>/result: it is a file; name a folder",
        file("result"),
    ),
    Case(
        "output below a file",
        "run --output result/of/today",
        "error: cannot write to <tmp>/result/of/today: <tmp>/result is a file, not a folder",
        file("result"),
    ),
    Case(
        "output among other work",
        "run --output thesis",
        "error: cannot write to <tmp>/thesis: it holds other things (thesis.tex, ...) and no "
        "pimsim result; name another folder with --output or empty this one",
        folder("thesis", "thesis.tex"),
    ),
    Case(
        "output whose result.json is somebody else's",
        "run --output other",
        "error: cannot write to <tmp>/other: it holds other things (result.json, ...) and no "
        "pimsim result; name another folder with --output or empty this one",
        folder("other", "result.json"),
    ),
    Case(
        "output that is the current folder",
        "run --output .",
        "error: cannot write to <tmp>: the current folder lies in it and a result replaces the "
        "whole folder; name a folder inside it",
    ),
    Case(
        "no samples",
        "run --samples 0",
        f"{USAGE}Invalid value for '--samples': must be 1 or more, got 0",
        status=2,
    ),
    Case(
        "no chips",
        "run --chips 0",
        f"{USAGE}Invalid value for '--chips': must be 1 or more, got 0",
        status=2,
    ),
    Case(
        "negative seed",
        "run --seed -1",
        f"{USAGE}Invalid value for '--seed': must be 0 or more, got -1",
        status=2,
    ),
    Case(
        "samples in words",
        "run --samples all",
        f"{USAGE}Invalid value for '--samples': …integer…",
        status=2,
    ),
    Case(
        "unknown format",
        "run --format xml",
        f"{USAGE}Invalid value for '--format': …'xml' is not one of 'table', 'json'.",
        status=2,
    ),
    Case(
        "unknown option",
        "run --sample 8",
        f"{USAGE}No such option: --sample…",
        status=2,
    ),
    Case("unknown verb", "rum", f"{USAGE}No such command 'rum'.…", status=2),
    Case("verb without its argument", "show", f"{USAGE}Missing argument 'NAME'.", status=2),
    Case(
        "quiet and verbose",
        "run --quiet --verbose",
        f"{USAGE}Invalid value: --quiet and --verbose exclude each other",
        status=2,
    ),
]

BAD_SCHEMES = [
    Case("quantize of nothing", "quantize", f"{USAGE}Missing argument 'WORKLOAD'.", status=2),
    Case(
        "misspelt name of a scheme",
        "quantize vit_digits --scheme int8_dyadik",
        "error: --set numerics.scheme=int8_dyadik: numerics.scheme: unknown numerics scheme "
        "'int8_dyadik'; did you mean 'int8_dyadic'?",
    ),
    Case(
        "integer scheme with a floating unit",
        "quantize vit_digits --arch rap_int8 --set units.softmax.model=fp32_softmax",
        "error: architecture 'rap_int8': units.softmax.model is 'fp32_softmax', but "
        "numerics.scheme "
        "'int8_dyadic' builds 'fqvit_softmax', 'ibert_softmax', 'illm_softmax', 'ivit_softmax' or "
        "'softermax'; change one of the two",
    ),
    Case(
        "percentile without its share",
        "quantize vit_digits --set numerics.observer=percentile",
        "error: --set numerics.observer=percentile: numerics: observer 'percentile' and "
        "percentile_ratio, such as 0.999, go together; give both or neither",
    ),
    Case(
        "override that matches nothing",
        "quantize vit_digits --arch rap_int8 --set \"numerics.overrides=[{ops: 'mpl.*', scheme: "
        'int4}]"',
        "error: numerics.overrides: 'mpl.*' matches none of the 34 products of workload "
        "'vit_digits', such as 'patch_embedding'",
    ),
    Case(
        "quantize of shapes alone",
        "quantize bert_base",
        "error: workload 'bert_base' has no weights or no samples, so there are no values to "
        "quantize; trace it with weights and samples",
    ),
    Case(
        "quantize of more samples than there are",
        "quantize vit_digits --samples 1000",
        "error: samples = 1000, but workload 'vit_digits' has 360 evaluation samples; ask for 1 to "
        "as many",
    ),
    Case(
        "quantize into a thesis",
        "quantize vit_digits --output thesis",
        "error: cannot write to <tmp>/thesis: it holds other things (chapter.tex, ...) and no "
        "pimsim result; name another folder with --output or empty this one",
        folder("thesis", "chapter.tex"),
    ),
]

CASES = [*BAD_WORKLOADS, *BAD_CHIPS, *BAD_SETTINGS, *BAD_REQUESTS, *BAD_SCHEMES]
AS_PROCESSES = (
    "weights cut short",
    "billion laughs",
    "scheme and units of two kinds",
    "chip too small for the weights",
    "output below a file",
    "unknown option",
)


# --- the tests -----------------------------------------------------------------------------------


def contents(place: Path) -> set[Path]:
    return set(place.rglob("*"))


def ids(case: Case) -> str:
    return case.name


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_bad_input_is_told_in_these_words(
    invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: Case
) -> None:
    for name, value in case.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("pimsim.functional.execute", simulated)
    case.make(tmp_path)
    before = contents(tmp_path)
    outcome = invoke(*shlex.split(case.command))
    assert (outcome.exit_code, type(outcome.exception)) == (case.status, SystemExit)
    assert matches(outcome.stderr, f"{case.message}\n", tmp_path), outcome.stderr
    assert matches(outcome.stdout, case.output, tmp_path), outcome.stdout
    assert contents(tmp_path) == before


def simulated(*arguments: object, **options: object) -> None:
    """Stand in for the long passes, which no case may reach."""
    raise AssertionError("the mistake was found only after the simulation had begun")


@pytest.mark.parametrize("case", [case for case in CASES if case.name in AS_PROCESSES], ids=ids)
def test_a_process_says_the_same_without_traceback(
    process: RunProcess, tmp_path: Path, case: Case
) -> None:
    case.make(tmp_path)
    before = contents(tmp_path)
    done = process("-m", "pimsim", *shlex.split(case.command), environment=case.environment)
    assert done.returncode == case.status
    assert matches(done.stderr, f"{case.message}\n", tmp_path), done.stderr
    assert done.stdout == case.output
    assert contents(tmp_path) == before


def test_the_table_is_large_and_its_names_are_distinct() -> None:
    names = [case.name for case in CASES]
    assert len(names) == len(set(names)) >= 60
    assert set(AS_PROCESSES) <= set(names)
