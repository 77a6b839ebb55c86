"""Every page from the entry: what it shows, what it keeps in the URL, and how it takes bad input."""

import numpy as np
import pytest
import torch

from app.navigation import PAGES
from app.selection import DEFAULT_TEXT
from model.errors import ModelNotFound
from model.hub import Listing
from tests.app_session import html_of, messages, notices, open_page, read_html
from tests.tiny_models import tiny

HOSTILE = "</script><img src=x onerror=alert(1)> **bold** $x^2$ `code`"


@pytest.mark.parametrize("row", PAGES, ids=lambda row: row.title)
def test_every_page_runs_twice_without_an_error(row):
    session = open_page()
    session.switch_page(f"../pages/{row.file}").run()
    assert not session.exception
    assert not notices(session)
    assert not session.run().exception


def test_first_picture_is_it_looking_at_the_animal():
    session = open_page()
    head = messages(session)["head_view"]
    assert head["title"] == "L3 H1"
    query, key = head["query_tokens"].index("it"), head["key_tokens"].index("animal")
    assert head["weights"][query, key] == pytest.approx(0.68, abs=0.01)
    assert head["selected"] == f"q{query}"
    assert np.allclose(head["weights"].sum(axis=1), 1, atol=1e-5)
    assert "0.677" in html_of(session)


def test_widgets_open_heads_and_fill_the_url():
    session = open_page()
    session.selectbox(key="widget_layer").select(5)
    session.selectbox(key="widget_head").select(7).run()
    assert messages(session)["head_view"]["title"] == "L5 H7"
    assert messages(session)["head_view"]["open"] == [5, 7]
    assert session.query_params["layer"] == "5"
    session.toggle(key="widget_hide_special").set_value(True).run()
    assert session.query_params["hide_special"] == "1"
    assert "[CLS]" not in messages(session)["head_view"]["query_tokens"]
    assert "rows renormalised" in html_of(session)


def test_a_copied_link_shows_the_same_picture():
    first = open_page(text="The nurse thanked the lawyer.", layer="2", words="1", scale="log", token="q2")
    again = open_page(**first.query_params)
    shown = [messages(session)["head_view"] for session in (first, again)]
    assert np.array_equal(shown[0].pop("weights"), shown[1].pop("weights"))
    assert shown[0] == shown[1]
    assert shown[0]["scale"] == "log"


def test_widgets_show_what_the_link_says_also_inside_popovers():
    session = open_page(scale="log", common="0", threshold="0.5", token="q3")
    assert session.slider(key="widget_threshold").value == 0.5
    assert session.toggle(key="widget_common").value is False
    assert session.selectbox(key="widget_token").value == "q3"
    # On later runs too: a closed popover takes its first value from the last run.
    session.selectbox(key="widget_layer").select(0).run()
    scale = next(group for group in session.get("button_group") if group.key == "widget_scale")
    assert scale.proto.set_value
    assert session.slider(key="widget_threshold").proto.set_value


@pytest.mark.parametrize("combination", ["layer mean", "layer maximum", "mean of all", "maximum of all"])
def test_heads_combined(combination):
    session = open_page()
    session.selectbox(key="widget_combination").select(combination).run()
    weights = messages(session)["head_view"]["weights"]
    sums = weights.sum(axis=1)
    assert np.allclose(sums, 1, atol=1e-5) if "mean" in combination else (sums > 1.01).all()
    assert ("rows need not sum to 1" in html_of(session)) == ("maximum" in combination)


@pytest.mark.parametrize(("text", "sentence"), [("", "no text to look at"), (" \n\t ", "no text to look at")])
def test_nothing_to_look_at(text, sentence):
    session = open_page()
    session.text_area(key="widget_text").set_value(text).run()
    assert not session.exception
    assert sentence in notices(session)[0]


def test_a_long_text_is_offered_to_be_cut_and_is_kept():
    text = "word " * 700
    session = open_page()
    session.text_area(key="widget_text").set_value(text).run()
    assert "702 tokens" in notices(session)[0]
    session.button[-1].click().run()
    assert not notices(session)
    assert session.text_area(key="widget_text").value == text
    assert len(messages(session)["head_view"]["query_tokens"]) == 512
    assert "text cut" in html_of(session)


