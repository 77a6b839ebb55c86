"""What a logit lens finds: predictions per layer and position, as arrays and as a frame."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float32, Int64

from model.tokens import Token
from model.trace import Provenance


@dataclass(frozen=True, eq=False)
class LogitLens:
    """What the final part of a model makes of the states of every layer at some positions of a sequence.

    Layer 0 is what enters the first block, layer i + 1 what block i hands on; the last layer is the model itself. `stack` is
    "encoder" or "decoder"; `tokens` stand at `positions`, and `truth` is what should be predicted there: in a decoder the next
    token (None after the last one), in a masked language model the token itself (None for a mask). Entropy H(p) and
    divergence KL(p_last || p) are in bits; `rank` of the truth counts from 1, 0 where there is none, and its probability is
    NaN there. `agrees` says whether the most probable token is that of the last layer; `names` how ids are shown;
    `difference` how far the last layer is from the model's own logits, as a share of the largest of them.
    """

    stack: str
    positions: tuple[int, ...]
    tokens: tuple[Token, ...]
    truth: tuple[Token | None, ...]
    names: Mapping[int, str]
    top_ids: Int64[np.ndarray, "layer position top"]
    top_probabilities: Float32[np.ndarray, "layer position top"]
    entropy: Float32[np.ndarray, "layer position"]
    divergence: Float32[np.ndarray, "layer position"]
    rank: Int64[np.ndarray, "layer position"]
    truth_probability: Float32[np.ndarray, "layer position"]
    agrees: Bool[np.ndarray, "layer position"]
    difference: float
    provenance: Provenance

    @property
    def layers(self) -> tuple[int, ...]:
        """The layers, from 0 (the embeddings)."""
        return tuple(range(len(self.entropy)))

    @property
    def agreement(self) -> Float32[np.ndarray, " layer"]:
        """The share of positions at which the most probable token of a layer is that of the last one."""
        return self.agrees.mean(axis=1, dtype=np.float32)


def lens_frame(lens: LogitLens) -> pd.DataFrame:
    """Return one row per layer and position, by layer: token, truth, its rank and probability, entropy, divergence, agreement
    with the last layer, and the top tokens with their probabilities (`top_1`, `probability_1`, ...)."""
    count = len(lens.positions)
    columns = {
        "layer": np.repeat(lens.layers, count),
        "position": np.tile(lens.positions, len(lens.layers)),
        "token": _texts([token.text for token in lens.tokens] * len(lens.layers)),
        "truth": _texts([None if token is None else token.text for token in lens.truth] * len(lens.layers)),
        "rank": pd.array(np.where(lens.rank > 0, lens.rank, np.nan).ravel(), dtype="Int64"),
        "truth_probability": lens.truth_probability.ravel(),
        "entropy": lens.entropy.ravel(),
        "divergence": lens.divergence.ravel(),
        "agrees": lens.agrees.ravel(),
    }
    for place in range(lens.top_ids.shape[2]):
        columns[f"top_{place + 1}"] = _texts(
            [lens.names[number] for number in lens.top_ids[..., place].ravel().tolist()]
        )
        columns[f"probability_{place + 1}"] = lens.top_probabilities[..., place].ravel()
    return pd.DataFrame(columns)


def _texts(texts: Sequence[str | None]) -> pd.Series:
    """Return a column of texts as they are: a string column of pandas refuses what is no Unicode."""
    return pd.Series(texts, dtype=object)
