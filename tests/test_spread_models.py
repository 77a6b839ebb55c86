"""Models spread by accelerate over the CPU and disk: recorded as they would be on one device, and nothing left behind."""

import gc

import numpy as np
import pytest
import torch
import transformers as t

from model import HeadscopeError, load_model, record, wrap
from tests.tiny_models import tiny, tiny_inputs
from tests.tiny_tokenizers import trained

MAPS = {
    "gpt2": {"transformer.wte": "cpu", "lm_head": "cpu", "transformer.wpe": "disk", "transformer.h.0": "cpu",
             "transformer.h.1": "disk", "transformer.h.2": "disk", "transformer.ln_f": "cpu"},
    "bert": {"embeddings": "disk", "encoder.layer.0": "disk", "encoder.layer.1": "cpu", "encoder.layer.2": "disk",
             "pooler": "cpu"},
    "bloom": {"transformer.word_embeddings": "cpu", "lm_head": "cpu", "transformer.word_embeddings_layernorm": "disk",
              "transformer.h.0": "disk", "transformer.h.1": "cpu", "transformer.ln_f": "disk"},
    "gpt_oss": {"model.embed_tokens": "disk", "model.layers.0": "disk", "model.layers.1": "cpu", "model.layers.2": "disk",
                "model.norm": "cpu", "model.rotary_emb": "cpu", "lm_head": "disk"},
}  # fmt: skip


def saved(name, tmp_path):
    folder = tmp_path / name
    tiny(name).save_pretrained(folder)
    trained("word piece").save_pretrained(folder)
    return str(folder)


def assert_recorded_alike(found, expected):
    assert [layer.source for layer in found.layers] == [layer.source for layer in expected.layers]
    for layer in expected.layers:
        difference = found.layer_attention(layer.index, layer.stack) - expected.layer_attention(
            layer.index, layer.stack
        )
        assert abs(difference).max() < 1e-6
    for side in expected.states:
        pairs = zip(found.hidden_states(side), expected.hidden_states(side), strict=True)
        assert max(abs(one - other).max() for one, other in pairs) < 1e-4


@pytest.mark.parametrize("name", list(MAPS))
def test_a_model_partly_on_disk_is_recorded_as_the_whole_one(name, tmp_path):
    loaded = load_model(saved(name, tmp_path), device_map=MAPS[name], dtype="float32")
    offloaded = {weight for weight, tensor in loaded.model.named_parameters() if tensor.is_meta}
    assert offloaded
    assert loaded.device == torch.device("cpu")
    assert loaded.dtype == torch.float32
    assert loaded.nbytes == wrap(tiny(name)).nbytes
    assert loaded.warnings == ()
    inputs = tiny_inputs(name, "left")
    assert_recorded_alike(record(loaded, inputs), record(wrap(tiny(name)), inputs))
    assert {weight for weight, tensor in loaded.model.named_parameters() if tensor.is_meta} == offloaded


@pytest.mark.parametrize("name", ["bert", "gpt2"])
def test_a_model_larger_than_the_memory_it_is_given_goes_to_disk(name, tmp_path):
    whole = wrap(tiny(name)).nbytes
    loaded = load_model(saved(name, tmp_path), device_map="auto", max_memory={"cpu": int(0.6 * whole)}, dtype="float32")
    devices = set(map(str, loaded.model.hf_device_map.values()))
    assert devices == {"cpu", "disk"}
    text = "The animal didn't cross the street."
    trace = record(loaded, text)
    assert_recorded_alike(trace, record(wrap(tiny(name), trained("word piece")), text))
    assert trace.provenance.device == "cpu"


def test_weights_that_stay_in_the_memory_of_the_cpu_and_run_elsewhere_are_recorded():
    from copy import deepcopy

    from accelerate import cpu_offload

    model = cpu_offload(deepcopy(tiny("bert")), execution_device=torch.device("cpu"))
    assert all(weight.is_meta for weight in model.parameters())
    loaded, inputs = wrap(model), tiny_inputs("bert")
    assert loaded.device == torch.device("cpu")
    assert_recorded_alike(record(loaded, inputs), record(wrap(tiny("bert")), inputs))


def test_the_offload_folder_is_as_it_was_once_the_model_is_gone(tmp_path):
    parent = tmp_path / "offload"
    parent.mkdir()
    (parent / "mine.txt").write_text("mine")
    loaded = load_model(saved("gpt_oss", tmp_path), device_map=MAPS["gpt_oss"], offload_folder=parent)
    assert len(list(parent.iterdir())) == 2
    model = loaded.model
    del loaded
    gc.collect()
    # The folder belongs to the model, not to what is around it.
    assert len(list(parent.iterdir())) == 2
    record(wrap(model), tiny_inputs("gpt_oss"))
    del model
    gc.collect()
    assert [path.name for path in parent.iterdir()] == ["mine.txt"]


def test_a_load_that_is_cancelled_or_fails_leaves_no_folder(tmp_path):
    def stop(_share, doing):
        if doing == "Reading weights":
            raise KeyboardInterrupt("stop")

    parent, folder = tmp_path / "offload", saved("bert", tmp_path)
    parent.mkdir()
    with pytest.raises(KeyboardInterrupt, match="stop"):
        load_model(folder, device_map=MAPS["bert"], offload_folder=parent, progress=stop)
    with pytest.raises(HeadscopeError, match="could not be spread over the devices"):
        load_model(folder, device_map={"encoder": "disk", "pooler": "cpu"}, offload_folder=parent)
    assert list(parent.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"device_map": "everywhere"}, "A device_map is one of auto, balanced"),
        ({"device_map": 5}, "A device_map is one of auto, balanced"),
        ({"device_map": {"": "nowhere"}}, "There is no 'nowhere' on this machine. Choose .*cpu or disk"),
        ({"device_map": {"": "cuda:99"}}, "There is no 'cuda:99' on this machine"),
        ({"device_map": {"encoder": 99, "": "cpu"}}, "There is no 99 on this machine"),
        ({"device_map": {"encoder": 0.5, "": "cpu"}}, "There is no 0.5 on this machine"),
        ({"device_map": "auto", "device": "cpu"}, "Give one of the two"),
        ({"max_memory": {"cpu": "1GB"}}, "go with a device_map"),
        ({"device_map": "auto", "offload_folder": "/none/at/all"}, "cannot be written"),
    ],
)
def test_what_cannot_be_spread_is_refused(options, sentence, tmp_path, monkeypatch):
    monkeypatch.setattr("jaxtyping.config.jaxtyping_disable", True)
    with pytest.raises(HeadscopeError, match=sentence) as caught:
        load_model(saved("bert", tmp_path), **options)
    assert str(caught.value).endswith(".")


def test_a_spread_model_is_not_measured_against_one_device(tmp_path, monkeypatch):
    monkeypatch.setattr("model.devices.free_memory", lambda _device: 1000)
    loaded = load_model(saved("bert", tmp_path), device_map=MAPS["bert"])
    assert type(loaded.model) is t.BertModel
    assert np.isfinite(record(loaded, "it rains").layer_attention(0)).all()
