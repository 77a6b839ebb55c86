"""Bands and blocks, as sparse attention returns them, unfolded into maps from every token to every token.

A map is (weights [head, query, key], mask [1 or head, query, key]); what a query does not see is False in the mask and has
weight zero. Rows sum to less than one where a query also attends to something that is no token of the text: the block
summaries of LongT5, the learned global tokens of PEGASUS-X.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

Map = tuple[torch.Tensor, torch.Tensor]
Unfold = Callable[[str, int, object], Map | None]


def unfolding(
    config: Any, tensors: Mapping[str, torch.Tensor], output: Mapping[str, Any], maps: Sequence[torch.Tensor] = ()
) -> Unfold:
    """Return the function that unfolds what this model returned for (field, layer index), or gives None where it cannot.

    `maps` are the weights [head, query, key] of a model whose chunks were put together while it ran (Reformer).
    """
    ids = tensors.get("input_ids", tensors.get("inputs_embeds"))
    tokens = 0 if ids is None else ids.shape[1]
    given = tensors.get("attention_mask")
    real = None if given is None or given.ndim != 2 else given[0] != 0
    of_tokens = torch.ones(tokens, dtype=torch.bool) if real is None else real

    def unfold(field: str, index: int, weights: Any) -> Map | None:
        if field not in ("attentions", "encoder_attentions") or tokens == 0 or len(of_tokens) != tokens:
            return None
        if maps:
            return unfold_padded(maps[index], of_tokens.to(maps[index].device))
        if isinstance(weights, Mapping):
            return _staggered(config, index, weights.get("local"), of_tokens)
        if not isinstance(weights, torch.Tensor) or weights.shape[0] != 1:
            return None
        keys = of_tokens.to(weights.device)
        if hasattr(config, "attention_window"):
            return _windows(field, index, weights, tensors.get("global_attention_mask"), keys, output)
        if weights.ndim == 5 and hasattr(config, "local_radius"):
            return unfold_neighbour_blocks(weights[0], config.local_radius + 1, keys)
        if getattr(config, "attention_type", None) == "block_sparse" and weights.ndim == 4:
            return unfold_sparse(weights[0], keys, config.block_size, config.num_random_blocks)
        return None

    return unfold


def unfold_band(
    band: torch.Tensor, keys: torch.Tensor, global_keys: torch.Tensor, global_rows: torch.Tensor | None
) -> Map:
    """Return the map of a sliding window [head, query, global + window]: column g + c is key query + c - window / 2.

    The first columns are the keys that every token sees, at positions `global_keys` [global]; `global_rows`
    [head, key, global] are what these tokens see themselves (Longformer: Beltagy et al. 2020). `keys` [key]: not padding.
    """
    heads, queries, width = band.shape
    beyond = (width - len(global_keys)) // 2
    positions = torch.arange(queries, device=band.device)
    near = (positions[None, :] - positions[:, None]).abs() <= beyond
    column = (positions[None, :] - positions[:, None] + beyond).clamp(0, 2 * beyond) + len(global_keys)
    dense = band.gather(2, column.expand(heads, -1, -1)) * near
    mask = near & keys
    if len(global_keys):
        # A global token is no part of the windows: its weight is in its own column.
        dense[:, :, global_keys] = band[:, :, : len(global_keys)]
        mask[:, global_keys] = True
    if global_rows is not None:
        dense[:, global_keys] = global_rows[:, :queries].transpose(1, 2).to(dense.dtype)
        mask[global_keys] = keys
    return dense, (mask & keys[:, None])[None]


def unfold_neighbour_blocks(blocks: torch.Tensor, size: int, keys: torch.Tensor) -> Map | None:
    """Return the map of blocks [block, head, query, 3 * size + summary] that see themselves and the block on either side.

    A query sees the keys less than `size` away (LongT5: Guo et al. 2022).
    """
    if blocks.shape[2] != size or blocks.shape[3] < 3 * size:
        return None
    count, heads = blocks.shape[:2]
    wide = blocks.new_zeros(heads, count * size, (count + 2) * size)
    for block in range(count):
        rows = slice(block * size, (block + 1) * size)
        wide[:, rows, block * size : (block + 3) * size] = blocks[block, :, :, : 3 * size]
    tokens = len(keys)
    positions = torch.arange(tokens, device=blocks.device)
    mask = ((positions[None, :] - positions[:, None]).abs() < size) & keys & keys[:, None]
    return wide[:, :tokens, size : size + tokens] * mask, mask[None]


def unfold_own_blocks(blocks: torch.Tensor, shift: int, keys: torch.Tensor) -> Map:
    """Return the map of blocks [head, block, query, global + query] that see themselves; the text begins at `shift`.

    Every other layer of PEGASUS-X shifts its blocks by half of one (Phang et al. 2022).
    """
    heads, count, size = blocks.shape[:3]
    wide = blocks.new_zeros(heads, count * size, count * size)
    mask = torch.zeros(count * size, count * size, dtype=torch.bool, device=blocks.device)
    for block in range(count):
        rows = slice(block * size, (block + 1) * size)
        wide[:, rows, rows] = blocks[:, block, :, -size:]
        mask[rows, rows] = True
    inside = slice(shift, shift + len(keys))
    mask = mask[inside, inside] & keys & keys[:, None]
    return wide[:, inside, inside] * mask, mask[None]


def unfold_sparse(weights: torch.Tensor, keys: torch.Tensor, block: int, random_blocks: int) -> Map | None:
    """Return the map of weights [head, query, key] that are zero where a block of keys is not looked at.

    BigBird (Zaheer et al. 2020) returns them whole, longer than the text by the padding to full blocks; short texts are
    attended to in full. Outside training every random block is the first one: queries between the first and the last
    block count its keys once more for each, which the returned weights leave out.
    """
    tokens = len(keys)
    if weights.shape[1] != weights.shape[2] or weights.shape[1] < tokens:
        return None
    weights = weights.float().clone()
    if not bool((weights.sum(dim=-1) < 0.999).any()):
        # Attended to in full: an ordinary map.
        return None
    weights[:, block:-block, :block] *= 1 + random_blocks
    weights = weights[:, :tokens, :tokens]
    mask = (weights != 0) & keys & keys[:, None]
    return weights * mask, mask


def unfold_padded(weights: torch.Tensor, keys: torch.Tensor) -> Map:
    """Return the map of weights [head, query, key] that are zero where nothing is looked at, without padding to chunks."""
    tokens = len(keys)
    weights = weights[:, :tokens, :tokens]
    mask = (weights != 0) & keys & keys[:, None]
    return weights * mask, mask


def _windows(
    field: str,
    index: int,
    weights: torch.Tensor,
    global_mask: torch.Tensor | None,
    keys: torch.Tensor,
    output: Mapping[str, Any],
) -> Map | None:
    if weights.ndim != 4 or weights.shape[2] != len(keys):
        return None
    rows = output.get(field.replace("attentions", "global_attentions"))
    if global_mask is None and rows:
        # The model chose its global tokens itself: which ones is not known here.
        return None
    places = torch.zeros(0, dtype=torch.long) if global_mask is None else global_mask[0].nonzero()[:, 0]
    return unfold_band(weights[0], keys, places.to(weights.device), rows[index][0] if rows else None)


def _staggered(config: Any, index: int, local: Any, keys: torch.Tensor) -> Map | None:
    if not isinstance(local, torch.Tensor) or local.ndim != 5 or local.shape[0] != 1:
        return None
    shifted = index % 2 == 1 and getattr(config, "stagger_local_blocks", False)
    return unfold_own_blocks(local[0], local.shape[3] // 2 if shifted else 0, keys.to(local.device))
