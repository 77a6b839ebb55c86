"""What is selected, as one frozen value, and how it is written as URL parameters; no streamlit."""

import re
from dataclasses import dataclass, fields, replace
from urllib.parse import quote

from app.choices import CHOICES, NAMED, RANGES
from model.catalog import BUNDLED, DEFAULT_MODEL

DEFAULT_ENGLISH = "Two young girls are playing with a dog in the snow."
DEFAULT_TEXT = "The animal didn't cross the street because it was too tired."
# Characters of a text as they stand in an address; servers refuse addresses of more than 64 kB in all.
LONGEST_URL_TEXT = 12_000
LONGEST_NAME = 200
_WORDS = re.compile(r"(\d{1,4}(-\d{1,4})?(,\d{1,4}(-\d{1,4})?){0,19})?", re.ASCII)

_ZOOM = re.compile(r"(\d{1,6},\d{1,6},[1-9]\d{0,5},[1-9]\d{0,5})?", re.ASCII)


@dataclass(frozen=True)
class Selection:
    """Everything that decides what a page shows.

    `token` is "", "q3" (a query) or "k5" (a key), counted in tokens. Of a text that is too long and `cut`, the model reads
    what `keep` says, a window from the token `window_start`. `zoom` is the part of a long head that is shown,
    "top,left,rows,columns" in its rows and columns ("": all of it), and `find` what is looked for in it. `mention` and
    `candidates` count words, "10" or "1,5-6"; "" lets the page propose them, as does the `answer` -1. `other` is the second
    sentence of a minimal pair. `english` is what is translated, `written` how many German tokens are shown (0: all),
    `translation_head` -1 the mean of its layer.
    `score`, `score_across`, `score_up` and `colour` name scores of heads ("role": what the heads do); `edits` are
    interventions as text, "L3H1:off"; `effect_texts` and `references` have a text a line;
    `other_layer`, `other_head` and `other_model` are what something is compared with. `state` 0 is what enters the first
    layer, n what layer n - 1 hands on; `position` and `key_position` count tokens, the one that looks and the one looked at.
    """

    model: str = DEFAULT_MODEL
    revision: str = ""
    device: str = "auto"
    dtype: str = "auto"
    text: str = DEFAULT_TEXT
    pair: bool = False
    second: str = ""
    chat: bool = False
    target: str = ""
    new_tokens: int = 0
    method: str = "greedy"
    seed: int = 0
    step: int = 1
    stack: str = ""
    layer: int = 3
    head: int = 1
    combination: str = "head"
    words: bool = False
    hide_special: bool = False
    scale: str = "square root"
    common: bool = True
    threshold: float = 0.1
    token: str = "q10"
    block: str = "all"
    cut: bool = False
    keep: str = "beginning"
    window_start: int = 0
    zoom: str = ""
    pooling: str = "maximum"
    find: str = ""
    mention: str = ""
    candidates: str = ""
    answer: int = -1
    other: str = ""
    choice: str = "held out"
    best: int = 5
    direction: str = "from mention"
    head_word: bool = False
    view: str = "one sentence"
    example_set: str = ""
    english: str = DEFAULT_ENGLISH
    translator: str = "Transformer"
    search: str = "greedy"
    beams: int = 4
    written: int = 0
    shown: str = "cross"
    translation_layer: int = 3
    translation_head: int = -1
    position_view: str = "sinusoids"
    offset: int = 5
    frequency: int = 6
    order: str = "shuffled"
    order_seed: int = 0
    cost_length: int = 256
    cost_width: int = 256
    cost_kernel: int = 3
    heads_view: str = "roles"
    measured_on: str = "study"
    heads_shown: str = "scatter"
    score: str = "first token"
    score_across: str = "first token"
    score_up: str = "positional"
    colour: str = "role"
    groups: int = 7
    map_colour: str = "group"
    edits: str = ""
    edit: str = "switched off"
    effect_texts: str = ""
    references: str = ""
    measure: str = ""
    compare: str = "heads"
    compare_view: str = "maps"
    other_layer: int = 4
    other_head: int = 3
    other_model: str = "small-decoder"
    states_view: str = "dimensions"
    state: int = 4
    position: int = 10
    key_position: int = 2
    dimension_order: str = "as they are"
    overlaid: bool = False
    lens_colour: str = "probability"
    lens_first: int = 0
    vocabulary_token: str = "123"
    flow_view: str = "maps"
    flow_method: str = "norms"
    route_threshold: float = 0.04
    embedding: str = "PCA"


# What a new text takes back: the words of the old one that were chosen.
UNREAD = {"mention": "", "candidates": "", "answer": -1}
# What a new input takes back: where the old one was cut, and what was selected in it.
NEW_INPUT = {"cut": False, "keep": "beginning", "window_start": 0, "zoom": "", "token": "", "step": 1, **UNREAD}
_DEFAULT = Selection()


def read_selection(parameters: dict[str, str]) -> Selection:
    """Return the Selection that URL parameters describe; what is unknown or out of range keeps its default."""
    found = {}
    for entry in fields(Selection):
        if entry.name in parameters:
            try:
                found[entry.name] = _parse(entry.name, parameters[entry.name])
            except ValueError:
                continue
    return replace(_default_for(found.get("text", DEFAULT_TEXT)), **found)


def _default_for(text: str) -> Selection:
    """Return the default beside a text: the token that is selected at first belongs to the default sentence."""
    return _DEFAULT if text == DEFAULT_TEXT else replace(_DEFAULT, token="")


def write_selection(selection: Selection) -> dict[str, str]:
    """Return the URL parameters of a Selection: only what differs from the default."""
    if len(quote(selection.text, errors="replace")) > LONGEST_URL_TEXT:
        # What belongs to a text that the address cannot hold would be wrong for the one that takes its place.
        selection = replace(selection, **{**NEW_INPUT, "text": DEFAULT_TEXT, "token": _DEFAULT.token})
    for name in ("find", "target", "second", "other", "english", "edits", "effect_texts", "references"):
        if len(quote(getattr(selection, name), errors="replace")) > LONGEST_URL_TEXT:
            selection = replace(selection, **{name: getattr(_DEFAULT, name)})
    default = _default_for(selection.text)
    return {
        entry.name: _format(getattr(selection, entry.name))
        for entry in fields(Selection)
        if getattr(selection, entry.name) != getattr(default, entry.name)
    }


def source_of(model: str) -> str:
    """Return where a model name points: "bundled", "folder" or "hub"."""
    if model in BUNDLED:
        return "bundled"
    return "folder" if model.startswith(("/", ".", "~")) or "\\" in model or model[1:2] == ":" else "hub"


def _parse(name: str, text: str):
    default = getattr(_DEFAULT, name)
    if isinstance(default, bool):
        if text not in ("0", "1"):
            raise ValueError(name)
        return text == "1"
    value = type(default)(text)
    if name in CHOICES and value not in CHOICES[name]:
        raise ValueError(name)
    if name in RANGES and not RANGES[name][0] <= value <= RANGES[name][1]:
        raise ValueError(name)
    if name in ("mention", "candidates") and not _WORDS.fullmatch(value):
        raise ValueError(name)
    if name in NAMED and len(value) > LONGEST_NAME:
        raise ValueError(name)
    if name == "zoom" and not _ZOOM.fullmatch(value):
        raise ValueError(name)
    if name == "token" and not re.fullmatch(r"([qk]\d{1,6})?", value, re.ASCII):
        raise ValueError(name)
    return value


def _format(value) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value)
