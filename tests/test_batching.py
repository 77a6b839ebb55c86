"""Texts that run together give the traces that each gives alone; whatever cannot run together runs text by text."""

import copy
import threading

import numpy as np
import pytest
import torch
import transformers as t
from transformers.models.llama import modeling_llama

from model import record, wrap
from model.attention_interface import IMPLEMENTATION, collecting
from model.batching import record_batches
from model.errors import InputError, NoAttention, TextTooLong
from model.recording import collected, running_alone
from tests.generation_models import generator
from tests.registry_models import build
from tests.tiny_models import ENCODER_DECODERS, VOCABULARY, tiny, tiny_inputs
from tests.tiny_tokenizers import trained

# How the tokenizer splits a word is not the same in every run; the same words in another order are as many tokens.
TEXTS = [
    "the cats cross the street because it rains",
    "it rains",
    "because it rains the cats cross the street",
    "the animal was too tired",
    "rains it",
    "the",
    "because the street rains it cross the cats",
    "too tired was the animal",
]
EAGER = modeling_llama.eager_attention_forward


def loaded(name, model=None):
    """Return a tiny model of a family with a tokenizer whose entries fit it."""
    tokenizer = copy.deepcopy(trained("word piece"))
    tokenizer.model_input_names = ["input_ids", "attention_mask"]
    return wrap(model or (generator(name) if name in ("t5", "marian") else tiny(name)), tokenizer)


@pytest.fixture
def runs(request):
    """The shape of the ids in every forward pass of the tiny model of a family."""
    shapes = []

    def begin(name):
        hook = tiny(name).register_forward_pre_hook(
            lambda _module, _args, given: shapes.append(tuple(given["input_ids"].shape)), with_kwargs=True
        )
        request.addfinalizer(hook.remove)
        return shapes

    return begin


def settings(model):
    hooks = sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules())
    return hooks, model.config._attn_implementation, [module.training for module in model.modules()]


def assert_same(trace, expected):
    assert trace.tokens == expected.tokens
    assert trace.provenance == expected.provenance
    assert trace.stacks == expected.stacks
    assert set(trace.states) == set(expected.states)
    for found, layer in zip(trace.layers, expected.layers, strict=True):
        assert (found.stack, found.index, found.module, found.source) == (
            layer.stack, layer.index, layer.module, layer.source,
        )  # fmt: skip
        assert abs(found.weights() - layer.weights()).max() < 1e-5
        assert all(torch.equal(found.allowed(head), layer.allowed(head)) for head in range(layer.heads))
        if layer.source == "lazy":
            torch.testing.assert_close(found.value, layer.value, atol=1e-4, rtol=1e-4)
    for side, stream in expected.states.items():
        for found, state in zip(trace.states[side], stream, strict=True):
            torch.testing.assert_close(found, state, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    "name",
    ["bert", "albert", "modernbert", "gpt2", "opt", "llama", "mistral", "gemma2", "gpt_oss", "bloom", "t5", "marian"],
)
def test_every_trace_is_what_record_gives(name):
    model, texts = loaded(name), TEXTS[:2] if name in ENCODER_DECODERS else TEXTS
    before = settings(model.model)
    traces = dict(record_batches(model, texts))
    assert settings(model.model) == before
    assert sorted(traces) == list(range(len(texts)))
    for index, text in enumerate(texts):
        assert_same(traces[index], record(model, text))


def test_texts_of_one_length_run_together_and_the_shorter_ones_first(runs):
    model, shapes = loaded("bert"), runs("bert")
    lengths = [len(trained("word piece")(text)["input_ids"]) for text in TEXTS]
    order = [index for index, _ in record_batches(model, TEXTS)]
    assert [lengths[index] for index in order] == sorted(lengths)
    assert sorted(shapes) == sorted((lengths.count(length), length) for length in set(lengths))
    assert max(entries for entries, _ in shapes) > 1


@pytest.mark.parametrize(
    ("lengths", "less", "entries"), [(2, 0, [2, 2, 1]), (2, 1, [1] * 5), (0, 0, [1] * 5), (9, 0, [5])]
)
def test_a_batch_has_at_most_so_many_tokens_or_one_text(runs, lengths, less, entries):
    model, shapes = loaded("gpt2"), runs("gpt2")
    length = len(trained("word piece")(TEXTS[3])["input_ids"])
    given = record_batches(model, [TEXTS[3]] * 5, batch_tokens=lengths * length - less)
    assert [index for index, _ in given] == [0, 1, 2, 3, 4]
    assert shapes == [(count, length) for count in entries]


