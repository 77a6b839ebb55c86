"""Value zeroing: nothing where nobody attends, and what a run of the whole model with that value at zero gives."""

import numpy as np
import pytest
import torch

from model.attention_interface import attention_implementation
from model.encoding import encode
from model.errors import HeadscopeError
from model.intervening import layer_plan
from model.lazy_capture import forward
from model.loading import wrap
from model.part_changes import PartChanges, changing_parts
from model.relevance import copies
from model.relevance import value_zeroing as module_under_test
from model.relevance.value_zeroing import stacked, value_zeroing
from tests.tiny_models import FIRST_FAMILIES, tiny, tiny_inputs


def zeroed(name: str, padding: str = "none"):
    loaded = wrap(tiny(name))
    encoding = encode(loaded, tiny_inputs(name, padding))
    return loaded, encoding, value_zeroing(loaded, encoding)


@pytest.mark.parametrize("name", [*FIRST_FAMILIES, "gpt_oss"])
def test_every_layer_of_every_family_by_whole_runs(name):
    loaded, encoding, found = zeroed(name)
    plan = layer_plan(loaded)
    assert set(found) == set(plan.heads)
    place, key = max(found, key=lambda one: (one[1], one[0])), 2
    plain, other = (_states(loaded, encoding, plan, place, at) for at in (None, key))
    expected = 1 - torch.cosine_similarity(plain.double(), other.double(), dim=-1)
    assert found[place][:, key] == pytest.approx(expected.numpy(), rel=1e-2, abs=3e-7)
    assert np.isfinite(found[place]).all()
    assert found[place].max() > 1e-5


def _states(loaded, encoding, plan, place, key):
    """Return the output of the block of a layer, in a run of the whole model with one value of that layer at zero."""
    module = next(name for name, places in plan.calls.items() if place in places)
    wanted, call, calls, kept = loaded.model.get_submodule(module), plan.calls[module].index(place), [], []
    blocks = [name for name, _ in loaded.model.named_modules() if module.startswith(f"{name}.") and name[-1:].isdigit()]
    block = loaded.model.get_submodule(min(blocks, key=len))

    def zero(other, value):
        if other is wanted:
            calls.append(other)
            if len(calls) == call + 1 and key is not None:
                value = value.clone()
                value[:, :, key] = 0
        return value

    hook = block.register_forward_hook(lambda _m, _a, out: kept.append(out[0] if isinstance(out, tuple) else out))
    try:
        implementation = attention_implementation(loaded.model, plan.implementation)
        with torch.no_grad(), implementation, changing_parts(PartChanges(value=zero)):
            forward(loaded, encoding.tensors, None)
    finally:
        hook.remove()
    return kept[call][0].float()


@pytest.mark.parametrize("name", ["bert", "marian"])
def test_a_token_that_nobody_attends_to_changes_nothing(name):
    _, _, found = zeroed(name, "right")
    stack = "encoder" if name == "bert" else "cross"
    maps = stacked(found, stack)
    assert (maps[:, :, -3:] == 0).all()
    assert (maps[:, :, :-3].max(axis=(1, 2)) > 0).all()


@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_later_tokens_change_nothing_in_a_decoder(name):
    maps = stacked(zeroed(name)[2], "decoder")
    assert (np.triu(maps, k=1) == 0).all()
    assert (np.diagonal(maps, axis1=1, axis2=2) > 0).all()


def test_copies_in_pieces_give_the_same(monkeypatch):
    whole = zeroed("bert")[2]
    monkeypatch.setitem(copies._BATCH_TOKENS, "cpu", 25)
    pieces = zeroed("bert")[2]
    assert stacked(pieces, "encoder") == pytest.approx(stacked(whole, "encoder"), abs=1e-6)


def test_limits_and_cancelling(monkeypatch):
    loaded, encoding, _ = zeroed("gpt2")
    with pytest.raises(HeadscopeError, match="no cross"):
        value_zeroing(loaded, encoding, stack="cross")

    def stop(share):
        raise KeyError(share)

    with pytest.raises(KeyError):
        value_zeroing(loaded, encoding, progress=stop)
    monkeypatch.setattr(module_under_test, "MOST_TOKENS", 10)
    with pytest.raises(HeadscopeError, match="at most 10 tokens"):
        value_zeroing(loaded, encoding)
