"""An overview that is made while the model runs is the one that its trace gives, in every family and under every mask."""

import numpy as np
import pytest
import torch

from model import record, wrap
from model.analysis import mask_facts as masks
from model.analysis.thumbnails import MASKED_CODE, encode_tiles, head_thumbnails, tile_size
from model.errors import HeadscopeError, InputError
from model.head_watch import HeadWatch
from model.interventions import UniformHeads
from model.layers import DenseLayer
from model.overview import head_statistics_of, record_overview
from tests.test_head_statistics import NAMES, by_hand
from tests.tiny_models import BUILDERS, tiny, tiny_inputs

PADDED = ("bert", "gpt2", "mistral", "gpt_oss", "gemma2", "t5", "bloom")
CASES = [
    *((name, "none") for name in BUILDERS),
    *((name, "left") for name in PADDED),
    ("bert", "right"),
    ("bart", "right"),
]


@pytest.fixture(params=[None, 3 * 4 * 11], ids=["one block", "blocks of few rows"])
def small_blocks(request, monkeypatch):
    """Blocks of three rows of one head, and masks looked at two rows at a time; or everything at once."""
    if request.param is not None:
        monkeypatch.setattr("model.blocked_attention.BLOCK_BYTES", request.param)
        monkeypatch.setattr(masks, "_BLOCK_ENTRIES", 22)


def assert_same_overview(overview, trace):
    for stack in trace.stacks:
        for place, layer in enumerate(trace.of_stack(stack)):
            expected = by_hand(
                layer.weights().numpy(), [layer.allowed(head).numpy() for head in range(layer.heads)], stack
            )
            for name in NAMES:
                found = getattr(overview.statistics[stack], name)[place]
                np.testing.assert_allclose(found, expected[name], atol=2e-6, err_msg=f"{name} of {stack} {place}")
        for pooling in ("maximum", "mean"):
            found, expected = overview.thumbnails(stack, pooling), head_thumbnails(trace, stack=stack, pooling=pooling)
            assert np.array_equal(found.tiles == MASKED_CODE, expected.tiles == MASKED_CODE)
            assert abs(found.tiles.astype(int) - expected.tiles).max() <= 1
            assert found.layers == expected.layers
            assert found.axes.query_tokens == expected.axes.query_tokens
            np.testing.assert_allclose(found.maxima, expected.maxima, atol=2e-6)
            assert found.pooling == pooling


@pytest.mark.parametrize(("name", "padding"), CASES)
@pytest.mark.usefixtures("small_blocks")
def test_the_overview_is_that_of_the_trace(name, padding):
    loaded, inputs = wrap(tiny(name)), tiny_inputs(name, padding)
    trace, overview = record(loaded, inputs), record_overview(loaded, inputs)
    assert_same_overview(overview, trace)
    # Also the recorded trace itself, whose later layers had the output of blocks as their input.
    for one, other in zip(trace.layers, overview.trace.layers, strict=True):
        torch.testing.assert_close(one.weights(), other.weights(), atol=2e-6, rtol=0)
    assert overview.trace.tokens == trace.tokens
    for side, states in trace.states.items():
        for one, other in zip(states, overview.trace.states[side], strict=True):
            torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)
    alone = head_statistics_of(loaded, inputs)
    for stack in trace.stacks:
        for field in NAMES:
            found, expected = (getattr(one[stack], field) for one in (alone, overview.statistics))
            np.testing.assert_allclose(found, expected, atol=1e-6)


def test_lazy_families_are_seen_while_they_run_and_the_others_afterwards(monkeypatch):
    seen, attend = [], HeadWatch.attend
    monkeypatch.setattr(HeadWatch, "attend", lambda self, *given: seen.append(self) or attend(self, *given))
    for name, layers in (("gpt2", 3), ("t5", 8), ("gemma2", 3), ("bloom", 0)):
        seen.clear()
        record_overview(wrap(tiny(name)), tiny_inputs(name))
        assert len(seen) == layers, name
    # Every attempt has a watch of its own.
    seen.clear()
    record_overview(wrap(tiny("gpt2")), tiny_inputs("gpt2"))
    record_overview(wrap(tiny("gpt2")), tiny_inputs("gpt2"))
    assert len({id(watch) for watch in seen}) == 2


