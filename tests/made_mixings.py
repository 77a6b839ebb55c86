"""What attention layers add up: made by hand, and of tiny models whose biases and norms are not trivial."""

import copy
from functools import cache

import torch
import transformers as t

from model import wrap
from model.layers import LazyLayer
from model.residual_sums import ResidualSum
from model.value_projection import ValueMixing, ValueMixings, record_mixings
from tests.tiny_models import BUILDERS, FIRST_FAMILIES, VOCABULARY, tiny, tiny_inputs

_DECODER = dict(
    vocab_size=VOCABULARY, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
    intermediate_size=48, max_position_embeddings=64, pad_token_id=0, bos_token_id=1, eos_token_id=2,
)  # fmt: skip
# Families whose blocks add up otherwise: a scaled output, a normalised one, norms only on outputs, a block in parallel.
UNUSUAL = {
    "granite": lambda: t.GraniteForCausalLM(t.GraniteConfig(**_DECODER, residual_multiplier=0.22, attention_bias=True)),
    "olmo2": lambda: t.Olmo2ForCausalLM(t.Olmo2Config(**_DECODER)),
    "cohere": lambda: t.CohereForCausalLM(t.CohereConfig(**_DECODER)),
}
FAMILIES = (*FIRST_FAMILIES, "gpt_oss", *UNUSUAL)
PRE_LN = ("modernbert", "gpt2", "opt", "llama", "mistral", "qwen3", "t5", "gpt_oss", "granite", "gemma2", "olmo2")
POST_LN = ("bert", "roberta", "distilbert", "albert", "bart", "marian")
PARALLEL = ("gpt_neox", "cohere")


@cache
def uneven(name: str):
    """Return a tiny model whose biases are not zero and whose norms do not weigh all dimensions alike, as new ones do."""
    model = copy.deepcopy(tiny(name)) if name in BUILDERS else UNUSUAL[name]().eval()
    torch.manual_seed(2)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.add_(0.3 * torch.randn_like(parameter))
    return model


@cache
def recorded(name: str, padding: str = "none") -> ValueMixings:
    """Return what the layers of an uneven tiny model add up over the tiny inputs."""
    return record_mixings(wrap(uneven(name)), tiny_inputs(name, padding))


def all_layers(mixings: ValueMixings) -> list[ValueMixing]:
    """Return every layer of a record; raises where one was not found."""
    return [mixings.layer(layer.index, layer.stack) for layer in mixings.trace.layers]


def made_mixing(weights, moved, residual=None, stack: str = "encoder") -> ValueMixing:
    """Return a ValueMixing with these weights [head, query, key] and moved vectors [head, key, d_model]."""
    weights, moved = torch.tensor(weights), torch.tensor(moved)
    heads, queries, keys = weights.shape
    layer = LazyLayer(
        stack, 0, "made", torch.zeros(heads, queries, 1), torch.zeros(heads, keys, 1), moved, 1.0,
        replaced_heads=tuple(range(heads)), replaced=weights,
    )  # fmt: skip
    projection = torch.eye(moved.shape[2]).expand(heads, -1, -1)
    output = torch.einsum("hqk,hkd->qd", weights, moved)
    added = None
    if residual is not None:
        residual = torch.tensor(residual)
        added = ResidualSum(residual, residual + output)
    return ValueMixing(layer, projection, None, output, added)
