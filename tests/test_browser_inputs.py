"""Written tokens, pairs and opened files in a real Chromium."""

from urllib.parse import urlencode

import numpy as np
import pytest

from tests.browser_actions import first_picture, wait_for_data
from tests.tiny_models import tiny

pytestmark = pytest.mark.browser


def test_stepping_through_what_a_decoder_writes(server, tab, tmp_path, tiny_tokenizer):
    tiny("gpt2").save_pretrained(tmp_path)
    tiny_tokenizer.save_pretrained(tmp_path)
    tab.goto(f"{server}/?{urlencode({'model': str(tmp_path), 'text': 'a b c d', 'new_tokens': '4', 'layer': '2'})}")
    first_picture(tab, "L2 H1")
    wait_for_data(tab, "head_view", "selected", "q3")
    tab.get_by_role("button", name="Next").click()
    wait_for_data(tab, "head_view", "selected", "q4")
    assert "predicted from" in tab.locator(".token-lists").first.inner_text()
    tab.get_by_role("button", name="Back").click()
    wait_for_data(tab, "head_view", "selected", "q3")


def test_a_second_sentence_is_typed(server, tab):
    tab.goto(server)
    first_picture(tab, "L3 H1")
    tab.get_by_role("button", name="Input").click()
    tab.get_by_text("Second sentence").click()
    tab.keyboard.press("Escape")
    box = tab.get_by_label("Second sentence")
    box.fill("It slept.")
    box.press("Control+Enter")
    tab.wait_for_function("() => document.body.innerText.includes('20 of at most 512 tokens')")


def test_weights_of_another_tool_are_opened(server, tab, tmp_path):
    weights = np.full((4, 2, 3, 3), 1 / 3, dtype=np.float32)
    np.savez(tmp_path / "weights.npz", weights=weights, tokens=np.array(["one", "two", "<b>"]))
    tab.goto(server)
    first_picture(tab, "L3 H1")
    tab.get_by_role("radio", name="File").click()
    tab.locator('input[type="file"]').set_input_files(tmp_path / "weights.npz")
    tab.wait_for_function("() => document.body.innerText.includes('3 tokens')")
    first_picture(tab, "L3 H1")
    assert tab.locator(".tokens").inner_text().splitlines()[:3] == ["one", "two", "<b>"]
