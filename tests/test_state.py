"""The selection and its URL: what is written reads back, and nothing that stands in a URL can break a page."""

from dataclasses import fields, replace
from urllib.parse import parse_qsl, urlencode

import pytest

from app.choices import CHOICES
from app.selection import LONGEST_URL_TEXT, Selection, read_selection, source_of, write_selection
from model.analysis.pooled_views import POOLINGS
from model.catalog import BUNDLED, DEFAULT_MODEL
from model.text_windows import PARTS

DEFAULT = Selection()
VALUES = {
    "model": ["gpt2", "org/name", "/srv/models/my model", "C:\\models\\x", "模型"],
    "revision": ["main", "a1b2c3", "v1.0+x"],
    "device": ["cpu", "cuda", "mps", "spread"],
    "dtype": ["float32", "bfloat16", "float16"],
    "text": ["", "Hello", "a&b=c#d?e%20f+g", " leading\nand\ttabs ", "</script><b>", "字 é 🦊", "x" * LONGEST_URL_TEXT],
    "pair": [True],
    "second": ["And then?", "a&b"],
    "chat": [True],
    "target": ["Bonjour", "a&b", "\n"],
    "new_tokens": [1, 64],
    "method": ["sampled", "beam"],
    "seed": [1, 10**9],
    "step": [2, 64],
    "block": ["A to A", "A to B", "B to A", "B to B"],
    "stack": ["encoder", "decoder", "cross"],
    "layer": [0, 1, 47, 10_000],
    "head": [0, 2, 127],
    "combination": ["layer mean", "layer maximum", "mean of all", "maximum of all"],
    "words": [True],
    "hide_special": [True],
    "scale": ["linear", "log"],
    "common": [False],
    "threshold": [0.0, 0.25, 0.05, 1.0, 1 / 3, 1e-9],
    "token": ["", "q0", "k5", "q511"],
    "cut": [True],
    "keep": ["end", "both ends", "window"],
    "window_start": [1, 10_000_000],
    "zoom": ["0,0,1,1", "3584,128,256,999999"],
    "pooling": ["mean"],
    "find": ["a&b", "<b>"],
    "mention": ["0", "10", "3-4"],
    "candidates": ["1", "1,5", "0-2,4,6-7"],
    "answer": [0, 1, 19],
    "other": ["And then?", "a&b"],
    "choice": ["best here", "one head", "mean of best"],
    "best": [1, 50],
    "direction": ["to mention"],
    "head_word": [True],
    "view": ["real sets"],
    "example_set": ["gap", "winobias type 1"],
    "english": ["A dog.", "a&b", ""],
    "search": ["beam"],
    "translator": ["Recurrent", "side by side"],
    "beams": [2, 10],
    "written": [1, 64],
    "shown": ["encoder", "decoder"],
    "translation_layer": [0, 1, 47],
    "translation_head": [0, 3],
    "position_view": ["this model", "word order"],
    "offset": [0, 60],
    "frequency": [0, 31],
    "order": ["reversed"],
    "order_seed": [1, 999],
    "cost_length": [2, 1024],
    "cost_width": [1, 1024],
    "cost_kernel": [2, 15],
    "heads_view": ["similar heads", "interventions", "importance"],
    "measured_on": ["this text"],
    "heads_shown": ["table"],
    "map_colour": ["role"],
    "score": ["nsubj: dependant to head", "<b>", "a&b"],
    "score_across": ["entropy"],
    "score_up": ["distance"],
    "colour": ["entropy"],
    "groups": [0, 20],
    "edits": ["L3H1:off", "encoder L0H2:x0.5,L2:uniform", "a&b"],
    "edit": ["halved", "uniform"],
    "effect_texts": ["One.\nTwo.", "a&b"],
    "references": ["Eins.\nZwei."],
    "measure": ["cross entropy", "<b>"],
    "compare": ["layers", "sentences", "models", "interventions"],
    "compare_view": ["through the layers", "layer similarity"],
    "other_layer": [0, 3, 10_000],
    "other_head": [0, 10_000],
    "states_view": ["norms", "logit lens"],
    "state": [0, 7],
    "position": [0, 3],
    "key_position": [0, 3],
    "dimension_order": ["variance", "clustered"],
    "overlaid": [True],
    "lens_colour": ["entropy", "KL"],
    "lens_first": [1, 100],
    "vocabulary_token": ["12", "<b>"],
    "flow_view": ["routes", "fidelity"],
    "flow_method": ["rollout", "a&b"],
    "route_threshold": [0.001, 0.1, 1.0],
    "embedding": ["t-SNE"],
    "other_model": ["minilm", "a&b", "/srv/models/my model"],
}
CHANGES = [(name, value) for name, values in VALUES.items() for value in values]


def through_url(parameters: dict[str, str]) -> dict[str, str]:
    """Return the parameters as a browser's address bar gives them back."""
    return dict(parse_qsl(urlencode(parameters), keep_blank_values=True))


def test_choices_are_those_of_the_library():
    # Written twice, since the library imports torch and the first page stands before that.
    assert CHOICES["pooling"] == POOLINGS
    assert CHOICES["keep"] == PARTS


