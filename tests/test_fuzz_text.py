"""Any text gives a trace or a sentence, and no token, word, picture or table turns text into anything but text."""

import unicodedata
from collections import Counter
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import tests.fuzz_profile  # noqa: F401 - sets how long Hypothesis searches
from app.components.messages import head_grid_message, head_view_message
from app.components.talk_messages import token_row_message
from app.figures.beam_lattice import beam_lattice
from app.figures.difference_tables import cells_table
from app.figures.flow_routes import flow_routes
from app.figures.german_line import german_line
from app.figures.head_comparison import head_comparison
from app.figures.head_grid import head_grid
from app.figures.head_heatmap import attention_heatmap
from app.figures.head_numbers import near_heads
from app.figures.head_table import HeadRow, head_table
from app.figures.lens_table import lens_table
from app.figures.neighbour_tables import neighbour_tables
from app.figures.prediction_list import prediction_list
from app.figures.score_chain import score_chain
from app.figures.score_grid import score_grid
from app.figures.sentence_arcs import Arc, sentence_arcs
from app.figures.slide import slide
from app.figures.svg import clean
from app.figures.theme import theme
from app.figures.token_links import token_links
from app.figures.token_list import token_list
from app.figures.token_row import tokens_row
from app.figures.token_strip import token_strip
from app.figures.token_table import token_table
from app.figures.trajectory_paths import Paths
from app.figures.trajectory_projection import trajectory_svg
from app.figures.value_matrix import value_matrix
from app.marked_text import MOST_WORDS, marked_text
from app.selection import Selection
from model import load_model, record
from model.analysis.comparison import compare_views
from model.analysis.information_routes import information_routes
from model.analysis.score_parts import score_row
from model.beams import BeamCandidate, BeamHypothesis, BeamSearch
from model.errors import HeadscopeError
from model.segmentation import explain_tokens
from model.tokenization import tokens_from_strings
from model.tokens import Token, display_text, visible, word_groups, word_spans, word_text
from tests import hostile_text as hostile
from tests.app_session import unpack
from tests.hand_views import hand_thumbnails, hand_view, read_svg
from tests.test_lens_table_figure import hand_frame
from tests.test_score_parts import hand_trace
from tests.tiny_tokenizers import TRAINERS, tiny_bert_for

