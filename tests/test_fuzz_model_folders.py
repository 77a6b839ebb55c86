"""Folders that call themselves models: they load, or are refused with a sentence; nothing else is read, run or fetched."""

import json
import os
import pickle
import shutil

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from model import load_model, record
from model.errors import HeadscopeError, ModelNotFound, ModelTooLarge, UnsafeModel
from tests.fuzz_profile import slow
from tests.hostile_files import DEEP, HOSTILE_VALUES, bounded_memory, changed_json, mutated, quiet, read_or_refused  # noqa: F401
from tests.tiny_models import tiny
from tests.tiny_tokenizers import trained
from tests.watched_files import watched

pytestmark = pytest.mark.usefixtures("quiet")
TEXT = "The cats cross the streets."


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """A whole model in two shards, and beside its folder a file that is nobody's business."""
    root = tmp_path_factory.mktemp("models")
    tiny("bert").save_pretrained(root / "good", max_shard_size="30KB")
    trained("word piece").save_pretrained(root / "good")
    assert len(list((root / "good").glob("*.safetensors"))) > 1
    shutil.copy(next((root / "good").glob("*.safetensors")), root / "secret.safetensors")
    (root / "secret.json").write_text("{}")
    (root / "secret.txt").write_text("the key")
    return root


@pytest.fixture
def folder(good, tmp_path):
    shutil.copytree(good / "good", tmp_path / "model")
    return tmp_path / "model"


def outcome(folder, good, *, run: bool = True):
    """Load a folder and run it on a sentence; return the model or the refusal, and check what was done meanwhile."""
    with watched(*(good / name for name in ("secret.safetensors", "secret.json", "secret.txt"))) as seen:
        found = read_or_refused(lambda: load_model(str(folder), device="cpu"))
        if run and not isinstance(found, HeadscopeError):
            read_or_refused(lambda: record(found, TEXT))
    assert seen.events == []
    assert seen.opened == set()
    return found


def refused(folder, good, kind, match) -> None:
    found = outcome(folder, good)
    assert isinstance(found, kind), repr(found)
    assert match in str(found), str(found)


def change(path, **values) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_the_whole_folder_loads_and_the_watch_sees_what_is_read(folder, good):
    assert not isinstance(outcome(folder, good), HeadscopeError)
    with watched(good / "secret.txt") as seen:
        (good / "secret.txt").read_text()
    assert seen.opened == {"secret.txt"}


CONFIGS = {
    "empty": b"", "null": b"null", "a list": b"[]", "deep": DEEP.encode(), "cut": b'{"model_type": "bert',
    "binary": bytes(range(256)),
    "wide": b"[" + b"[]," * 3_000_000 + b"[]]", "no type": b"{}", "unknown type": b'{"model_type": "nothing-known"}',
    "a huge number": b'{"model_type": "bert", "hidden_size": ' + b"9" * 5000 + b"}",
}  # fmt: skip


@pytest.mark.parametrize("name", CONFIGS)
def test_a_config_that_is_none(name, folder, good):
    (folder / "config.json").write_bytes(CONFIGS[name])
    with bounded_memory(200):
        refused(folder, good, ModelNotFound, "")


SIZES = {
    "hidden_size": 10**9, "intermediate_size": 10**12, "vocab_size": 10**13, "max_position_embeddings": 10**14,
    "type_vocab_size": 10**13,
    "num_hidden_layers": 10**9, "num_attention_heads": 10**9, "num_labels": 10**9,
}  # fmt: skip


@pytest.mark.parametrize("name", SIZES)
def test_a_config_that_declares_more_than_there_is(name, folder, good):
    change(
        folder / "config.json", **{name: SIZES[name]} | ({"num_attention_heads": 1} if name == "hidden_size" else {})
    )
    with bounded_memory(300):
        refused(folder, good, (ModelNotFound, ModelTooLarge), "")


def test_a_config_whose_sizes_multiply(folder, good):
    change(
        folder / "config.json",
        hidden_size=100_000,
        intermediate_size=400_000,
        num_hidden_layers=50,
        num_attention_heads=1,
    )
    with bounded_memory(500):
        refused(folder, good, ModelTooLarge, "are free")


@slow(10)
@given(data=st.data())
def test_a_config_that_was_changed(data, good, tmp_path_factory):
    folder = tmp_path_factory.mktemp("changed") / "model"
    shutil.copytree(good / "good", folder)
    name = data.draw(
        st.sampled_from(["config.json", "config.json", "tokenizer_config.json", "model.safetensors.index.json"])
    )
    path = folder / name
    if data.draw(st.booleans()):
        path.write_text(json.dumps(data.draw(changed_json(json.loads(path.read_text())))))
    else:
        path.write_bytes(data.draw(mutated(path.read_bytes())))
    outcome(folder, good)
    shutil.rmtree(folder.parent)


