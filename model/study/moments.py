"""What a study adds up: moments of every score of every layer, of texts with an even and with an odd number."""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from model.analysis.score_sums import RatioMoments, ScoreSums, moments_of

# Scores of tokens, accuracies at relations, and those of the fixed offsets that relations are compared with: there the head
# axis is that of the offsets.
TOKENS, RELATIONS, OFFSETS = "tokens", "relations", "offsets"
Key = tuple[str, int, str]
_HALVES = ("even", "odd")
_FIELDS = tuple(RatioMoments.__dataclass_fields__)


@dataclass(frozen=True, eq=False)
class LayerMoments:
    """The moments of the scores `names` of one layer, over texts with an even number and over those with an odd one."""

    names: tuple[str, ...]
    even: RatioMoments
    odd: RatioMoments

    def __add__(self, other: "LayerMoments") -> "LayerMoments":
        if self.names != other.names:
            raise ValueError("Moments of different scores do not add up.")
        return LayerMoments(self.names, self.even + other.even, self.odd + other.odd)


@dataclass(frozen=True, eq=False)
class StudyMoments:
    """Moments by stack, layer and kind, of `texts` texts and `tokens` tokens, and how many texts were left out by reason."""

    layers: Mapping[Key, LayerMoments] = field(default_factory=dict)
    texts: int = 0
    tokens: int = 0
    left_out: Mapping[str, int] = field(default_factory=dict)

    def __add__(self, other: "StudyMoments") -> "StudyMoments":
        layers = dict(self.layers)
        for key, moments in other.layers.items():
            layers[key] = layers[key] + moments if key in layers else moments
        left_out = {
            reason: self.left_out.get(reason, 0) + other.left_out.get(reason, 0)
            for reason in (*self.left_out, *(reason for reason in other.left_out if reason not in self.left_out))
        }
        return StudyMoments(layers, self.texts + other.texts, self.tokens + other.tokens, left_out)

    def to_bytes(self) -> bytes:
        """Return the moments as JSON that `moments_from_bytes` reads back bit for bit."""
        layers = [
            {"stack": stack, "layer": layer, "kind": kind, "names": moments.names}
            | {half: _packed(getattr(moments, half)) for half in _HALVES}
            for (stack, layer, kind), moments in self.layers.items()
        ]
        plain = {"texts": self.texts, "tokens": self.tokens, "left_out": self.left_out, "layers": layers}
        return json.dumps(plain, separators=(",", ":")).encode()


def moments_from_bytes(content: bytes) -> StudyMoments:
    """Return what `StudyMoments.to_bytes` wrote; raises ValueError, KeyError or TypeError for anything else."""
    plain = json.loads(content)
    layers = {
        (str(entry["stack"]), int(entry["layer"]), str(entry["kind"])): LayerMoments(
            tuple(entry["names"]), *(_unpacked(entry[half]) for half in _HALVES)
        )
        for entry in plain["layers"]
    }
    return StudyMoments(layers, int(plain["texts"]), int(plain["tokens"]), dict(plain["left_out"]))


def layer_moments(sums: Sequence[ScoreSums], numbers: Sequence[int]) -> LayerMoments:
    """Return the moments of one layer from the sums of several batches; `numbers` are the numbers of all their texts."""
    together = beside(sums)
    odd = np.asarray(numbers) % 2 == 1
    return LayerMoments(together.names, moments_of(together, ~odd), moments_of(together, odd))


def beside(sums: Sequence[ScoreSums]) -> ScoreSums:
    """Return the sums of the same scores in several batches of texts as those of one; raises ValueError for other scores."""
    if any(part.names != sums[0].names for part in sums):
        raise ValueError("Sums of different scores do not stand beside each other.")
    if len(sums) == 1:
        return sums[0]
    parts = (
        np.concatenate([getattr(part, axis) for part in sums], axis=1) for axis in ("values", "baselines", "counts")
    )
    return ScoreSums(sums[0].names, *parts)


def _packed(moments: RatioMoments) -> dict[str, object]:
    return {
        name: {
            "shape": values.shape,
            "values": base64.b64encode(np.ascontiguousarray(values, "<f8").tobytes()).decode(),
        }
        for name, values in ((name, getattr(moments, name)) for name in _FIELDS)
    }


def _unpacked(plain: Mapping[str, Any]) -> RatioMoments:
    values = {name: base64.b64decode(plain[name]["values"]) for name in _FIELDS}
    return RatioMoments(
        *(np.frombuffer(values[name], "<f8").reshape(plain[name]["shape"]).astype(np.float64) for name in _FIELDS)
    )
