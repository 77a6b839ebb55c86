"""Streamed weights are those of recorded traces, and the model's output stays what it is."""

import pytest
import torch

from model import record, wrap
from model.encoding import encode
from model.errors import HeadscopeError
from model.weight_stream import IMPLEMENTATION, plan_of, stream_weights
from tests.tiny_models import BUILDERS, VOCABULARY, tiny, tiny_inputs

STREAMED = [name for name in BUILDERS if name != "bloom"]


def encodings(loaded, name: str, texts: int = 3, padding: str = "none"):
    """Return encodings of different texts of equal shapes."""
    found = []
    for seed in range(texts):
        inputs = tiny_inputs(name, padding)
        random = torch.Generator().manual_seed(seed)
        inputs["input_ids"] = torch.randint(3, VOCABULARY, inputs["input_ids"].shape, generator=random)
        found.append(encode(loaded, inputs))
    return found


def streamed(loaded, given, plan, **options):
    """Return by (stack, index) the streamed blocks."""
    blocks: dict = {}
    assert stream_weights(loaded, given, plan, lambda b: blocks.setdefault((b.stack, b.index), []).append(b), **options)
    return blocks


@pytest.mark.parametrize(
    ("name", "padding"),
    [*((name, "none") for name in STREAMED), *((name, "left") for name in ("bert", "gpt2", "gpt_oss"))],
)
def test_streamed_weights_and_masks_are_those_of_recorded_traces(name, padding):
    loaded = wrap(tiny(name))
    given = encodings(loaded, name, padding=padding)
    traces = [record(loaded, one.tensors) for one in given]
    # Blocks of three rows at most, of which the last is shorter.
    blocks = streamed(loaded, given, plan_of(loaded, traces[0]), block_bytes=4 * 3 * 4 * 11 * 3)
    assert set(blocks) == {(layer.stack, layer.index) for layer in traces[0].layers}
    assert any(len(found) > 1 for found in blocks.values())
    for text, trace in enumerate(traces):
        for layer in trace.layers:
            found = blocks[layer.stack, layer.index]
            whole = torch.cat([block.weights for block in found], dim=2)[text]
            sizes = [block.weights.shape[2] for block in found]
            assert [block.start for block in found] == [sum(sizes[:place]) for place in range(len(sizes))]
            assert [block.is_last for block in found] == [False] * (len(found) - 1) + [True]
            torch.testing.assert_close(whole, layer.weights(), atol=2e-6, rtol=0)
            allowed = found[0].allowed
            if allowed is None:
                assert bool(layer.allowed().all())
            else:
                assert torch.equal(allowed[min(text, allowed.shape[0] - 1), 0], layer.allowed())


@pytest.mark.parametrize("name", ["bert", "gpt2", "gemma2", "mistral", "gpt_oss", "t5", "marian"])
def test_the_model_returns_what_it_returns_without_streaming(name):
    loaded, outputs = wrap(tiny(name)), []
    given = encodings(loaded, name, texts=2)
    plan = plan_of(loaded, record(loaded, given[0].tensors))
    before = loaded.model.config._attn_implementation
    plain = loaded.model(
        **{key: torch.cat([one.tensors[key] for one in given]) for key in given[0].tensors}, use_cache=False
    )
    hook = loaded.model.register_forward_hook(lambda _module, _args, output: outputs.append(output))
    try:
        streamed(loaded, given, plan, block_bytes=1)
    finally:
        hook.remove()
    kind = "last_hidden_state" if name == "bert" else "logits"
    # Of a causal model's predictions the last alone are computed.
    expected, found = getattr(plain, kind), getattr(outputs[0], kind)
    torch.testing.assert_close(found, expected[:, -found.shape[1] :], atol=1e-5, rtol=1e-4)
    assert loaded.model.config._attn_implementation == before != IMPLEMENTATION


def test_a_family_outside_the_interface_is_not_streamed():
    loaded = wrap(tiny("bloom"))
    given = encodings(loaded, "bloom", texts=1)
    plan = plan_of(loaded, record(loaded, given[0].tensors))
    assert not stream_weights(loaded, given, plan, lambda _block: pytest.fail("nothing is observed"))


def test_a_plan_of_another_model_is_not_taken_for_exact():
    loaded, other = wrap(tiny("bert")), wrap(tiny("gpt2"))
    given = encodings(loaded, "bert", texts=1)
    plan = plan_of(other, record(other, tiny_inputs("gpt2")))
    assert not stream_weights(loaded, given, plan, lambda _block: None)


def test_what_the_observer_raises_comes_out_and_the_model_is_as_before():
    loaded = wrap(tiny("bert"))
    given = encodings(loaded, "bert", texts=1)
    plan = plan_of(loaded, record(loaded, given[0].tensors))

    def refuse(_block):
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more") as raised:
        stream_weights(loaded, given, plan, refuse)
    assert not isinstance(raised.value, HeadscopeError)
    assert loaded.model.config._attn_implementation == "sdpa"
    assert record(loaded, given[0].tensors).layers[0].source == "lazy"
