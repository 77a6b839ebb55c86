"""Pairs, written tokens and opened files on the Attention page, from the entry."""

import io
import re

import numpy as np
import pytest

from model import load_model, record
from tests.app_session import html_of, messages, notices, open_page, read_html
from tests.tiny_models import tiny


@pytest.fixture
def folder(tmp_path, tiny_tokenizer):
    def save(name: str) -> str:
        tiny(name).save_pretrained(tmp_path / name)
        tiny_tokenizer.save_pretrained(tmp_path / name)
        return str(tmp_path / name)

    return save


def test_stepping_through_what_a_decoder_writes(folder):
    session = open_page(model=folder("gpt2"), text="a b c d", new_tokens="4")
    assert not session.exception
    assert not notices(session)
    first = messages(session)["head_view"]
    # The first new token is predicted in the row of the last token of the prompt.
    assert first["selected"] == "q3"
    assert len(first["query_tokens"]) == 7 + 1
    assert "predicted from" in html_of(session)
    session.button(key="step_next").click().run()
    assert messages(session)["head_view"]["selected"] == "q4"
    session.slider(key="widget_step").set_value(4).run()
    assert messages(session)["head_view"]["selected"] == "q6"
    assert session.query_params["step"] == "4"
    session.button(key="step_next").click().run()
    assert messages(session)["head_view"]["selected"] == "q6"


def test_an_encoder_decoder_writes_its_target(folder):
    session = open_page(model=folder("bart"), text="a b c d", new_tokens="3", stack="cross")
    assert not notices(session)
    head = messages(session)["head_view"]
    assert head["same_sequence"] is False
    assert "predicted from" in html_of(session)


def test_a_model_that_cannot_write_says_so():
    session = open_page(new_tokens="3")
    assert not session.exception
    assert "minilm" in notices(session)[0]


def test_a_pair_and_its_blocks():
    session = open_page(text="The cat sat down.", pair="1", second="It was tired.")
    assert not notices(session)
    whole = messages(session)["head_view"]
    assert whole["query_tokens"].count("[SEP]") == 2
    session.selectbox(key="widget_block").select("B to A").run()
    block = messages(session)["head_view"]
    assert block["query_tokens"] == ["it", "was", "tired", "."]
    assert block["key_tokens"] == ["the", "cat", "sat", "down", "."]
    rows, columns = slice(7, 11), slice(1, 6)
    assert np.array_equal(block["weights"], whole["weights"][rows, columns])
    assert "block B to A" in html_of(session)


def test_one_text_has_no_blocks():
    session = open_page(block="A to B")
    assert not notices(session)
    assert len(messages(session)["head_view"]["query_tokens"]) == 16
    assert "block" not in session.query_params


def explained(session) -> str:
    next(button for button in session.button if button.label == "Tokens").click().run()
    assert not session.exception
    return next(element.proto.body for element in session.get("html") if 'class="token-table"' in element.proto.body)


def test_the_tokens_are_explained():
    table = explained(open_page(text="Count 1234567 beetles."))
    assert re.findall(r'<td class="mono">(##\d+)</td>', table) == ["##45", "##45", "##6", "##6", "##7", "##7"]
    assert table.count("“1234567” is not one of the 30522 entries") == 1
    assert '<td class="why" rowspan="4">“1234567”' in table


def test_the_tokens_of_a_pair_are_explained():
    table = explained(open_page(text="The <b>cat</b> sat.", pair="1", second="It slept."))
    assert set(read_html(table).tags) == {"table", "tr", "th", "td"}
    assert "".join(read_html(table).text).count("[SEP]") == 4


def test_a_saved_trace_is_opened(tmp_path):
    trace = record(load_model("minilm"), "A saved sentence.")
    trace.save(tmp_path / "trace.safetensors")
    session = choose_file()
    assert "Choose a file" in notices(session)[0]
    upload(session, "trace.safetensors", (tmp_path / "trace.safetensors").read_bytes())
    assert messages(session)["head_view"]["query_tokens"] == list(trace.query_tokens(3))
    assert np.array_equal(messages(session)["head_view"]["weights"], trace.attention(3, 1))


def test_weights_of_another_tool_are_opened():
    weights = np.full((2, 3, 4, 4), 0.25, dtype=np.float32)
    stream = io.BytesIO()
    np.savez(stream, weights=weights, tokens=np.array(["a", "b", "c", "<i>"]))
    session = upload(choose_file(), "weights.npz", stream.getvalue())
    head = messages(session)["head_view"]
    assert head["title"] == "L1 H1"
    assert head["query_tokens"] == ["a", "b", "c", "<i>"]


@pytest.mark.parametrize(("name", "data"), [("x.npz", b"not a zip"), ("x.safetensors", b"\x08" * 40), ("y.npz", b"")])
def test_a_broken_file_gets_a_sentence(name, data):
    session = upload(choose_file(), name, data)
    assert not session.exception
    assert len(notices(session)) == 1


def choose_file():
    session = open_page()
    return next(group for group in session.get("button_group") if group.key == "widget_source").set_value("file").run()


def upload(session, name: str, data: bytes):
    session.file_uploader(key="trace_file").set_value((name, data, "application/octet-stream")).run()
    return session
