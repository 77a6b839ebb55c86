"""What interventions do to the output of a model, as rows and small HTML tables; no streamlit."""

import html
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app import heads_engine
from app.coreference_reading import Reading, read_coreference
from app.head_frames import head_name
from app.marked_text import marked_text
from app.selection import Selection
from model.errors import HeadscopeError
from model.loading import LoadedModel
from model.trace import Trace


@dataclass(frozen=True)
class EffectRow:
    """One quantity as it is and changed, as they are shown."""

    name: str
    before: str
    after: str


def effect_table(rows: Sequence[EffectRow]) -> str:
    """Return the HTML table of quantities before and after; "" for none."""
    body = "".join(
        f"<tr><td>{html.escape(row.name)}</td><td>{html.escape(row.before)}</td><td>{html.escape(row.after)}</td></tr>"
        for row in rows
    )
    heads = "<tr><th></th><th>as it is</th><th>changed</th></tr>"
    return f'<table class="head-table numbers effects">{heads}{body}</table>' if rows else ""


def effect_rows(loaded: LoadedModel, plain: Trace, changed: Trace, selection: Selection, stack: str) -> list[EffectRow]:
    """Return what moves in the open head, in the best one for a marked pronoun, and in the output."""
    rows = _coreference_rows(plain, changed, selection, stack)
    if loaded.is_encoder_decoder:
        both = heads_engine.written(loaded, plain), heads_engine.written_with(selection, loaded, lambda _share: None)
        rows.append(EffectRow("writes", *both))
    moved = heads_engine.embedding_moved(selection, loaded)
    return rows if moved is None else [*rows, EffectRow("sentence embedding, 1 − cosine", "0.0000", f"{moved:.4f}")]


def _coreference_rows(plain: Trace, changed: Trace, selection: Selection, stack: str) -> list[EffectRow]:
    """Return the open head's attention to each candidate and its margin, and the margin of the best head downstream."""
    marked = marked_text(selection)
    if not marked.complete or stack == "cross":
        return []
    try:
        before, after = (read_coreference(trace, marked, selection, stack) for trace in (plain, changed))
    except HeadscopeError:
        return []
    row, head, mention = before.layers.index(selection.layer), selection.head, marked.name(marked.mention)
    name = head_name(selection.layer, head)
    rows = [
        EffectRow(
            f"{name}: {mention} → {marked.name(group)}", f"{before.scores[row, head, place]:.3f}",
            f"{after.scores[row, head, place]:.3f}",
        )
        for place, group in enumerate(marked.candidates)
    ]  # fmt: skip
    rows.append(_margin_row(before, after, (row, head)))
    moved = np.where(np.isnan(before.margins), 0, np.abs(after.margins - before.margins))
    most = tuple(int(place) for place in np.unravel_index(moved.argmax(), moved.shape))
    return [*rows, _margin_row(before, after, most)] if moved.max() > 0 and most != (row, head) else rows


def _margin_row(before: Reading, after: Reading, place: tuple[int, int]) -> EffectRow:
    margins = (f"{one.margins[place]:+.3f}".replace("-", "−") for one in (before, after))
    return EffectRow(f"{head_name(before.layers[place[0]], place[1])}: margin", *margins)


def prediction_tables(loaded: LoadedModel, selection: Selection) -> list[str]:
    """Return for each predicted position a table of the most probable tokens before and after; none for other models."""
    return [_prediction_table(*pair) for pair in heads_engine.predicted(selection, loaded)]


def _prediction_table(before, after) -> str:
    later = {token.id: value for token, value in after.top}
    body = "".join(
        f"<tr><td>{html.escape(token.text)}</td><td>{value:.3f}</td><td>{_later(later, token.id)}</td>"
        f"<td>{html.escape(new.text)}</td><td>{changed:.3f}</td></tr>"
        for (token, value), (new, changed) in zip(before.top[:8], after.top[:8], strict=True)
    )
    heads = "<tr><th>as it is</th><th></th><th>then</th><th>changed</th><th></th></tr>"
    caption = f"<caption>Expected at token {before.position}</caption>"
    return f'<table class="head-table numbers effects">{caption}{heads}{body}</table>'


def _later(later: dict, number: int | None) -> str:
    """Return what a token has become; of one that is no longer listed, what it is below."""
    return f"{later[number]:.3f}" if number in later else f"&lt;{min(later.values()):.3f}"
