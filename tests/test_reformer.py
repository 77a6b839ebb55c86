"""Reformer: its chunks and hash rounds put together are the map that the module itself applied to its values."""

import pytest
import torch
import transformers as t

from model import record
from tests.test_unfolding import wrap

SMALL = dict(
    vocab_size=40, hidden_size=32, num_attention_heads=2, attention_head_size=16, feed_forward_size=48,
    axial_pos_embds=False, max_position_embeddings=64, local_attn_chunk_length=4, lsh_attn_chunk_length=8, num_buckets=4,
    hash_seed=3, attn_layers=["local", "lsh", "lsh", "local"], pad_token_id=0,
)  # fmt: skip


def reformer(rounds: int, causal: bool, **sizes):
    torch.manual_seed(1)
    config = t.ReformerConfig(**(SMALL | dict(num_hashes=rounds, is_decoder=causal) | sizes))
    model = (t.ReformerModelWithLMHead if causal else t.ReformerModel)(config).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return model


def inputs(tokens: int, padding: int = 0):
    ids = torch.arange(1, tokens + 1)[None] * 7 % 39 + 1
    mask = torch.ones_like(ids)
    if padding:
        mask[:, -padding:] = 0
    return {"input_ids": ids, "attention_mask": mask}


def attentions(model):
    return [module for name, module in model.named_modules() if name.endswith("self_attention")]


def recorded(model, tensors):
    """Return a trace and, per layer of its run, the values [head, key, d_head] and outputs [head, query, d_head]."""
    seen = []

    def keep(module, args, kwargs, output):
        values = module.value(kwargs["hidden_states"])
        seen.append([part[0].unflatten(1, (2, -1)).transpose(0, 1) for part in (values, output.hidden_states)])

    hooks = [module.register_forward_hook(keep, with_kwargs=True) for module in attentions(model)]
    trace = record(wrap(model), tensors)
    for hook in hooks:
        hook.remove()
    return trace, seen[-len(hooks) :]


def largest_difference(trace, seen, real: int) -> float:
    """Return how far map times values is from what a module handed on, over the tokens that are no padding."""
    return max(
        float((layer.weights()[:, :real] @ values[:, : layer.shape[2]] - output[:, :real]).abs().max())
        for layer, (values, output) in zip(trace.layers, seen, strict=True)
    )


@pytest.mark.parametrize("padding", [0, 3])
@pytest.mark.parametrize("tokens", [3, 6, 8, 21, 32])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("rounds", [1, 2])
def test_map_times_values_is_what_the_module_hands_on(rounds, causal, tokens, padding):
    if padding >= tokens:
        pytest.skip("nothing but padding")
    model = reformer(rounds, causal)
    trace, seen = recorded(model, inputs(tokens, padding))
    real = tokens - padding
    layers = trace.of_stack("decoder" if causal and real > 1 else "encoder")
    assert [layer.index for layer in layers] == [0, 1, 2, 3]
    assert largest_difference(trace, seen, real) < 1e-5
    for layer in layers:
        assert layer.shape == (2, tokens, tokens)
        # A token that sees only itself has a logit of -1e5, of which float32 keeps two decimals: so do its rounds' shares.
        assert torch.allclose(layer.weights()[:, :real].sum(-1), torch.ones(2, real), atol=0.01)
        assert not any(layer.allowed(head)[:, real:].any() or layer.allowed(head)[real:].any() for head in range(2))


@pytest.mark.parametrize("rounds", [1, 2])
def test_what_lies_in_other_chunks_is_not_attended_to(rounds):
    trace = record(wrap(reformer(rounds, causal=True)), inputs(32))
    chunk = torch.arange(32) // 4
    near = (chunk[:, None] - chunk[None, :]).abs() <= 1
    lower = torch.ones(32, 32, dtype=torch.bool).tril()
    for layer in trace.layers:
        for head in range(2):
            assert not layer.weights(head)[~layer.allowed(head)].any()
            assert not (layer.allowed(head) & ~lower).any()
    assert torch.equal(trace.layers[0].allowed(), near & lower)
    assert (trace.layers[1].allowed() & ~near).any()
    assert (lower & ~trace.layers[1].allowed()).sum() > 32


def test_nothing_is_left_on_the_model():
    model = reformer(2, causal=False)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    record(wrap(model), inputs(21))
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_random_numbers_outside_go_on():
    model = reformer(2, causal=False)
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    record(wrap(model), inputs(21))
    assert torch.equal(torch.rand(3), expected)


def test_hashes_that_change_from_run_to_run_fit_their_own_run():
    trace, seen = recorded(reformer(2, causal=False, hash_seed=None, num_buckets=None), inputs(21))
    assert largest_difference(trace, seen, 21) < 1e-5


def test_the_model_answers_as_before():
    model = reformer(2, causal=False)
    with torch.no_grad():
        expected = model(**inputs(21), use_cache=False, output_hidden_states=True).hidden_states[-1]
    record(wrap(model), inputs(21))
    with torch.no_grad():
        after = model(**inputs(21), use_cache=False, output_hidden_states=True).hidden_states[-1]
    assert torch.equal(expected, after)
