"""What is known of one head: its roles with their evidence, its numbers, and a text in which it shows what it does."""

import html

import numpy as np
import streamlit as st

from app import heads_engine, state
from app.attention_pictures import head_beside, same_sequence
from app.components.canvases import canvas
from app.figures.head_numbers import HeadNumber, head_numbers
from app.figures.role_table import role_table
from app.head_frames import Roles, head_name, score_title
from app.heads_engine import KeptStudy
from app.progress import progress_bar
from app.selection import NEW_INPUT, Selection
from model.analysis.score_catalog import definition_of
from model.analysis.views import view_rows
from model.loading import LoadedModel
from model.study.records import HeadStudy

LISTED, BEST_TEXTS = 8, 5


def heading(selection: Selection, roles: Roles, source: str, study: HeadStudy) -> str:
    """Return the name of the open head with its roles, each with its evidence."""
    found = roles.get((selection.layer, selection.head), ())
    badges = "".join(f'<span class="badge">{html.escape(label.name)}</span>' for label in found)
    none = "no role with evidence" if source != "this text" else "one text gives no evidence of a role"
    measured = (
        f"{study.run['texts']} texts, {study.run['tokens']} tokens" if source != "this text" else "this text alone"
    )
    return (
        f'<div class="heading"><b>{head_name(selection.layer, selection.head)}</b>{badges or f"<span>{none}</span>"}'
        f"<span>{html.escape(measured)}</span></div>"
    )


def evidence(loaded: LoadedModel, found: KeptStudy, stack: str, roles: Roles) -> None:
    """Draw the numbers of the open head, the texts in which it scores highest, and its pattern in one of them."""
    selection = state.selection()
    place = (selection.layer, selection.head)
    left, right = st.columns([0.47, 0.53], gap="medium")
    with right:
        text = _best_text(found, stack, place) if found.source != "this text" else selection.text
        _pattern(loaded, text, stack, place)
    with left:
        if place in roles:
            st.html(role_table(roles[place]))
        st.html(head_numbers(_numbers(found.study, stack, place, selection.score)))


def _numbers(study: HeadStudy, stack: str, place: tuple[int, int], chosen: str) -> list[HeadNumber]:
    """Return the chosen score and those in which the head is furthest above its baseline, or above the other heads."""
    frame = study.frame[
        (study.frame["stack"] == stack) & (study.frame.layer == place[0]) & (study.frame["head"] == place[1])
    ]
    frame = frame.dropna(subset=["value"])
    shares = frame.score.map(lambda name: definition_of(name).share)
    ahead = (frame.value - frame.baseline.fillna(0)).where(shares, -np.inf).where(frame["count"] >= 50, -np.inf)
    order = frame.assign(chosen=frame.score == chosen, ahead=ahead).sort_values(["chosen", "ahead"], ascending=False)
    rows = order.head(LISTED)
    return [
        HeadNumber(
            score_title(row.score), row.value, row.low, row.high, row.baseline, definition_of(row.score).share,
            row.score == chosen,
        )
        for row in rows.itertuples()
    ]  # fmt: skip


def _best_text(found: KeptStudy, stack: str, place: tuple[int, int]) -> str:
    """Draw the choice among the texts of the sample in which the head scores highest, and return the chosen one."""
    study, score = found.study, state.selection().score
    scores = study.sample_scores.get((stack, score))
    if scores is None:
        texts, values = list(study.sample[:BEST_TEXTS]), None
    else:
        own = scores[:, study.heads[stack].index(place)]
        order = [int(index) for index in np.argsort(-np.nan_to_num(own, nan=-1.0), kind="stable")[:BEST_TEXTS]]
        texts, values = [study.sample[index] for index in order], [own[index] for index in order]
    if not texts:
        return state.selection().text
    written = ["" if values is None else f"{value:.3f}  " for value in values or texts]
    names = {text: f"{number}{text}" for text, number in zip(texts, written, strict=True)}
    return st.selectbox(
        f"Texts of the sample with the highest “{score_title(score)}”", texts, format_func=names.get,
        key=f"best_{stack}_{place}_{score}",
    )  # fmt: skip


def _pattern(loaded: LoadedModel, text: str, stack: str, place: tuple[int, int]) -> None:
    """Draw the attention of the head in one text."""
    selection = state.selection()
    with progress_bar("Running the model") as tell:
        trace = heads_engine.sentence(selection, text, loaded, tell).trace
    rows = view_rows(trace, *place, stack=stack)
    _, message = head_beside(rows, selection, title=head_name(*place), opened=place, same_sequence=same_sequence(stack))
    canvas("head_view", message, key="heads_pattern")
    if st.button("Open on the page Attention"):
        state.change(text=text, combination="head", **NEW_INPUT)
        st.switch_page("../pages/attention.py")