@slow(10)
@given(data=st.data())
def test_weights_and_tokenizers_that_were_changed(data, good, tmp_path_factory):
    folder = tmp_path_factory.mktemp("changed") / "model"
    shutil.copytree(good / "good", folder)
    path = folder / data.draw(st.sampled_from(sorted(path.name for path in folder.iterdir())))
    path.write_bytes(data.draw(mutated(path.read_bytes())))
    outcome(folder, good)
    shutil.rmtree(folder.parent)


@slow(10)
@given(data=st.data())
def test_a_tokenizer_whose_parts_were_changed(data, good, tmp_path_factory):
    folder = tmp_path_factory.mktemp("changed") / "model"
    shutil.copytree(good / "good", folder)
    path = folder / "tokenizer.json"
    path.write_text(json.dumps(data.draw(changed_json(json.loads(path.read_text())))))
    outcome(folder, good)
    shutil.rmtree(folder.parent)


@slow(10)
@given(
    st.one_of(
        st.binary(max_size=200),
        mutated(
            b"\n\x0e\n\x05<unk>\x15\0\0\0\0\x18\x02\n\x0c\n\x03\xe2\x96\x81\x15\0\0\0\xc0\x12\x04\x18\x01\xc8\x01\x01"
        ),
    )
)
def test_a_sentencepiece_model_of_any_bytes(good, tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("pieces") / "model"
    shutil.copytree(good / "good", folder)
    (folder / "tokenizer.json").unlink()
    (folder / "spiece.model").write_bytes(content)
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "T5Tokenizer"}))
    outcome(folder, good)
    shutil.rmtree(folder.parent)


OUTSIDE = [
    "../secret.safetensors",
    "/etc/passwd",
    "../../etc/passwd",
    "a/../../secret.safetensors",
    "..\\secret.safetensors",
    "",
    ".",
    "pytorch_model.bin",
    "http://localhost/x.safetensors",
]


@pytest.mark.parametrize("shard", OUTSIDE)
def test_an_index_that_names_files_elsewhere(shard, folder, good):
    shutil.copytree(folder, good / "inner", dirs_exist_ok=True)
    path = good / "inner" / "model.safetensors.index.json"
    index = json.loads(path.read_text())
    index["weight_map"][sorted(index["weight_map"])[0]] = shard
    path.write_text(json.dumps(index))
    refused(good / "inner", good, UnsafeModel, "no safetensors file of the folder")
    shutil.rmtree(good / "inner")


def test_a_missing_shard(folder, good):
    sorted(folder.glob("*.safetensors"))[0].unlink()
    refused(folder, good, ModelNotFound, "is missing")


@pytest.mark.parametrize("name", ["tokenizer.json", "config.json", "model.safetensors.index.json", "vocab.txt"])
def test_a_link_out_of_the_folder_is_not_followed(name, folder, good):
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(good / ("secret.txt" if name.endswith("txt") else "secret.json"))
    refused(folder, good, UnsafeModel, "is a link to a file outside")


def test_weights_that_are_a_link_out_of_the_folder(folder, good):
    shard = sorted(folder.glob("*.safetensors"))[0]
    shard.unlink()
    shard.symlink_to(good / "secret.safetensors")
    refused(folder, good, UnsafeModel, "is a link to a file outside")


def test_links_as_the_hub_keeps_them_are_followed(folder, good, tmp_path):
    blobs, snapshot = tmp_path / "repo" / "blobs", tmp_path / "repo" / "snapshots" / "abc"
    blobs.mkdir(parents=True)
    snapshot.mkdir(parents=True)
    for path in folder.iterdir():
        shutil.copy(path, blobs / path.name)
        (snapshot / path.name).symlink_to(os.path.relpath(blobs / path.name, snapshot))
    assert not isinstance(outcome(snapshot, good), HeadscopeError)


def test_loops_pipes_and_links_to_nothing(folder, good):
    (folder / "loop.json").symlink_to(folder / "loop.json")
    refused(folder, good, ModelNotFound, "cannot be read")
    (folder / "loop.json").unlink()
    os.mkfifo(folder / "special_tokens_map.json")
    refused(folder, good, UnsafeModel, "no plain file")
    (folder / "special_tokens_map.json").unlink()
    (folder / "config.json").unlink()
    (folder / "config.json").mkdir()
    refused(folder, good, ModelNotFound, "")


class Ran:
    def __reduce__(self):
        return os.system, ("touch was-run",)


