"""Fixtures: a small tokenizer, and for the browser tests one server and one Chromium."""

import pytest

from tests.app_server import browsing, serving
from tests.tiny_models import VOCABULARY


@pytest.fixture(scope="session")
def tiny_tokenizer():
    """A word-level tokenizer over single letters whose ids fit the tiny models."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = ["<pad>", "<s>", "</s>", "<unk>", *(chr(code) for code in range(33, 33 + VOCABULARY - 4))]
    tokenizer = Tokenizer(models.WordLevel({word: index for index, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )


@pytest.fixture(scope="session")
def server():
    """The address of the app, served for this test run."""
    with serving() as address:
        yield address


@pytest.fixture(scope="session")
def chromium():
    """A real Chromium."""
    with browsing() as browser:
        yield browser


@pytest.fixture
def tab(chromium):
    """A fresh tab whose errors fail the test and whose requests are written down."""
    context = chromium.new_context(viewport={"width": 1280, "height": 800}, accept_downloads=True)
    page = context.new_page()
    page.problems, page.requested = [], []
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    page.on("dialog", lambda dialog: page.problems.append(f"dialog: {dialog.message}"))
    page.on("request", lambda request: page.requested.append(request.url))
    yield page
    context.close()
    assert not page.problems
