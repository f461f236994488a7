"""The shape-only workloads: sizes as published, made again by their script."""

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from pimsim.config.bundled import bundled_workloads
from pimsim.workload.files import load, load_workload
from pimsim.workload.graph import Workload
from pimsim.workload.summary import parameters

# Parameters as published with the models: GPT-2 and Llama 2 by their model cards (the output layer
# of GPT-2 is the embedding), ViT by torchvision's table, BERT's 109 482 240 and 335 141 888 less
# the pooler, which is width * (width + 1).
PARAMETERS = {
    "bert_base": 109_482_240 - 768 * 769,
    "bert_large": 335_141_888 - 1024 * 1025,
    "vit_base": 86_567_656,
    "vit_large": 304_326_632,
    "gpt2": 124_439_808,
    "llama2_7b": 6_738_415_616,
}
LONGEST = {"bert_base": 512, "bert_large": 512, "gpt2": 1024, "llama2_7b": 4096}


@pytest.fixture(scope="module", params=list(PARAMETERS))
def shipped(request: pytest.FixtureRequest) -> Workload:
    return load_workload(request.param)


def test_parameters_are_as_many_as_published(shipped: Workload) -> None:
    assert parameters(shipped) == PARAMETERS[shipped.name]
    assert shipped.shape_only


def test_texts_are_as_long_as_the_tables_of_positions(shipped: Workload) -> None:
    assert shipped.dims["batch"][0] == 1
    assert shipped.dims.get("seq", (1, None))[1] == LONGEST.get(shipped.name)


def test_every_layer_has_its_attention_tagged(shipped: Workload) -> None:
    layers = {"bert_base": 12, "vit_base": 12, "gpt2": 12, "llama2_7b": 32}.get(shipped.name, 24)
    groups = {op.group.name: op.group for op in shipped.ops if op.group is not None}
    assert len(groups) == layers
    causal = shipped.name in {"gpt2", "llama2_7b"}
    assert {group.causal for group in groups.values()} == {causal}
    assert all(group.heads == group.kv_heads for group in groups.values())


def test_graphs_are_small_enough_to_ship_and_say_how_they_are_made(shipped: Workload) -> None:
    folder = bundled_workloads()[shipped.name]
    assert (folder / "graph.json").stat().st_size < 1_000_000
    assert [path.name for path in folder.iterdir()] == ["graph.json"]
    assert shipped.factory == f"workloads/transformers_configs/build.py:{shipped.name}"
    assert (Path(__file__).parents[2] / "workloads/transformers_configs/build.py").is_file()


@pytest.fixture(scope="module")
def build(script: Callable[[str], ModuleType]) -> ModuleType:
    return script("transformers_configs")


TEXT = {"vocab_size": 50, "max_position_embeddings": 32}
LAYERS = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
FFN = {"intermediate_size": 24}
TINY = {
    "bert": {**TEXT, **LAYERS, **FFN},
    "vit": {**LAYERS, **FFN, "image_size": 32},
    "gpt2": {"vocab_size": 50, "n_positions": 32, "n_embd": 16, "n_layer": 2, "n_head": 2},
    "llama2_7b": {**TEXT, **LAYERS, **FFN},
}


@pytest.mark.torch
@pytest.mark.parametrize("family", TINY)
def test_a_small_model_of_each_family_has_its_parameters_and_no_weights(
    build: ModuleType, family: str, tmp_path: Path
) -> None:
    recipe = build.Recipe(lambda: getattr(build, family)(**TINY[family]), "feature-extraction")
    workload = build.build(f"tiny_{family}", recipe)
    net, examples = recipe.model()
    assert {tensor.device.type for tensor in (*net.parameters(), *examples)} == {"meta"}
    assert parameters(workload) == sum(parameter.numel() for parameter in net.parameters())
    assert workload.weights == {}
    assert workload.shape_only
    if family != "vit":
        assert workload.dims["seq"][1] == 32


@pytest.mark.torch
def test_the_command_writes_what_it_is_asked_for(
    build: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny = build.Recipe(lambda: build.bert(**TINY["bert"]), "feature-extraction")
    monkeypatch.setitem(build.RECIPES, "bert_base", tiny)
    build.main(["bert_base", "--output", str(tmp_path)])
    assert [path.name for path in tmp_path.iterdir()] == ["bert_base"]
    workload = load(tmp_path / "bert_base")
    assert workload.factory == "workloads/transformers_configs/build.py:bert_base"
    assert [path.name for path in (tmp_path / "bert_base").iterdir()] == ["graph.json"]


@pytest.mark.torch
def test_an_unknown_name_is_a_usage_error(
    build: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        build.main(["bert_bass"])
    assert "there is no 'bert_bass' here; did you mean 'bert_base'?" in capsys.readouterr().err


@pytest.mark.torch
@pytest.mark.parametrize(
    "name",
    [
        "bert_base",
        *(pytest.param(name, marks=pytest.mark.slow) for name in PARAMETERS if name != "bert_base"),
    ],
)
def test_the_script_makes_the_shipped_graphs_again(
    build: ModuleType, name: str, tmp_path: Path
) -> None:
    build.main([name, "--output", str(tmp_path)])
    made, shipped = tmp_path / name / "graph.json", bundled_workloads()[name] / "graph.json"
    assert json.loads(made.read_bytes()) == json.loads(shipped.read_bytes())