def test_pickles_are_never_opened(folder, good, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    bomb = pickle.dumps(Ran())
    for name in ("pytorch_model.bin", "training_args.bin", "optimizer.pt", "vocab.pkl", "tokenizer.pkl"):
        (folder / name).write_bytes(bomb)
    assert not isinstance(outcome(folder, good), HeadscopeError)
    for path in folder.glob("*.safetensors*"):
        path.unlink()
    refused(folder, good, UnsafeModel, "only as a pickle")
    (folder / "model.safetensors").write_bytes(bomb)
    refused(folder, good, ModelNotFound, "")
    assert not (tmp_path / "was-run").exists()


def test_code_of_a_repository_is_never_run(folder, good):
    code = "import os\nos.system('touch was-run')\nraise SystemExit\n"
    for name in ("modeling_own.py", "configuration_own.py", "tokenization_own.py"):
        (folder / name).write_text(code)
    places = {
        "AutoConfig": "configuration_own.Own",
        "AutoModel": "modeling_own.Own",
        "AutoTokenizer": ["tokenization_own.Own", None],
    }
    change(folder / "tokenizer_config.json", auto_map=places)
    outcome(folder, good)
    change(folder / "config.json", auto_map=places, model_type="own")
    refused(folder, good, UnsafeModel, "needs code from its repository")
    change(folder / "config.json", auto_map={"AutoConfig": "other/repository--configuration_own.Own"}, model_type="own")
    refused(folder, good, UnsafeModel, "needs code from its repository")


@pytest.mark.parametrize(
    "values",
    [
        {"attn_implementation": "owner/kernel"}, {"_attn_implementation": "owner/kernel"},
        {"use_pretrained_backbone": True, "backbone": "resnet18"},
        {"text_config": {"attn_implementation": "owner/kernel:run"}},
    ],
)  # fmt: skip
def test_what_would_be_fetched_from_elsewhere_is_refused(values, folder, good):
    change(folder / "config.json", **values)
    refused(folder, good, UnsafeModel, "")


def test_an_adapter_is_refused_and_its_base_not_opened(folder, good):
    (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": str(good), "peft_type": "LORA"}))
    refused(folder, good, ModelNotFound, "is an adapter")


TOKENIZER_CONFIGS = [
    {"tokenizer_file": "../secret.json"}, {"vocab_file": "../secret.txt"}, {"fast_tokenizer_files": ["../secret.json"]},
    {"special_tokens_map_file": "../secret.json"}, {"name_or_path": "../"}, {"tokenizer_class": "os.system"},
    {"chat_template": "{% for x in range(10**9) %}{% endfor %}"}, {"added_tokens_decoder": {"-1": {"content": "x"}}},
    {"added_tokens_decoder": {str(10**12): {"content": "x"}}}, {"model_max_length": -5}, {"model_max_length": "x"},
]  # fmt: skip


@pytest.mark.parametrize("values", TOKENIZER_CONFIGS)
def test_a_tokenizer_config_that_leads_elsewhere(values, folder, good):
    absolute = {
        key: str((folder / value).resolve()) if str(value).startswith("../") else value for key, value in values.items()
    }
    for changed in (values, absolute):
        change(folder / "tokenizer_config.json", **changed)
        outcome(folder, good)


def test_a_wrong_tokenizer_and_a_missing_one(folder, good):
    trained("byte level").save_pretrained(folder)
    found = outcome(folder, good)
    assert isinstance(read_or_refused(lambda: record(found, "zzz ~ qqq")), HeadscopeError)
    for path in folder.glob("*token*"):
        path.unlink()
    refused(folder, good, ModelNotFound, "has no tokenizer")


def test_weights_of_other_shapes_and_numbers(folder, good):
    for shard in folder.glob("*.safetensors"):
        tensors = load_file(shard)
        save_file(
            {name: torch.full_like(value, float("nan")) for name, value in tensors.items()}, shard, {"format": "pt"}
        )
    outcome(folder, good)
    for shard in folder.glob("*.safetensors"):
        save_file({name: torch.zeros(1) for name in load_file(shard)}, shard, {"format": "pt"})
    refused(folder, good, ModelNotFound, "do not fit its config.json")


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "x" * 5000,
        "a\0b",
        "~nobody-of-this-name",
        "../" * 50,
        "//",
        "\ud800",
        "C:\\x",
        "file:///etc/passwd",
        "-",
        "a/b/c",
        "<b>",
    ],
)
def test_names_that_are_no_model(name, good):
    assert isinstance(
        outcome(name, good) if name.strip() else read_or_refused(lambda: load_model(name)), HeadscopeError
    )