def test_hostile_text_is_shown_as_text():
    session = open_page()
    session.text_area(key="widget_text").set_value(HOSTILE).run()
    assert not session.exception
    read = read_html(html_of(session))
    assert set(read.tags) <= {"style", "div", "p", "small", "span", "b", "table", "caption", "tr", "td", "i"}
    assert not {name for name in read.attributes if name.startswith("on")}
    assert "alert" in "".join(read.text)


def test_examples_replace_the_text():
    session = open_page()
    session.button(key="example_two banks").click().run()
    assert "bank" in session.text_area(key="widget_text").value
    assert messages(session)["head_view"]["selected"] == ""


@pytest.mark.parametrize(
    ("model", "sentence"),
    [("/no/such/folder", "neither a folder"), ("owner/../x", "neither a folder"), ("~/", "config.json")],
)
def test_models_that_cannot_be_loaded_keep_the_text(model, sentence, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    session = open_page(model=model, text="My own sentence.")
    assert not session.exception
    assert sentence in notices(session)[0]
    assert session.text_area(key="widget_text").value == "My own sentence."


def test_a_link_asks_before_it_downloads(monkeypatch):
    asked = []

    def listing(name, revision):
        asked.append(name)
        raise ModelNotFound("No network here.")

    monkeypatch.setattr("model.hub.cached_snapshot", lambda name, revision: None)
    monkeypatch.setattr("model.hub.listing", listing)
    session = open_page(model="owner/some-model")
    assert "asks for “owner/some-model” from the hub" in notices(session)[0]
    assert not asked
    session.button[-1].click().run()
    assert asked == ["owner/some-model"]
    assert notices(session) == ["No network here."]


def test_a_hub_model_that_the_user_names_is_fetched_at_once(monkeypatch):
    monkeypatch.setattr("model.hub.cached_snapshot", lambda name, revision: None)
    monkeypatch.setattr("model.hub.listing", lambda name, revision: Listing(["model.bin"], None, None))
    session = open_page()
    next(group for group in session.get("button_group") if group.key == "widget_source").set_value("hub").run()
    session.text_input(key="widget_model_hub").set_value("owner/pickled").run()
    assert "only as a pickle" in notices(session)[0]
    assert session.text_area(key="widget_text").value == DEFAULT_TEXT


def test_a_pickle_is_refused(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    torch.save({}, tmp_path / "pytorch_model.bin")
    assert "pickle" in notices(open_page(model=str(tmp_path)))[0]


def test_a_model_that_does_not_fit_is_refused(monkeypatch):
    monkeypatch.setattr("model.devices.free_memory", lambda _device: 10_000_000)
    sentence = notices(open_page(device="cpu", dtype="bfloat16"))[0]
    assert "23 million parameters" in sentence
    assert "10.0 MB are free" in sentence


def test_an_encoder_decoder_offers_its_stacks(tmp_path, tiny_tokenizer):
    tiny("bart").save_pretrained(tmp_path)
    tiny_tokenizer.save_pretrained(tmp_path)
    session = open_page(model=str(tmp_path), text="a b c d", target="b c", stack="cross", layer="1")
    assert not session.exception
    assert not notices(session)
    head = messages(session)["head_view"]
    assert session.selectbox(key="widget_stack").options == ["Encoder", "Decoder", "Cross-attention"]
    assert len(head["query_tokens"]) < len(head["key_tokens"])
    assert head["same_sequence"] is False
    assert session.text_area(key="widget_target").value == "b c"


def test_a_selection_that_a_model_lacks_moves_to_the_nearest(tmp_path, tiny_tokenizer):
    tiny("gpt2").save_pretrained(tmp_path)
    tiny_tokenizer.save_pretrained(tmp_path)
    session = open_page(model=str(tmp_path), layer="40", head="99", token="q800")
    head = messages(session)["head_view"]
    assert head["title"] == "L2 H3"
    assert head["selected"] == ""
    assert head["masked"] is True
    assert np.isnan(head["weights"][0, 1:]).all()


def test_default_text_is_the_demonstration():
    assert open_page().text_area(key="widget_text").value == DEFAULT_TEXT
