"""Progress, cancelling, and several threads on one model."""

import threading
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy

import numpy as np
import pytest
import torch

from model import record, recording, wrap
from model.errors import InputError
from tests.tiny_models import tiny, tiny_inputs
from tests.tiny_tokenizers import tiny_bert_for

FAMILIES = ["bert", "gpt2", "albert", "t5", "bloom", "gpt_oss"]
TEXTS = ["The animal didn't cross.", "it rains", "because the cats cross the street", "too tired"]


def settings(model):
    hooks = sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules())
    return hooks, model.config._attn_implementation, [module.training for module in model.modules()]


@pytest.mark.parametrize("name", FAMILIES)
def test_progress_rises_to_one(name):
    shares = []
    record(wrap(tiny(name)), tiny_inputs(name), progress=shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert shares[0] > 0
    if name == "t5":
        assert shares[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])


def test_progress_never_goes_back_where_a_model_is_run_twice(monkeypatch):
    monkeypatch.setattr(recording, "has_every_stack", lambda *_: False)
    shares = []
    trace = record(wrap(tiny("gpt2")), tiny_inputs("gpt2"), progress=shares.append)
    assert {layer.source for layer in trace.layers} == {"dense"}
    assert shares == pytest.approx([1 / 3, 2 / 3, 1, 1, 1, 1, 1])


def test_progress_reaches_one_where_some_blocks_never_run():
    model = deepcopy(tiny("gpt2"))
    model.unused = torch.nn.ModuleList([torch.nn.Identity()])
    shares = []
    record(wrap(model), tiny_inputs("gpt2"), progress=shares.append)
    assert shares == pytest.approx([1 / 4, 2 / 4, 3 / 4, 1])


class Stopped(Exception):
    pass


@pytest.mark.parametrize("kind", [Stopped, ValueError, RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("name", FAMILIES)
def test_what_progress_raises_cancels_the_run_and_comes_through(name, kind):
    model, inputs = tiny(name), tiny_inputs(name)
    expected = record(wrap(model), inputs).layer_attention(0, "encoder" if name == "t5" else None)
    before, shares = settings(model), []

    def stop(share):
        shares.append(share)
        raise kind("stop")

    with pytest.raises(kind, match="stop") as caught:
        record(wrap(model), inputs, progress=stop)
    assert type(caught.value) is kind
    assert len(shares) == 1
    assert settings(model) == before
    again = record(wrap(model), inputs).layer_attention(0, "encoder" if name == "t5" else None)
    assert np.array_equal(again, expected)


def test_an_error_inside_the_model_leaves_nothing_behind():
    model = tiny("gpt2")
    before = settings(model)
    handle = model.transformer.h[1].register_forward_pre_hook(lambda *_: (_ for _ in ()).throw(MemoryError("full")))
    try:
        with pytest.raises(InputError, match="ran out of memory"):
            record(wrap(model), tiny_inputs("gpt2"))
    finally:
        handle.remove()
    assert settings(model) == before


def test_dropout_is_off_while_recording_and_on_afterwards():
    model = tiny("bert")
    expected = record(wrap(model), tiny_inputs("bert")).layer_attention(2)
    model.train()
    model.pooler.eval()
    before = settings(model)
    try:
        assert np.array_equal(record(wrap(model), tiny_inputs("bert")).layer_attention(2), expected)
        assert settings(model) == before
    finally:
        model.eval()


def together(tasks):
    """Run all tasks at once, each in a thread of its own, several times over; return the last results in order."""
    barrier = threading.Barrier(len(tasks))

    def begin(task):
        barrier.wait()
        return [task() for _ in range(6)][-1]

    with ThreadPoolExecutor(len(tasks)) as pool:
        return [future.result() for future in [pool.submit(begin, task) for task in tasks]]


def test_threads_on_one_model_get_their_own_results():
    loaded = tiny_bert_for("word piece")
    expected = [record(loaded, text) for text in TEXTS]
    found = together([lambda text=text: record(loaded, text) for text in TEXTS])
    for mine, theirs in zip(found, expected, strict=True):
        assert mine.provenance.text == theirs.provenance.text
        assert mine.query_tokens(0) == theirs.query_tokens(0)
        assert [layer.index for layer in mine.layers] == [0, 1, 2]
        assert all(np.array_equal(mine.layer_attention(i), theirs.layer_attention(i)) for i in range(3))


def test_threads_with_wrappings_of_their_own_wait_for_each_other():
    model, inputs = tiny("gpt2"), tiny_inputs("gpt2")
    before, expected = settings(model), record(wrap(model), inputs).layer_attention(1)
    assert wrap(model).lock is wrap(model).lock
    assert wrap(model).lock is not wrap(tiny("bert")).lock
    for trace in together([lambda: record(wrap(model), inputs)] * 4):
        assert [layer.index for layer in trace.layers] == [0, 1, 2]
        assert np.array_equal(trace.layer_attention(1), expected)
    assert settings(model) == before


def test_a_plain_run_in_another_thread_is_neither_recorded_nor_changed():
    model = tiny("gpt2")
    plain = {"input_ids": torch.tensor([[4, 5, 6]])}
    with torch.no_grad():
        expected = model(**plain).logits
    attention = record(wrap(model), tiny_inputs("gpt2")).layer_attention(2)

    def run_plain():
        with torch.no_grad():
            return [model(**plain).logits for _ in range(4)][-1]

    logits, trace = together([run_plain, lambda: record(wrap(model), tiny_inputs("gpt2"))])
    torch.testing.assert_close(logits, expected, atol=1e-5, rtol=1e-5)
    assert [layer.shape for layer in trace.layers] == [(4, 11, 11)] * 3
    assert len(trace.hidden_states()) == 4
    assert np.array_equal(trace.layer_attention(2), attention)


def test_a_plain_run_in_the_middle_of_a_recording_is_not_recorded():
    model, inside = tiny("gpt2"), []

    def run_elsewhere(_share):
        thread = threading.Thread(target=lambda: inside.append(model(input_ids=torch.tensor([[4, 5, 6]])).logits))
        thread.start()
        thread.join()

    trace = record(wrap(model), tiny_inputs("gpt2"), progress=run_elsewhere)
    assert len(inside) >= 3
    assert [layer.shape for layer in trace.layers] == [(4, 11, 11)] * 3
    torch.testing.assert_close(inside[0], model(input_ids=torch.tensor([[4, 5, 6]])).logits, atol=1e-5, rtol=1e-5)
