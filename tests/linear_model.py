"""A model without attention, whose hidden states are its embeddings: what it makes of a text can be computed by hand."""

from types import SimpleNamespace

import torch
from transformers import PretrainedConfig, PreTrainedModel

from model import wrap
from model.encoding import Encoding
from model.tokens import Token

# Vectors of the ids 0 to 3; 3 is the unknown token.
VECTORS = ((1.0, 0.0), (0.0, 1.0), (1.0, 1.0), (0.0, 4.0))


class LinearModel(PreTrainedModel):
    """Embeddings alone."""

    config_class = PretrainedConfig
    base_model_prefix = "linear"

    def __init__(self):
        super().__init__(PretrainedConfig())
        self.embeddings = torch.nn.Embedding.from_pretrained(torch.tensor(VECTORS))

    def get_input_embeddings(self):
        return self.embeddings

    def forward(self, input_ids, attention_mask=None):
        return SimpleNamespace(last_hidden_state=self.embeddings(input_ids))


def linear_model(tokenizer=None):
    """Return the LoadedModel."""
    return wrap(LinearModel().eval(), tokenizer, name="linear")


def encoded(*ids: int, special: tuple[int, ...] = ()) -> Encoding:
    """Return the Encoding of ids, of which those at the places `special` are special tokens."""
    tokens = tuple(Token(str(one), str(one), one, place in special) for place, one in enumerate(ids))
    tensors = {"input_ids": torch.tensor([ids]), "attention_mask": torch.ones(1, len(ids), dtype=torch.long)}
    return Encoding(tensors, tokens)
