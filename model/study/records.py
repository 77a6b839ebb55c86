"""The result of a study: what every head scores, how alike heads are, and a sample of the texts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float32, Float64

from model.layers import SEQUENCES

KEYS = ("stack", "layer", "head", "score")
# All texts; those with an even number, on which something may be chosen; those with an odd one, on which it is measured then.
ALL_TEXTS = ("value", "low", "high", "baseline", "count", "texts")
HALVES = (
    "first", "first_baseline", "first_count",
    "second", "second_low", "second_high", "second_baseline", "second_count",
)  # fmt: skip
COLUMNS = (*KEYS, *ALL_TEXTS, *HALVES)


@dataclass(frozen=True, eq=False)
class HeadStudy:
    """The scores of every head of a model over a corpus, or over one text.

    `frame` has one row per stack, layer, head and score with the columns COLUMNS; intervals are 95 % over texts, NaN where
    unknown. `divergence` [head, head] is by stack the mean Jensen-Shannon divergence of every two heads in bits over the
    sample, both axes in the order of `heads`, (layer, head). `sample_scores` [text, head] is by (stack, score) what each text
    of `sample` gives each head, NaN where it has no such row. `run` says how it was made.
    """

    model: str
    revision: str
    model_type: str
    frame: pd.DataFrame
    divergence: Mapping[str, Float32[np.ndarray, "_ _"]]
    heads: Mapping[str, tuple[tuple[int, int], ...]]
    sample: tuple[str, ...]
    sample_scores: Mapping[tuple[str, str], Float32[np.ndarray, "_ _"]]
    run: Mapping[str, Any]

    @property
    def stacks(self) -> tuple[str, ...]:
        """The stacks that are there, in the order encoder, decoder, cross."""
        return tuple(stack for stack in SEQUENCES if stack in self.heads)

    def layers(self, stack: str) -> tuple[int, ...]:
        """Return the numbers of the layers of a stack that attend."""
        return tuple(sorted({layer for layer, _ in self.heads[stack]}))

    def scores(self, stack: str) -> tuple[str, ...]:
        """Return the names of the scores that are known of a stack, in the order of `frame`."""
        own = self.frame[(self.frame["stack"] == stack) & self.frame["value"].notna()]
        return tuple(own["score"].unique())

    def grid(self, stack: str, score: str) -> Float64[np.ndarray, "layer head"]:
        """Return a score of all heads, a row for each of `layers`; NaN where there is no such head, or the score is not known."""
        layers = self.layers(stack)
        found = np.full((len(layers), 1 + max(head for _, head in self.heads[stack])), np.nan)
        own = self.frame[(self.frame["stack"] == stack) & (self.frame["score"] == score)]
        found[[layers.index(layer) for layer in own["layer"]], own["head"].to_numpy(dtype=int)] = own["value"]
        return found