def test_every_field_is_tried():
    assert set(VALUES) == {entry.name for entry in fields(Selection)}


@pytest.mark.parametrize(("name", "value"), CHANGES)
def test_each_field_goes_through_the_url_and_back(name, value):
    changed = replace(DEFAULT, **{name: value})
    written = write_selection(changed)
    assert set(written) - {"token"} == {name} - {"token"}
    assert all(isinstance(part, str) for part in written.values())
    found = read_selection(through_url(written))
    assert found == changed
    assert type(getattr(found, name)) is type(getattr(DEFAULT, name))


@pytest.mark.parametrize("step", range(8))
def test_all_fields_together_go_through_the_url_and_back(step):
    changed = Selection(**{name: values[step % len(values)] for name, values in VALUES.items()})
    written = write_selection(changed)
    assert read_selection(through_url(written)) == changed
    assert write_selection(read_selection(written)) == written


def test_the_default_needs_no_parameters():
    assert write_selection(DEFAULT) == {}
    assert read_selection({}) == DEFAULT


@pytest.mark.parametrize(
    "parameters",
    [
        {"layer": "5", "head": "7"},
        {"model": "gpt2", "combination": "mean of all", "words": "1", "common": "0"},
        {"threshold": "0.25", "scale": "log", "token": "k3"},
        {"text": "Hello there", "token": "q1"},
        {"token": ""},
        {"stack": "cross", "target": "Bonjour", "cut": "1", "hide_special": "1"},
    ],
)
def test_a_canonical_url_stays_as_it_is(parameters):
    assert write_selection(read_selection(parameters)) == parameters


INVALID = {
    "layer": ["-1", "10001", "1.5", "nan", "inf", "", "three", "1e3", "0x1", "9" * 5000],
    "head": ["-1", "1.0", "NaN", "∞", " "],
    "threshold": ["-0.01", "1.01", "nan", "inf", "-inf", "", "0,5", "1e400"],
    "zoom": ["0,0,0,1", "1,2,3", "a,b,c,d", "-1,0,1,1", "0,0,1,1\n"],
    "keep": ["middle", ""],
    "pooling": ["sum"],
    "window_start": ["-1", "1.5"],
    "token": ["q", "k", "3", "x3", "q-1", "q1.5", "q 1", "qq1", "q²", "q٣", "Q1", "<b>", "q1\n"],
    "words": ["2", "true", "", "yes", "-1"],
    "hide_special": ["on"],
    "common": ["no", "00"],
    "cut": ["None"],
    "scale": ["cubic", "", "Linear"],
    "combination": ["median", "Head", ""],
    "stack": ["sideways", "Encoder"],
    "device": ["tpu", "cuda:0; rm", ""],
    "dtype": ["int8", "torch.float32"],
}


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in INVALID.items() for text in texts])
def test_what_is_out_of_range_keeps_its_default_and_nothing_else_does(name, text):
    other = {"scale": "log"} if name != "scale" else {"layer": "5"}
    assert read_selection({name: text, **other}) == read_selection(other) != DEFAULT


def test_unknown_parameters_are_ignored():
    strange = {"embed": "true", "__class__": "x", "selection": "1", "Layer": "5", "": ""}
    assert read_selection(strange) == DEFAULT
    assert read_selection({**strange, "layer": "5"}) == replace(DEFAULT, layer=5)


def test_the_default_token_belongs_to_the_default_text():
    assert DEFAULT.token == "q10"
    assert read_selection({"text": "Hello"}).token == ""
    assert read_selection({"text": "Hello", "token": "q10"}).token == "q10"
    assert read_selection({"text": "Hello", "token": "nonsense"}).token == ""
    assert read_selection({"layer": "2"}).token == "q10"
    # Also where the token of another text is by chance the default's.
    kept = replace(DEFAULT, text="Hello there")
    assert read_selection(write_selection(kept)) == kept


@pytest.mark.parametrize("name", ["text", "target"])
def test_a_long_text_is_not_put_into_the_url(name):
    fits, over = "x" * LONGEST_URL_TEXT, "x" * (LONGEST_URL_TEXT + 1)
    assert write_selection(replace(DEFAULT, **{name: fits}))[name] == fits
    written = write_selection(replace(DEFAULT, **{name: over, "layer": 5}))
    assert name not in written
    assert written["layer"] == "5"
    assert getattr(read_selection(written), name) == getattr(DEFAULT, name)


@pytest.mark.parametrize(
    ("model", "source"),
    [
        (DEFAULT_MODEL, "bundled"),
        ("gpt2", "hub"),
        ("org/name", "hub"),
        ("a", "hub"),
        ("", "hub"),
        ("/srv/model", "folder"),
        ("./model", "folder"),
        ("../model", "folder"),
        ("~/model", "folder"),
        ("C:\\model", "folder"),
        ("C:/model", "folder"),
        ("models\\here", "folder"),
    ],
)
def test_where_a_model_name_points(model, source):
    assert source_of(model) == source


def test_every_bundled_model_is_known_as_bundled():
    assert DEFAULT_MODEL in BUNDLED
    assert {source_of(name) for name in BUNDLED} == {"bundled"}
