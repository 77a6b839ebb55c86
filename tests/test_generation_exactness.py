"""A generation's trace is one full forward over its ids, and what the model computed token by token with its cache."""

import pytest
import torch

from model import record_generation, wrap
from model.attention_interface import attention_implementation
from tests.generation_models import DECODERS, ENCODER_DECODERS, generator, prompt_of

TOLERANCE = 1e-5
METHODS = ("greedy", "sampled", "beam")
FIELDS = {"encoder": "encoder_attentions", "decoder": "decoder_attentions", "cross": "cross_attentions"}
FAMILIES = [(name, "none") for name in (*DECODERS, *ENCODER_DECODERS)] + [
    (name, "left") for name in ("gpt2", "opt", "llama", "mistral", "bloom", "bart", "t5")
]


@pytest.fixture(scope="module", params=[(*family, method) for family in FAMILIES for method in METHODS], ids=str)
def generated(request):
    """A family, its prompt, what it wrote and the tensors of the finished sequence."""
    name, padding, method = request.param
    prompt = prompt_of(name, padding)
    generation = record_generation(wrap(generator(name)), prompt, max_new_tokens=9, method=method, beams=3, seed=1)
    ids = torch.tensor([[token.id for token in generation.trace.tokens["decoder"]]])
    if name in ENCODER_DECODERS:
        return name, prompt, generation, prompt | {"decoder_input_ids": ids}
    mask = torch.nn.functional.pad(prompt["attention_mask"], (0, len(generation.steps)), value=1)
    whole = {"input_ids": ids, "attention_mask": mask}
    if padding == "left" and name != "bloom":
        # BLOOM counts from its mask by itself.
        whole["position_ids"] = (mask.cumsum(-1) - 1).clamp(min=0)
    return name, prompt, generation, whole


def test_the_trace_covers_the_prompt_and_the_new_tokens(generated):
    name, prompt, generation, whole = generated
    given = prompt["input_ids"][0].tolist()
    assert generation.prompt_length == len(given)
    assert generation.trace.stacks == (("encoder", "decoder", "cross") if name in ENCODER_DECODERS else ("decoder",))
    if name in ENCODER_DECODERS:
        assert [token.id for token in generation.trace.tokens["encoder"]] == given
        given = [generator(name).config.decoder_start_token_id]
    new = [step.token.id for step in generation.steps]
    assert 1 <= len(new) <= 9
    assert whole["decoder_input_ids" if name in ENCODER_DECODERS else "input_ids"][0].tolist() == given + new
    assert [step.position for step in generation.steps] == list(range(len(given), len(given) + len(new)))
    sequence = generation.trace.tokens["decoder"]
    assert all(step.token == sequence[step.position] for step in generation.steps)


def test_the_trace_equals_one_full_forward_over_the_same_ids(generated):
    name, _, generation, whole = generated
    model = generator(name)
    with torch.no_grad(), attention_implementation(model, "eager"):
        output = model(**whole, output_attentions=True, use_cache=False)
    for stack in generation.trace.stacks:
        expected = output[FIELDS[stack]] if name in ENCODER_DECODERS else output.attentions
        assert len(generation.trace.of_stack(stack)) == len(expected)
        for layer, weights in enumerate(expected):
            found = generation.trace.layer_attention(layer, stack)
            assert abs(found - weights[0].numpy()).max() < TOLERANCE
    begun = generation.steps[0].position
    probabilities = output.logits[0, begun - 1 : -1].softmax(dim=-1)
    assert_predictions(generation, probabilities)


def test_rows_and_predictions_equal_those_of_the_run_with_the_cache(generated):
    name, _, generation, whole = generated
    model = generator(name)
    with torch.no_grad(), attention_implementation(model, "eager"):
        outputs = list(token_by_token(model, whole, generation.steps[0].position, name in ENCODER_DECODERS))
    assert len(outputs) == len(generation.steps) + 1
    assert_predictions(generation, torch.stack([output.logits[0, -1] for output in outputs[:-1]]).softmax(dim=-1))
    fields = {"decoder": "decoder_attentions", "cross": "cross_attentions"}
    for stack in fields if name in ENCODER_DECODERS else ("decoder",):
        for layer in generation.trace.of_stack(stack):
            weights = generation.trace.layer_attention(layer.index, stack)
            for step, output in zip(generation.steps, outputs[1:], strict=True):
                field = fields[stack] if name in ENCODER_DECODERS else "attentions"
                assert_same_row(weights[:, step.position], output[field][layer.index][0, :, -1], stack, step.position)


def token_by_token(model, whole, begun, is_encoder_decoder):
    """Yield the model's output for the sequence as it began and for every token after it, each run from the cache."""
    grows = "decoder_input_ids" if is_encoder_decoder else "input_ids"
    rest = {name: tensor for name, tensor in whole.items() if name != grows}
    if is_encoder_decoder:
        rest = {
            "attention_mask": rest["attention_mask"],
            "encoder_outputs": model.get_encoder()(**rest, return_dict=True),
        }
    cache, done = None, 0
    for end in range(begun, whole[grows].shape[1] + 1):
        given = dict(rest)
        if not is_encoder_decoder:
            given["attention_mask"] = rest["attention_mask"][:, :end]
            if "position_ids" in rest:
                given["position_ids"] = rest["position_ids"][:, done:end]
        output = model(
            **given, **{grows: whole[grows][:, done:end]}, past_key_values=cache, use_cache=True, output_attentions=True
        )
        yield output
        cache, done = output.past_key_values, end


def assert_same_row(row, cached, stack, position):
    """The cache of a sliding window has dropped the keys before the window, which the whole row has as zeros."""
    visible = row if stack == "cross" else row[:, : position + 1]
    kept = cached.shape[-1]
    assert abs(visible[:, visible.shape[1] - kept :] - cached.numpy()).max() < TOLERANCE
    assert abs(visible[:, : visible.shape[1] - kept]).sum() == 0
    assert stack == "cross" or abs(row[:, position + 1 :]).sum() == 0


def assert_predictions(generation, probabilities):
    for step, row in zip(generation.steps, probabilities, strict=True):
        assert step.probability == pytest.approx(float(row[step.token.id]), abs=TOLERANCE)
        values = [value for _, value in step.top]
        assert values == pytest.approx(row.topk(5).values.tolist(), abs=TOLERANCE)
        assert values == pytest.approx([float(row[token.id]) for token, _ in step.top], abs=TOLERANCE)