@pytest.mark.parametrize("length", [64, 65, 150, 192])
@pytest.mark.parametrize("name", ["gpt2", "mistral"])
def test_tiles_of_longer_texts(name, length, monkeypatch):
    import transformers as t

    monkeypatch.setattr("model.blocked_attention.BLOCK_BYTES", 4 * length * 37)
    torch.manual_seed(2)
    if name == "gpt2":
        config = t.GPT2Config(
            vocab_size=99, n_embd=32, n_layer=2, n_head=4, n_positions=256, bos_token_id=1, eos_token_id=2
        )
        model = t.GPT2Model(config).eval()
    else:
        model = t.MistralModel(t.MistralConfig(
            vocab_size=99, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48, head_dim=8,
            num_key_value_heads=2, sliding_window=20, max_position_embeddings=256,
        )).eval()  # fmt: skip
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(4)
    inputs = {"input_ids": torch.randint(0, 99, (1, length))}
    overview, trace = record_overview(wrap(model), inputs), record(wrap(model), inputs)
    assert_same_overview(overview, trace)
    assert overview.thumbnails().tiles.shape[2:] == (64, 64)
    # The maxima once more without any code that is shared: cells from ceil(cell * length / 64).
    starts = [-(-cell * length // 64) for cell in range(64)]
    weights, mask = trace.layer_attention(1), trace.mask(1)
    pooled = np.maximum.reduceat(np.maximum.reduceat(weights * mask, starts, axis=1), starts, axis=2)
    allowed = np.logical_or.reduceat(np.logical_or.reduceat(mask, starts, axis=0), starts, axis=1)
    assert abs(encode_tiles(pooled, allowed).astype(int) - overview.thumbnails().tiles[1]).max() <= 1


def test_tiles_of_another_size_than_expected_are_made_from_the_trace(monkeypatch):
    # The run expects twice as many layers as there are.
    attend = HeadWatch.attend
    monkeypatch.setattr(HeadWatch, "attend", lambda self, layers, beside, value: attend(self, layers, 200, value))
    assert tile_size(800) < 64 == tile_size(12)
    loaded, inputs = wrap(tiny("bert")), tiny_inputs("bert", length=40)
    assert_same_overview(record_overview(loaded, inputs), record(loaded, inputs))


def test_interventions_are_seen_too():
    loaded, inputs = wrap(tiny("gpt2")), tiny_inputs("gpt2")
    changes = (UniformHeads(None, 1, (2,)),)
    overview = record_overview(loaded, inputs, interventions=changes)
    assert_same_overview(overview, record(loaded, inputs, interventions=changes))
    assert overview.trace.provenance.interventions


def test_a_memory_budget_and_an_overview_go_together():
    loaded, inputs = wrap(tiny("llama")), tiny_inputs("llama")
    overview = record_overview(loaded, inputs, memory_budget=0)
    assert overview.trace.nbytes == 0
    assert_same_overview(overview, record(loaded, inputs))


@pytest.mark.parametrize("name", ["gpt2", "bloom"])
def test_progress_rises_to_one_and_cancels(name):
    loaded, told = wrap(tiny(name)), []
    record_overview(loaded, tiny_inputs(name), progress=told.append)
    assert told == sorted(told)
    assert len(told) >= 3
    assert told[-1] == 1

    def stop(share):
        if share > 0.3:
            raise KeyError("stop")

    with pytest.raises(KeyError, match="stop"):
        record_overview(loaded, tiny_inputs(name), progress=stop)
    if name == "gpt2":
        with pytest.raises(KeyError, match="stop"):
            head_statistics_of(loaded, tiny_inputs(name), progress=stop)
        assert record(loaded, tiny_inputs(name)).layers[0].source == "lazy"


def test_nothing_is_kept_beside_the_statistics(monkeypatch):
    found = []
    saw = HeadWatch.saw
    monkeypatch.setattr(HeadWatch, "saw", lambda self, layers: found.extend(layers) or saw(self, layers))
    head_statistics_of(wrap(tiny("gpt2")), tiny_inputs("gpt2"))
    assert len(found) == 3
    assert all(layer.tensors() == {} for layer in found)


def test_bad_input_is_a_sentence():
    overview = record_overview(wrap(tiny("bert")), tiny_inputs("bert"))
    with pytest.raises(HeadscopeError, match="There is no pooling “median”"):
        overview.thumbnails(pooling="median")
    with pytest.raises(HeadscopeError, match="no decoder attention"):
        overview.thumbnails("decoder")
    with pytest.raises(InputError):
        record_overview(wrap(tiny("bert")), {"input_ids": torch.zeros(1, 500, dtype=torch.long)})
    assert not any(isinstance(layer, DenseLayer) for layer in overview.trace.layers)