@pytest.mark.parametrize("name", ["bert", "mistral"])
def test_a_trace_owns_its_memory_and_says_how_much(name):
    model, texts = loaded(name), ["the street was too tired", "too tired was the street"]
    traces = [trace for _, trace in record_batches(model, texts)]
    owned = [
        {tensor.untyped_storage().data_ptr() for layer in trace.layers for tensor in layer.tensors().values()}
        | {state.untyped_storage().data_ptr() for stream in trace.states.values() for state in stream}
        for trace in traces
    ]
    assert owned[0].isdisjoint(owned[1])
    for trace, text in zip(traces, texts, strict=True):
        assert trace.nbytes == record(model, text).nbytes


@pytest.mark.parametrize("name", ["bert", "bloom", "marian"])
def test_progress_rises_to_one(name):
    shares, texts = [], TEXTS[:2] if name in ENCODER_DECODERS else TEXTS
    list(record_batches(loaded(name), texts, progress=shares.append))
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert 0 < shares[0] < 0.2
    assert len(set(shares)) > len(texts)


def test_no_texts_are_no_traces():
    shares = []
    assert list(record_batches(loaded("bert"), [], progress=shares.append)) == []
    assert shares == [1.0]


@pytest.mark.parametrize("kind", [RuntimeError, ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("calls", [1, len(TEXTS) + 2])
@pytest.mark.parametrize("name", ["bert", "bloom"])
def test_what_progress_raises_cancels(name, calls, kind):
    model, shares, failed = loaded(name), [], []
    before = settings(model.model)

    def stop(share):
        shares.append(share)
        if len(shares) == calls:
            raise kind("stop")

    with pytest.raises(kind, match="stop"):
        list(record_batches(model, TEXTS, progress=stop, on_error=lambda *error: failed.append(error)))
    assert len(shares) == calls
    assert failed == []
    assert settings(model.model) == before
    assert is_free(model.lock)


def test_a_text_that_cannot_be_run_raises_or_is_left_out():
    texts = [TEXTS[0], "rains " * 80, " ", TEXTS[2]]
    with pytest.raises(TextTooLong):
        list(record_batches(loaded("bert"), texts))
    errors, shares = {}, []
    traces = dict(record_batches(loaded("bert"), texts, on_error=errors.__setitem__, progress=shares.append))
    assert sorted(traces) == [0, 3]
    assert {index: type(error) for index, error in errors.items()} == {1: TextTooLong, 2: InputError}
    assert errors[1].limit == 64
    assert shares[-1] == 1.0


def test_an_encoder_decoder_leaves_out_what_it_cannot_read():
    errors = {}
    traces = dict(record_batches(loaded("marian"), [" ", TEXTS[1]], on_error=errors.__setitem__))
    assert list(traces) == [1]
    assert list(errors) == [0]


def test_a_model_without_a_map_is_no_error_of_a_text():
    config = t.FNetConfig(vocab_size=VOCABULARY, hidden_size=16, num_hidden_layers=1, intermediate_size=16)
    errors, model = {}, loaded("fnet", t.FNetModel(config).eval())
    with pytest.raises(NoAttention):
        list(record_batches(model, ["it"], on_error=errors.__setitem__))
    assert errors == {}


def is_free(lock) -> bool:
    """Say whether another thread could take the lock now."""
    found = []

    def take():
        found.append(lock.acquire(blocking=False))
        if found[0]:
            lock.release()

    thread = threading.Thread(target=take)
    thread.start()
    thread.join()
    return found[0]


@pytest.mark.parametrize("name", ["bert", "bloom", "marian"])
def test_the_model_is_free_and_unchanged_while_the_caller_has_a_trace(name):
    model, taken, texts = loaded(name), [], TEXTS[:2] if name in ENCODER_DECODERS else TEXTS
    model.model.train()
    before = settings(model.model)
    try:
        for index, trace in record_batches(model, texts, progress=lambda _: taken.append(not is_free(model.lock))):
            assert is_free(model.lock)
            assert settings(model.model) == before
            assert torch.is_grad_enabled()
            assert_same(trace, record(model, texts[index]))
    finally:
        model.model.eval()
    assert any(taken)


def test_an_iteration_that_is_given_up_leaves_nothing_behind():
    model = loaded("gpt2")
    before = settings(model.model)
    iteration = record_batches(model, TEXTS)
    next(iteration)
    iteration.close()
    assert settings(model.model) == before
    assert is_free(model.lock)


def test_what_fails_in_a_batch_runs_text_by_text(runs):
    model, shapes = loaded("llama"), runs("llama")

    def refuse(_module, args):
        if args and args[0].shape[0] > 1:
            raise RuntimeError("one at a time")

    hook = model.model.model.layers[1].register_forward_pre_hook(refuse)
    try:
        traces = dict(record_batches(model, TEXTS))
    finally:
        hook.remove()
    assert sum(entries > 1 for entries, _ in shapes) == 1
    for index, text in enumerate(TEXTS):
        assert_same(traces[index], record(model, text))


def sharper(module, query, key, value, attention_mask, scaling, **options):
    """Return eager attention of another formula than softmax(scaling * q.k)."""
    return EAGER(module, query, key, value, attention_mask, 2 * scaling, **options)


def test_a_family_with_a_formula_of_its_own_is_recorded_as_it_returns_its_weights(monkeypatch, runs):
    monkeypatch.setattr(modeling_llama, "eager_attention_forward", sharper)
    shapes = runs("llama")
    traces = dict(record_batches(loaded("llama"), TEXTS))
    assert {layer.source for trace in traces.values() for layer in trace.layers} == {"dense"}
    assert sum(entries > 1 for entries, _ in shapes) == 1
    assert_same(traces[0], record(loaded("llama"), TEXTS[0]))


@pytest.mark.parametrize("wrong", [0, 2])
def test_every_entry_of_a_batch_is_compared_with_eager_attention(monkeypatch, wrong):
    def sharper_in_one(module, query, key, value, attention_mask, scaling, **options):
        scalings = torch.full((len(query), 1, 1, 1), float(scaling))
        scalings[wrong] *= 2
        return EAGER(module, query * scalings, key, value, attention_mask, 1.0, **options)

    model = tiny("llama")
    ids = torch.cat([tiny_inputs("llama")["input_ids"] + shift for shift in range(3)]) % VOCABULARY
    for eager, agrees in ((EAGER, True), (sharper_in_one, False)):
        monkeypatch.setattr(modeling_llama, "eager_attention_forward", eager)
        with torch.no_grad(), collecting(model, IMPLEMENTATION, batch=3) as collector:
            model(input_ids=ids)
        assert collector._off
        assert collector.agrees == agrees


def test_sinks_that_differ_between_heads_agree_in_a_batch():
    model = copy.deepcopy(tiny("gpt_oss"))
    with torch.no_grad():
        for block in model.model.layers:
            block.self_attn.sinks.copy_(torch.tensor([-3.0, -1.0, 1.0, 3.0]))
    traces = dict(record_batches(loaded("gpt_oss", model), TEXTS))
    assert {layer.source for trace in traces.values() for layer in trace.layers} == {"lazy"}
    with running_alone(wrap(model)), collecting(model, IMPLEMENTATION, batch=2) as collector:
        model(input_ids=torch.tensor([[5, 6, 7], [8, 9, 4]]))
    assert collector._off
    assert collector.agrees


def test_blocks_without_attention_need_no_batch():
    # The rotary embeddings of this family are a list of modules too, and what they return is the same for all entries.
    model = wrap(build("granite_swa"))
    with running_alone(model):
        collector = collected(model, {"input_ids": torch.tensor([[5, 6, 7], [8, 9, 4]])}, None, batch=2)
    for ids, entry in zip(([5, 6, 7], [8, 9, 4]), collector.entries, strict=True):
        alone = record(model, {"input_ids": torch.tensor([ids])})
        assert {side: len(stream) for side, stream in entry.states().items()} == {"decoder": len(alone.layers) + 1}
        for layer, expected in zip(entry.layers, alone.layers, strict=True):
            np.testing.assert_allclose(layer.weights(), expected.weights(), atol=1e-5)


def test_hidden_states_that_are_not_a_batch_are_not_shared_out():
    model = copy.deepcopy(tiny("gpt2"))
    for block in model.transformer.h:
        block.register_forward_hook(lambda _module, _args, output: output.reshape(1, -1, output.shape[-1]))
        block.register_forward_pre_hook(lambda _module, args: (args[0].reshape(2, 3, -1), *args[1:]))
    model.transformer.ln_f.register_forward_pre_hook(lambda _module, args: args[0].reshape(2, 3, -1))
    with running_alone(wrap(model)), collecting(model, IMPLEMENTATION, batch=2) as collector:
        model(input_ids=torch.tensor([[5, 6, 7], [8, 9, 4]]))
    assert collector.exact
    assert not collector.agrees
