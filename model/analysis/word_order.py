"""Words in another order: which heads keep their places, and which follow the words."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from model.analysis.views import attention_view, head_weights
from model.errors import HeadscopeError
from model.tokens import word_spans
from model.trace import Trace


def word_order(text: str, kind: str, seed: int = 0) -> tuple[int, ...]:
    """Return which word of the text stands at each place: "reversed", or "shuffled" by a seed; never as it was.

    Raises HeadscopeError for another kind, and for a text of fewer than two words.
    """
    count = len(word_spans(text))
    if count < 2:
        raise HeadscopeError("Give a text of at least two words: one alone has no order.")
    if kind == "reversed":
        return tuple(reversed(range(count)))
    if kind != "shuffled":
        raise HeadscopeError(f"Words are shuffled or reversed, not “{kind}”.")
    order = np.random.default_rng(seed).permutation(count)
    return tuple(int(word) for word in (np.roll(order, 1) if (order == np.arange(count)).all() else order))


def reordered(text: str, order: Sequence[int]) -> str:
    """Return the words of the text in an order, with one space between two; `range(words)` gives the text to compare with.

    Raises HeadscopeError where the order is no permutation of the words.
    """
    words = [text[start:end] for start, end in word_spans(text)]
    _check_order(order, len(words))
    return " ".join(words[word] for word in order)


def order_scores(original: Trace, changed: Trace, order: Sequence[int], *, stack: str | None = None) -> pd.DataFrame:
    """Return per head how far it keeps its places and how far it follows the words: rows of layer, head, position, content.

    With A the weights [word, word] of the text, B those of the text whose place i holds word order[i], r Pearson's
    correlation over the pairs of words that both may attend:

    position = r(A[i, j], B[i, j]),  content = r(A[order[i], order[j]], B[i, j])

    Weights are merged to words and special tokens left out (see `attention_view`). NaN where a map is constant or fewer than
    three pairs remain. Raises HeadscopeError where the two traces have not the words of the order.
    """
    rows = []
    order = list(order)
    changed_weights = head_weights(changed, stack=stack, words=True, hide_special=True)
    pairs = zip(head_weights(original, stack=stack, words=True, hide_special=True), changed_weights, strict=True)
    for (layer, first), (_, second) in pairs:
        if first.shape[1] != first.shape[2]:
            raise HeadscopeError("The order of words is compared in self-attention: choose the encoder or the decoder.")
        if first.shape[1] != len(order) or second.shape != first.shape:
            raise HeadscopeError(
                f"The model reads {first.shape[1]} words where the text has {len(order)}: its tokenizer divides words elsewhere. "
                "Write plain words with spaces between them."
            )
        _check_order(order, first.shape[1])
        allowed, allowed_changed = (_allowed(trace, layer, stack) for trace in (original, changed))
        moved = np.ix_(order, order)
        for head in range(len(first)):
            position = _correlation(first[head], second[head], allowed & allowed_changed)
            content = _correlation(first[head][moved], second[head], allowed[moved] & allowed_changed)
            rows.append((layer, head, position, content))
    return pd.DataFrame(rows, columns=["layer", "head", "position", "content"])


def _allowed(trace: Trace, layer: int, stack: str | None) -> np.ndarray:
    return attention_view(trace, layer, 0, stack=stack, words=True, hide_special=True).mask


def _correlation(first: np.ndarray, second: np.ndarray, mask: np.ndarray) -> float:
    x, y = (values[mask].astype(np.float64) for values in (first, second))
    if len(x) < 3:
        return float("nan")
    x, y = x - x.mean(), y - y.mean()
    scale = np.sqrt((x @ x) * (y @ y))
    return float(x @ y / scale) if scale > 1e-12 else float("nan")


def _check_order(order: Sequence[int], count: int) -> None:
    if sorted(order) != list(range(count)):
        raise HeadscopeError(
            f"The order must hold each of the words 0 to {count - 1} once; it has {len(order)} places."
        )
