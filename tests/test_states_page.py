"""The States page from the entry: dimensions, norms, similarities, trajectories, contexts, logit lens and neighbours."""

import numpy as np
import pytest

from app.choices import DIMENSION_ORDERS, LENS_COLOURS
from app.figures.lens_table import COLOURS
from model import load_model, record
from model.analysis.state_dimensions import ORDERS, dimension_order
from model.analysis.state_similarity import cosine_similarity, layer_cosines
from model.analysis.static_neighbours import static_neighbours
from model.logit_lens import logit_lens
from tests.app_session import html_of, messages, notices, open_page, unpack

PAGE = "../pages/states.py"
TEXT = "The animal didn't cross the street because it was too tired."


def states(**parameters: str):
    session = open_page(**parameters)
    session.switch_page(PAGE).run(timeout=200)
    assert not session.exception
    return session


def matrices(session) -> list[dict]:
    found = session.get("bidi_component")
    return [unpack(one.proto.bytes) for one in found if one.proto.component_name.endswith("value_matrix")]


@pytest.fixture(scope="module")
def own():
    return record(load_model("minilm", device="cpu"), TEXT).hidden_states("encoder")


def test_choices_are_those_of_the_library():
    assert DIMENSION_ORDERS == ORDERS
    assert LENS_COLOURS == COLOURS


@pytest.mark.parametrize("order", DIMENSION_ORDERS)
def test_dimensions_in_every_order(own, order):
    session = states(dimension_order=order, state="6")
    assert not notices(session)
    (matrix,) = matrices(session)
    dimensions = dimension_order(own[6], order)
    assert matrix["columns"] == [str(one) for one in dimensions]
    assert matrix["values"] == pytest.approx(own[6][:, dimensions], abs=1e-4)
    assert matrix["diverging"]


def test_the_outlier_dimension_is_marked_and_named():
    session = states(state="4")
    assert matrices(session)[0]["marked_columns"] == [223]
    assert "223 (mean" in html_of(session)


def test_cosines_of_tokens_and_of_layers(own):
    session = states(states_view="similarity", state="3", position="2")
    between, through = matrices(session)
    assert between["values"] == pytest.approx(cosine_similarity(own[3]), abs=1e-5)
    assert through["values"] == pytest.approx(layer_cosines(own, 2), abs=1e-5)
    assert len(session.get("vega_lite_chart")) == 1


@pytest.mark.parametrize("view", ["norms", "contexts"])
def test_charts_of_norms_and_contexts(view):
    session = states(states_view=view)
    assert not notices(session)
    assert len(session.get("vega_lite_chart")) == 1


def test_contexts_begin_with_the_two_banks():
    session = states(states_view="contexts")
    assert session.text_area(key="widget_text").value.startswith("He sat on the bank")
    assert session.selectbox(key="shared_word").format_func(session.selectbox(key="shared_word").value).endswith("bank")


def test_trajectories_of_one_text_and_two():
    session = states(states_view="trajectories")
    assert not notices(session)
    assert len(session.get("plotly_chart")) == 1
    both = states(states_view="trajectories", overlaid="1", other="The animal ate.")
    assert not notices(both)


def test_the_lens_of_the_decoder_is_the_librarys():
    session = states(states_view="logit lens", model="small-decoder")
    assert not notices(session)
    lens = logit_lens(load_model("small-decoder", device="cpu"), TEXT)
    shown = messages(session)["picture"]["svg"]
    token = lens.names[int(lens.top_ids[-1, 3, 0])]
    assert token in shown
    assert f"L3 {lens.agreement[-1]:.2f}" in html_of(session)
    assert lens.agreement[-1] == 1


def test_an_encoder_without_a_head_is_sent_to_its_neighbours():
    session = states(states_view="logit lens")
    assert "nearest vocabulary entries" in notices(session)[0]


def test_neighbours_of_a_number():
    session = states(states_view="neighbours", vocabulary_token="123")
    assert not notices(session)
    loaded = load_model("minilm", device="cpu")
    number = loaded.tokenizer.convert_tokens_to_ids("123")
    (found,) = static_neighbours(loaded, [number], count=1, words_only=True)
    assert f"<td>{found[0].token.text}</td><td>{found[0].score:.3f}</td>" in html_of(session)


@pytest.mark.parametrize("view", ["dimensions", "norms", "similarity", "trajectories", "logit lens", "neighbours"])
@pytest.mark.parametrize("model", ["transformer-tiny", "small-decoder"])
def test_every_view_of_other_models(view, model):
    session = states(states_view=view, model=model, text="Two dogs run in the snow.")
    assert not notices(session)


@pytest.mark.parametrize("view", ["dimensions", "norms", "similarity", "trajectories", "neighbours"])
@pytest.mark.parametrize("count", [5, 500])
def test_every_view_of_short_and_long_texts(view, count):
    session = states(states_view=view, text=" ".join(["dog"] * (count - 2)))
    assert not notices(session)
    assert not np.isnan(matrices(session)[0]["values"]).all() if matrices(session) else True
