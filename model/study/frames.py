"""The frame of a study from what it added up: means, intervals, baselines, and the same of either half of the texts."""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from model.analysis.positional_heads import positional_share
from model.analysis.score_catalog import definition_of
from model.analysis.score_names import POSITIONAL
from model.analysis.score_sums import NORMAL_QUANTILE, RatioMoments
from model.layers import SEQUENCES
from model.study.moments import OFFSETS, Key, LayerMoments
from model.study.records import ALL_TEXTS, COLUMNS, HALVES, KEYS


def study_frame(layers: Mapping[Key, LayerMoments]) -> pd.DataFrame:
    """Return one row per stack, layer, head and score with COLUMNS, by stack, score, layer and head.

    low, high = mean -/+ 1.96 standard errors over texts, a share kept within 0 and 1. Scores that no text has a row for are left
    out. The baseline of a relation is the best fixed offset, in `second_baseline` the one that is best on the first half.
    """
    parts = [_layer_frame(key, moments, layers) for key, moments in layers.items() if key[2] != OFFSETS]
    frame = pd.concat([part for part in parts if len(part)], ignore_index=True)
    frame = pd.concat([frame, _positional(frame)], ignore_index=True)
    order = {name: place for place, name in enumerate(dict.fromkeys(frame["score"]))}
    stacks = {stack: place for place, stack in enumerate(SEQUENCES)}
    places = pd.DataFrame({"stack": frame["stack"].map(stacks), "score": frame["score"].map(order)})
    rows = np.lexsort((frame["head"], frame["layer"], places["score"], places["stack"]))
    return frame.iloc[rows].reset_index(drop=True)[list(COLUMNS)]


def _layer_frame(key: Key, moments: LayerMoments, layers: Mapping[Key, LayerMoments]) -> pd.DataFrame:
    stack, layer, _ = key
    total = moments.even + moments.odd
    offsets = layers.get((stack, layer, OFFSETS))
    baselines = (
        _own_baselines(moments) if offsets is None or offsets.names != moments.names else _offset_baselines(offsets)
    )
    shares = np.array([definition_of(name).share for name in moments.names])
    columns = dict(zip(("value", "low", "high"), _intervals(total, shares), strict=True))
    columns |= dict(zip(("second", "second_low", "second_high"), _intervals(moments.odd, shares), strict=True))
    columns["first"] = moments.even.means
    by_score = baselines | {
        "count": total.count, "texts": total.texts, "first_count": moments.even.count, "second_count": moments.odd.count
    }  # fmt: skip
    heads = columns["value"].shape[1]
    columns |= {name: np.repeat(values[:, None], heads, axis=1) for name, values in by_score.items()}
    known = np.repeat(total.count > 0, heads)
    frame = pd.DataFrame({name: values.ravel()[known] for name, values in columns.items()})
    frame["score"] = np.repeat(np.array(moments.names, dtype=object), heads)[known]
    frame["head"] = np.tile(np.arange(heads), len(moments.names))[known]
    return frame.assign(stack=stack, layer=layer)


def _intervals(moments: RatioMoments, shares: np.ndarray) -> Iterator[np.ndarray]:
    """Yield mean, low and high [score, head]."""
    means, reach = moments.means, NORMAL_QUANTILE * moments.standard_errors
    yield means
    yield np.where(shares[:, None], np.maximum(means - reach, 0), means - reach)
    yield np.where(shares[:, None], np.minimum(means + reach, 1), means + reach)


def _own_baselines(moments: LayerMoments) -> dict[str, np.ndarray]:
    total = moments.even + moments.odd
    return {
        "baseline": total.baselines, "first_baseline": moments.even.baselines, "second_baseline": moments.odd.baselines
    }  # fmt: skip


def _offset_baselines(offsets: LayerMoments) -> dict[str, np.ndarray]:
    """Return the accuracy of the best fixed offset; for the second half, of the one that is best on the first."""
    first, second, total = offsets.even.means, offsets.odd.means, (offsets.even + offsets.odd).means
    known = ~np.isnan(first).any(axis=1)
    chosen = np.where(known, np.nan_to_num(first).argmax(axis=1), np.nan_to_num(total).argmax(axis=1))
    return {
        "baseline": total.max(axis=1),
        "first_baseline": first.max(axis=1),
        "second_baseline": np.take_along_axis(second, chosen[:, None], axis=1)[:, 0],
    }


def _positional(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the best offset of every head; for the halves, of the offset that is best on the first."""
    best = positional_share(frame).set_index(list(KEYS[:3]))[list(ALL_TEXTS)]
    held_out = positional_share(frame, by="first").set_index(list(KEYS[:3]))[list(HALVES)]
    return best.join(held_out).reset_index().assign(score=POSITIONAL)
