"""Addresses from a stranger: every page opens with what they say or with its default, and says so in a sentence."""

import logging
from dataclasses import fields
from urllib.parse import parse_qsl, quote, urlencode

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

import tests.fuzz_profile as profile
from app.navigation import PAGES
from app.selection import Selection, read_selection, source_of, write_selection
from tests import hostile_text as hostile
from tests.app_session import html_of, open_page

NAMES = [entry.name for entry in fields(Selection)]
# What a stranger writes where a number, a name or a position is expected.
ODD = (
    "", "0", "-1", "1e9", "nan", "inf", "9" * 40, "0x10", "1_0", "٣", "٣,٤", "1,5-6", "5-1", "1-9999", ",", "q0", "k9999", "q-1",
    "[]",
    "{}", "None", "true", "L3H1:off", "L99H99:off", "L0H0:x1e400", "L0H0:x-1,L0H0:off", "encoder L0:uniform", "../../etc/passwd",
    "/dev/zero", "/proc/self/mem", "~root", "file:///etc/passwd", "http://headscope.invalid/x", "minilm", "transformer-tiny",
    "small-decoder", "a/b/c", "\\\\server\\share", "con", ".", "..", "/", "role", "first token", "mean of all", "log", "cross",
    "decoder", "sampled", "beam", "real sets", "models", "interventions", "sentences", "through the layers", "logit lens",
    "paths",
    "routes", "fidelity", "importance", "similar heads", "this text", "side by side", "this model", "word order", "length",
)  # fmt: skip
values = st.one_of(st.sampled_from(ODD), hostile.texts, st.integers(-3, 10_001).map(str), st.floats().map(str))
# A browser sends UTF-8, and a server reads what is none as U+FFFD.
parameters = st.dictionaries(
    st.one_of(st.sampled_from(NAMES), st.sampled_from(["talk", "embed", "page"]), hostile.texts), values, max_size=6
)
# No address names a model of the hub here: that asks before it does anything, and is asked elsewhere.
LOCAL = (
    "",
    "minilm",
    "transformer-tiny",
    "/nowhere",
    "./nowhere",
    "~/nowhere",
    "/proc/self/mem",
    "/dev/zero",
    "a\0b",
    "/a\0b",
)


def through_address(found: dict[str, str]) -> dict[str, str]:
    """Return the parameters as a server reads them out of an address."""
    told = urlencode(
        {name.encode("utf-8", "replace"): value.encode("utf-8", "replace") for name, value in found.items()}
    )
    return dict(parse_qsl(told, keep_blank_values=True, errors="replace"))


@given(parameters)
def test_any_parameters_are_a_selection_that_writes_itself(found):
    selection = read_selection(through_address(found))
    for entry in fields(Selection):
        assert type(getattr(selection, entry.name)) is type(getattr(Selection(), entry.name))
    told = write_selection(selection)
    assert write_selection(read_selection(told)) == told
    assert len(quote(str(told))) < 200_000
    assert source_of(selection.model) in ("bundled", "folder", "hub")


@given(st.text(hostile.any_character, max_size=60), st.sampled_from(NAMES))
@example("%00%ff%ed%a0%80&=&;;", "text")
def test_a_malformed_address_is_read_as_far_as_it_goes(text, name):
    told = f"{name}={text}&layer=5&{text}".encode("utf-8", "replace").decode()
    found = dict(parse_qsl(told, keep_blank_values=True, errors="replace"))
    selection = read_selection(found)
    assert selection == read_selection(write_selection(selection)) or selection.text != Selection().text


@pytest.mark.parametrize("row", PAGES, ids=lambda row: row.url_path)
def test_a_page_opens_with_any_address(row, caplog):
    @profile.slow(40, least=2)
    @given(parameters, st.sampled_from(LOCAL), st.booleans())
    def search(found, model, named):
        found = through_address(found)
        # What would run for minutes is not what is looked for here.
        for name in ("text", "second", "english", "other", "target", "effect_texts", "references"):
            found[name] = found[name][:200] if name in found else getattr(Selection(), name)
        found = {name: value for name, value in found.items() if value or name != "second"}
        found |= {"model": model if named else "minilm"}
        assume(source_of(found.get("other_model", "minilm")) != "hub" and int_or(found.get("new_tokens"), 0) <= 4)
        assert_opens(row, {name[:100]: value for name, value in found.items()}, caplog)

    search()


def int_or(text: str | None, other: int) -> int:
    try:
        return int(text or other)
    except ValueError:
        return other


def assert_opens(row, found: dict[str, str], caplog) -> None:
    caplog.clear()
    session = open_page(**found)
    session.switch_page(f"../pages/{row.file}").run()
    assert not session.exception, found
    # Twice: what is kept from the first run must not change what the second does.
    session.run()
    assert not session.exception, found
    body = html_of(session)
    body.encode()
    marked = [
        one for one in hostile.outline(body) if hostile.MARK in str(one) or one[0] in ("script", "img", "iframe", "svg")
    ]
    assert not marked, found
    assert not [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR], found
