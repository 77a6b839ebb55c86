"""Texts side by side, padded, with the positions whose predictions count and what should be predicted there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from model.encoding import encode
from model.errors import HeadscopeError
from model.intervening import layer_plan
from model.loading import LoadedModel
from model.text_input import encode_text
from model.training.batches import IGNORED

# One token in so many is masked at a time, each of them once: 14 %, near the 15 % that BERT is trained on.
MASK_SPACING = 7
# Tokens in one batch: on a CPU few, since padding costs more there than another call.
_BATCH_TOKENS = {"cpu": 256}
_BATCH_TOKENS_ELSEWHERE = 8192
# Positions times vocabulary in one batch: 128 MB of probabilities.
_PREDICTIONS = 2**25
_DECODER = "decoder_input_ids"


@dataclass(frozen=True, eq=False)
class TextBatch:
    """Rows of ids as the model takes them, padded on the right.

    `counted` (bool [row, position]) says where the model predicts, or for an encoder which positions are of the text;
    `labels` [row, position] holds what should be predicted there, or IGNORED.
    """

    tensors: Mapping[str, Tensor]
    counted: Tensor
    labels: Tensor


@dataclass(frozen=True, eq=False)
class _Row:
    tensors: Mapping[str, Tensor]
    counted: Tensor
    labels: Tensor

    @property
    def length(self) -> int:
        return sum(self.tensors[name].shape[0] for name in ("input_ids", _DECODER) if name in self.tensors)


def model_task(loaded: LoadedModel) -> str:
    """Return what a model predicts: "causal" (the next token), "masked" (tokens under a mask), "translation" or "encoder".

    Raises HeadscopeError where its heads cannot be changed, or it is an encoder-decoder that predicts nothing.
    """
    predicts = loaded.model.get_output_embeddings() is not None
    if loaded.is_encoder_decoder:
        if not predicts:
            raise HeadscopeError(f"{loaded.name} has no output layer, so it predicts nothing. Load it with one.")
        return "translation"
    stacks = layer_plan(loaded).stacks
    if predicts and stacks == ("decoder",):
        return "causal"
    masks = getattr(loaded.tokenizer, "mask_token_id", None) is not None
    return "masked" if predicts and masks and stacks == ("encoder",) else "encoder"


def text_batches(
    loaded: LoadedModel,
    texts: Sequence[str],
    references: Sequence[str] | None = None,
    *,
    batch_tokens: int | None = None,
    mask_spacing: int = MASK_SPACING,
) -> tuple[TextBatch, ...]:
    """Return the texts in batches of at most `batch_tokens` tokens (or one row), the shorter ones first; long ones are cut.

    A causal model predicts at every position. A masked one reads every text `mask_spacing` times, and each token is masked in
    one of these (with a spacing of the text's length one at a time: Salazar et al. 2020). A translation model
    predicts the tokens of `references`, or of what it writes itself. Raises HeadscopeError where there is no text, or
    references are given for another number of texts.
    """
    if not texts or (references is not None and len(references) != len(texts)):
        raise HeadscopeError("Give at least one text, and one reference for each where there are references.")
    task = model_task(loaded)
    rows: list[_Row] = []
    for index, text in enumerate(texts):
        rows += _rows(loaded, task, text, None if references is None else references[index], mask_spacing)
    if batch_tokens is None:
        batch_tokens = _BATCH_TOKENS.get(loaded.device.type, _BATCH_TOKENS_ELSEWHERE)
    if task != "encoder":
        batch_tokens = min(batch_tokens, _PREDICTIONS // max(1, loaded.model.config.get_text_config().vocab_size))
    rows.sort(key=lambda row: row.length)
    batches, begin = [], 0
    for end in range(1, len(rows) + 1):
        if end == len(rows) or (end - begin + 1) * rows[end].length > batch_tokens:
            batches.append(_side_by_side(loaded, rows[begin:end]))
            begin = end
    return tuple(batches)


def _rows(loaded: LoadedModel, task: str, text: str, reference: str | None, mask_spacing: int) -> list[_Row]:
    encoding = encode(loaded, text, target=reference, truncate=True)
    tensors = {name: tensor[0] for name, tensor in encoding.tensors.items()}
    ids = tensors["input_ids"]
    tensors.setdefault("attention_mask", torch.ones_like(ids))
    nothing = torch.full_like(ids, IGNORED)
    if task == "encoder":
        return [_Row(tensors, tensors["attention_mask"].bool(), nothing)]
    if task == "causal":
        return [_Row(tensors, torch.ones_like(ids, dtype=torch.bool), torch.cat([ids[1:], nothing[:1]]))]
    if task == "masked":
        special = torch.tensor([token.special for token in encoding.tokens], device=ids.device)
        return _masked_rows(_Row(tensors, ~special, ids), loaded.tokenizer.mask_token_id, mask_spacing)
    begun = tensors[_DECODER]
    labels = torch.cat([begun[1:], nothing[:1]])
    if reference is not None:
        labels = encode_text(loaded, reference, truncate=True, as_target=True)[1]["input_ids"][0]
    return [_Row(tensors, torch.ones_like(begun, dtype=torch.bool), labels)]


def _masked_rows(row: _Row, mask_id: int, spacing: int) -> list[_Row]:
    """Return copies of a row, in which every token that counts is masked once, and so many tokens apart."""
    places = row.counted.nonzero()[:, 0]
    copies = []
    for first in range(min(spacing, len(places))):
        masked = torch.zeros_like(row.counted)
        masked[places[first::spacing]] = True
        tensors = {**row.tensors, "input_ids": row.tensors["input_ids"].masked_fill(masked, mask_id)}
        copies.append(replace(row, tensors=tensors, counted=masked, labels=row.labels.masked_fill(~masked, IGNORED)))
    return copies


def _side_by_side(loaded: LoadedModel, rows: Sequence[_Row]) -> TextBatch:
    padding = getattr(loaded.tokenizer, "pad_token_id", None) or 0
    fills = {"input_ids": padding, _DECODER: padding}
    tensors = {name: _padded([row.tensors[name] for row in rows], fills.get(name, 0)) for name in rows[0].tensors}
    counted, labels = _padded([row.counted for row in rows], False), _padded([row.labels for row in rows], IGNORED)
    return TextBatch(tensors, counted, labels)


def _padded(rows: Sequence[Tensor], fill: int | bool) -> Tensor:
    return torch.nn.utils.rnn.pad_sequence(list(rows), batch_first=True, padding_value=fill)