LIGHT = theme("light")
HIDDEN = {"Cc", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"}
MEGABYTE = 10**6
ENDLESS = [("minilm", "a"), ("minilm", "\u0301"), ("byte level", "\U0001f600"), ("metaspace", " a")]
JOINERS = "\u200d\ufe0e\ufe0f"


def loaded(kind: str):
    return load_model("minilm") if kind == "minilm" else tiny_bert_for(kind)


def check_trace(trace, tokenizer) -> None:
    """A trace of any text: rows that sum to one, tokens that can be read, words that divide the tokens."""
    for layer in trace.layers:
        weights = trace.attention(layer.index, 0)
        assert weights.sum(axis=1) == pytest.approx(np.ones(len(weights)), abs=1e-4)
    tokens = next(iter(trace.tokens.values()))
    assert all(readable(token.text) for token in tokens)
    assert [place for group in word_groups(tokens) for place in group] == list(range(len(tokens)))
    text = (
        trace.provenance.text
        if trace.provenance.text_pair is None
        else (trace.provenance.text, trace.provenance.text_pair)
    )
    for token in tokens:
        if token.span is not None and isinstance(text, str):
            assert 0 <= token.span[0] <= token.span[1] <= len(text)
    explained = explain_tokens(tokenizer, text, tokens)
    assert len(explained) == len(tokens)
    body = token_table(explained) + token_strip(tokens, 64)
    assert not [found for found in hostile.outline(body) if hostile.MARK in str(found)]
    body.encode()


def readable(shown: str) -> bool:
    """Say whether a display form is there, can be encoded, and hides and reorders nothing."""
    hides = [one for one in shown if unicodedata.category(one) in HIDDEN]
    turns = [one for one in shown if unicodedata.category(one) == "Cf" and one not in JOINERS]
    return bool(shown.encode()) and not hides and not turns


def run(kind: str, inputs, truncate: bool) -> None:
    model = loaded(kind)
    try:
        trace = record(model, inputs, truncate=truncate)
    except HeadscopeError as error:
        said = str(error)
        assert said.encode()
        assert said.rstrip("”)").endswith((".", "!", "?"))
        assert len(said) < 1000
        return
    check_trace(trace, model.tokenizer)


@pytest.mark.parametrize("kind", ["minilm", *TRAINERS])
def test_any_text_gives_a_trace_or_a_sentence(kind):
    @given(hostile.long_texts, st.booleans())
    @example("\ud800", True)
    @example("\0", True)
    @example("", False)
    def search(text, truncate):
        run(kind, text, truncate)

    search()


@pytest.mark.parametrize("kind", ["minilm", "word piece"])
def test_any_two_texts_give_a_trace_or_a_sentence(kind):
    @given(hostile.long_texts, hostile.long_texts, st.booleans())
    def search(first, second, truncate):
        run(kind, (first, second), truncate)

    search()


@pytest.mark.parametrize("truncate", [False, True])
@pytest.mark.parametrize(("kind", "letter"), ENDLESS)
def test_a_megabyte_of_one_letter_gives_a_trace_or_a_sentence(kind, letter, truncate):
    run(kind, letter * (MEGABYTE // len(letter.encode())), truncate)


@given(hostile.long_texts)
def test_what_is_shown_of_a_token_hides_nothing(text):
    for shown in (visible(text), display_text(text), display_text(text, byte_level=True)):
        assert readable(shown)


@given(hostile.long_texts)
def test_words_lie_in_order_in_their_text(text):
    spans = word_spans(text)
    assert all(start < end for start, end in spans)
    assert all(one[1] <= other[0] for one, other in pairwise(spans))
    assert not any(text[start:end].isspace() for start, end in spans)


@given(hostile.token_lists)
def test_tokens_of_a_file_are_divided_into_words(pieces):
    tokens = tokens_from_strings(pieces)
    assert [place for group in word_groups(tokens) for place in group] == list(range(len(pieces)))
    for group in word_groups(tokens):
        assert readable(word_text([tokens[place] for place in group]))


@given(hostile.long_texts)
def test_marked_words_are_found_in_any_text(text):
    try:
        marked = marked_text(Selection(text=text))
    except HeadscopeError:
        assert len(word_spans(text)) > MOST_WORDS
        return
    assert all(0 <= word < len(marked.words) for group in (marked.mention, *marked.candidates) for word in group)
    assert len(marked.words) == len(marked.gaps)


# ---- pictures: the same elements and attributes as with harmless text of the same length --------------------------------


def svg_lattice(names, title):
    first = tuple(BeamHypothesis(7, name, None, -1.0, -0.5, False) for name in names)
    last = (BeamHypothesis(7, names[-1], 0, -1.0, -0.5, True),)
    found = BeamSearch((first, last), (BeamCandidate(title, -0.5, (0, 0)),))
    return beam_lattice(found, theme=LIGHT, title=title, provenance={"text": title})


def svg_routes(names, title):
    count = len(names)
    maps = np.tril(np.ones((2, count, count)))
    routes = information_routes(maps / maps.sum(axis=2, keepdims=True), count - 1, threshold=0.1)
    return flow_routes(routes, names, theme=LIGHT, title=title, provenance={"text": title})


def svg_comparison(names, title):
    weights = np.full((len(names), len(names)), 1 / len(names))
    pair = compare_views(hand_view(weights, tokens=names), hand_view(weights, tokens=names))
    return head_comparison(
        pair,
        theme=LIGHT,
        title=title,
        titles=(names[0], names[-1]),
        scale="log",
        common=True,
        provenance={"text": title},
    )


def svg_slide(names, title):
    picture = tokens_row(names, [False] * len(names), theme=LIGHT, title=title, provenance={})
    return slide([picture], caption=title, title=names[0], number=1, count=2, theme=LIGHT, note=names[-1])


def svg_lens(names, title):
    frame = hand_frame(positions=len(names), layers=2).astype({"token": object, "truth": object, "top_1": object})
    shown = [*names, *names]
    frame = frame.assign(token=shown, truth=shown, top_1=shown, rank=pd.array([1] * len(shown), dtype="Int64"))
    return lens_table(frame, theme=LIGHT, title=title, provenance={"text": title})


def svg_trajectories(names, title):
    places = np.random.default_rng(0).normal(size=(len(names), 3, 3))
    return trajectory_svg(Paths(places, names), theme=LIGHT, title=title, provenance={"text": title})


def view_of(names):
    return hand_view(np.full((len(names), len(names)), 1 / len(names)), tokens=names)


TOLD = {"theme": LIGHT}
PICTURES = {
    "heatmap": lambda names, title: attention_heatmap(
        view_of(names), scale="log", common=True, title=title, provenance={"text": title}, **TOLD
    ),
    "links": lambda names, title: token_links(
        view_of(names), threshold=0.0, selected="q0", title=title, provenance={"text": title}, **TOLD
    ),
    "grid": lambda names, title: head_grid(
        hand_thumbnails(view_of(names), view_of(names).weights[None, None], (0,)), selected=(0, 0), scale="log",
        common=True, title=title, provenance={"text": title}, **TOLD,
    ),
    "arcs": lambda names, title: sentence_arcs(
        names, [Arc(0, len(names) - 1, 0.5)] if len(names) > 1 else [], roles={0: "mention"}, title=title,
        subtitle=f"of {names[0]}", provenance={"text": title}, **TOLD,
    ),
    "tokens": lambda names, title: tokens_row(
        names, [False] * len(names), title=title, provenance={"text": title}, **TOLD
    ),
    "values": lambda names, title: value_matrix(
        np.ones((len(names), 2)), rows=names, columns=("0", names[0]), row_title=title, column_title=title, label=title,
        limit=1.0, diverging=True, title=title, provenance={"text": title}, **TOLD,
    ),
    "scores": lambda names, title: score_grid(
        np.ones((2, 3)), range(2), title=title, label=title, provenance={"text": title}, **TOLD
    ),
    "chain": lambda names, title: score_chain(
        score_row(hand_trace(), 0, 0, 0), 0, [names[0], names[-1], title], title=title, provenance={"text": title}, **TOLD
    ),
    "comparison": svg_comparison,
    "lattice": svg_lattice,
    "routes": svg_routes,
    "lens": svg_lens,
    "slide": svg_slide,
    "trajectories": svg_trajectories,
}  # fmt: skip


def nodes(svg: str) -> Counter:
    """Count the elements of a figure, each with the names of its attributes."""
    return Counter((element.tag, *sorted(element.attrib)) for element in read_svg(svg).iter())


@pytest.mark.parametrize("kind", PICTURES)
def test_a_figure_of_any_text_has_the_nodes_of_a_figure_of_plain_text(kind):
    @given(hostile.token_lists, hostile.texts)
    # Wide as it came, and not as it is written.
    @example(["000\ufffe"], "")
    def search(names, title):
        # No frame holds an unpaired surrogate; what a picture writes of unseen characters is longer than they are.
        names = [clean(name) for name in names] if kind in ("lens", "routes") else names
        shown = visible if kind == "arcs" else clean
        plain = PICTURES[kind]([hostile.plain_twin(shown(name)) for name in names], hostile.plain_twin(clean(title)))
        found, expected = nodes(PICTURES[kind](names, title)), nodes(plain)
        # How many lines a slide breaks its words into, and which words of a sentence need their whole text, depends on letters.
        assert (set(found) == set(expected)) if kind in ("slide", "arcs") else (found == expected)

    search()


# ---- tables ---------------------------------------------------------------------------------------------------------


def token_of(text: str) -> Token:
    return Token(visible(text), text, 7, word=0)


TABLES = {
    "token list": lambda names: token_list(view_of(names), "q0", same_sequence=True),
    "tokens": lambda names: token_strip([token_of(name) for name in names], 9, "decoder"),
    "predictions": lambda names: prediction_list(
        names[0], names[-1], [(f"{place} {name}", 0.5) for place, name in enumerate(names)]
    ),
    "german": lambda names: german_line(names, 1),
    "heads": lambda names: head_table([HeadRow("L0 H0", 0.5, 0.5, 0.5, 0.5)], names[0], names[-1], names[0]),
    "near heads": lambda names: near_heads([(name, 0.5, name) for name in names], names[0]),
    "neighbours": lambda names: neighbour_tables({f"{at} {name}": [(name, 0.5)] for at, name in enumerate(names)}),
    "cells": lambda names: cells_table(
        pd.DataFrame(
            {"query_token": names, "key_token": names, "first": 0.5, "second": 0.25, "difference": -0.25}, dtype=object
        ),
        (names[0], names[-1]),
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", TABLES)
def test_a_table_of_any_text_has_the_elements_of_a_table_of_plain_text(kind):
    @given(hostile.token_lists)
    def search(names):
        # What reaches a table is shown text, without unpaired surrogates; only entries of a vocabulary come as they are.
        names = names if kind == "tokens" else [hostile.encodable(name) for name in names]
        plain = [hostile.plain_twin(name) for name in names]
        body = TABLES[kind](names)
        assert hostile.outline(body) == hostile.outline(TABLES[kind](plain))
        body.encode()

    search()


# ---- messages to the canvases ---------------------------------------------------------------------------------------


@given(hostile.token_lists, hostile.texts)
def test_a_message_to_a_canvas_reads_back(names, title):
    view = view_of(names)
    look = {"scale": "log", "common": True}
    told = {"title": title, "description": title, "opened": (0, 0), "selected": "q0", "threshold": 0.1}
    found = unpack(head_view_message(view, same_sequence=True, **told, **look))
    assert found["query_tokens"] == [hostile.encodable(name) for name in names]
    assert found["title"] == hostile.encodable(title)
    assert found["weights"].shape == (len(names), len(names))
    row = unpack(token_row_message(names, [7] * len(names), [""] * len(names)))
    assert row["tokens"] == found["query_tokens"]
    thumbnails = hand_thumbnails(view, view.weights[None, None], (0,))
    assert len(unpack(head_grid_message(thumbnails, **look))["strongest"]) == 1
