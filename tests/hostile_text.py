"""Hypothesis strategies for text from a stranger: all of Unicode, and fragments that some reader would run.

Every fragment that would make an element or an attribute names it `hsx`, every script sets `window.__hacked`, and every
address is of a host under `.invalid`: so a test can look for what came through.
"""

import unicodedata
from html.parser import HTMLParser

from hypothesis import strategies as st

MARK = "hsx"
HOST = "headscope.invalid"
HACKED = "window.__hacked=(window.__hacked||0)+1"
HTML = (
    f"<{MARK}-element {MARK}=1 onpointerenter='{HACKED}'>",
    f'<img src=x {MARK} onerror="{HACKED}">',
    f'"><img src="https://{HOST}/a.png" {MARK} onload={HACKED}>',
    f"</script><script {MARK}>{HACKED}</script>",
    f"</textarea></title></style></template><iframe {MARK} srcdoc='<script>parent.{HACKED}</script>'></iframe>",
    f"<style {MARK}>@import 'https://{HOST}/a.css';</style>",
    f'<a {MARK} href="javascript:{HACKED}">a</a>',
    f'<form {MARK} action="https://{HOST}/"><input autofocus {MARK} onfocus="{HACKED}"></form>',
    f'<meta {MARK} http-equiv="refresh" content="0;url=https://{HOST}/">',
    f"<base {MARK} href='https://{HOST}/'>",
    "<!--",
    "-->",
    "<![CDATA[",
    "]]>",
    "&lt;b&gt;&#x3c;&amp;",
    "' onmouseover='" + HACKED,
    '" style="background:url(https://' + HOST + "/b.png)",
)
SVG = (
    f'<svg {MARK} onload="{HACKED}"><script>{HACKED}</script></svg>',
    f"<svg {MARK}><foreignObject><body onload='{HACKED}'/></foreignObject></svg>",
    f"</text></svg><svg {MARK} xmlns='http://www.w3.org/2000/svg'><animate onbegin='{HACKED}' attributeName=x /></svg>",
    f'<!DOCTYPE svg [<!ENTITY {MARK} SYSTEM "file:///etc/passwd">]>&{MARK};',
    f"<use {MARK} href='https://{HOST}/a.svg#a'/>",
)
JAVASCRIPT = (
    f"javascript:{HACKED}",
    f"';{HACKED}//",
    f"`${{{HACKED}}}`",
    f"{{{{constructor.constructor('{HACKED}')()}}}}",
    "__proto__",
    "\u2028\u2029",
    "%{customdata[0]}",
    "datum.value",
)
MARKDOWN = (
    f"![{MARK}](https://{HOST}/c.png)",
    f"![{MARK}](https:\\\\\\\\{HOST}\\\\c.png)",
    f"[{MARK}](javascript:{HACKED})",
    f"[{MARK}](https://{HOST}/)",
    "**bold** _it_ `code` ~~out~~ :red[red] :material/home: :smile:",
    "# heading\n\n- item\n\n> quote\n\n| a | b |\n|---|---|\n",
    "$\\frac{1}{2}$ $$x$$",
)
LATEX = (
    "\\input{/etc/passwd}\\write18{id}",
    "$\\href{javascript:" + HACKED + "}{x}$",
    "\\def\\a{\\a\\a}\\a",
    "$" * 9,
)
FORMULAS = (
    '=HYPERLINK("https://' + HOST + '","x")',
    "+1+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(1)",
    "\t=1+1",
    "\r=1+1",
    "＝1+1",
    " =1+1",
    '","=1+1',
    "\n=1+1",
)
PATHS = (
    "../../etc/passwd",
    "..\\..\\x",
    "C:\\CON",
    "/dev/zero",
    "file:///etc/passwd",
    "nul.json",
    "a/b\0.json",
    "~root",
)
SPECIAL_TOKENS = ("[CLS]", "[SEP]", "[MASK]", "[UNK]", "<s>", "</s>", "<|im_start|>", "<pad>", "##", "▁", "Ġ", "<0x0A>")
FRAGMENTS = (*HTML, *SVG, *JAVASCRIPT, *MARKDOWN, *LATEX, *FORMULAS, *PATHS, *SPECIAL_TOKENS)
# Overrides, embeddings and isolates of direction, and what has no width.
DIRECTIONS = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c"
ZERO_WIDTH = "\u200b\u200c\u200d\u2060\ufeff\u00ad\u034f\ufe0f\U000e0001\U000e0041"
CONTROLS = "\0\x01\x07\x08\x0b\x0c\x1b\x1f\x7f\x80\x85\x9f\ufffe\uffff\ufdd0\U0001ffff\u2028\u2029"
RIGHT_TO_LEFT = ("שלום", "السلام عليكم", "א1ב", "ﷺ", "\u0627\u0644\u0644\u0651\u0670\u0647")
EMOJI = ("👩‍👩‍👧‍👦", "🏳️‍🌈", "🇩🇪🇫🇷", "👍🏽", "❤️", "1️⃣", "🏴\U000e0067\U000e0062\U000e007f", "\u200d👩\u200d")
UNPAIRED = ("\ud800", "\udfff", "\udc80a", "\ude00\ud83d")
LENGTHS = (2, 17, 300, 5_000)

any_character = st.characters(exclude_categories=())  # with unpaired surrogates
any_text = st.text(any_character, max_size=40)
stacks = st.builds(
    lambda base, marks, count: base + "".join(marks) * count,
    st.sampled_from("aéक한"), st.lists(st.sampled_from("\u0300\u0301\u0335\u0489\u20dd\u0e49\u1ab0"), min_size=1, max_size=4),
    st.integers(1, 60),
)  # fmt: skip
hidden = st.text(st.sampled_from(DIRECTIONS + ZERO_WIDTH + CONTROLS), min_size=1, max_size=12)
runs = st.builds(lambda letter, count: letter * count, any_character, st.sampled_from(LENGTHS))
pieces = st.one_of(
    any_text, st.sampled_from(FRAGMENTS), st.sampled_from(FRAGMENTS), hidden, stacks,
    st.sampled_from((*RIGHT_TO_LEFT, *EMOJI, *UNPAIRED)), st.sampled_from(("it", "the animal", " ", "\n", "word")),
)  # fmt: skip
# A piece alone, or several with nothing or a space between them.
texts = st.one_of(
    pieces, st.builds(lambda parts, gap: gap.join(parts), st.lists(pieces, max_size=8), st.sampled_from(["", " "]))
)
long_texts = st.one_of(texts, texts, texts, runs)
tokens = st.one_of(pieces, runs)
token_lists = st.lists(tokens, min_size=1, max_size=9)


def encodable(text: str) -> str:
    """Return `text` with unpaired surrogates replaced, as every text is that a browser sends."""
    return text.encode("utf-8", "replace").decode()


def plain_twin(text: str) -> str:
    """Return harmless text of the same length and width, with its spaces where they were."""
    return "".join(
        character if character.isspace() else "字" if unicodedata.east_asian_width(character) in "WF" else "x"
        for character in text
    )


class _Outline(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found: list[tuple[str, tuple[str, ...]]] = []
        self.written: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, tuple(name for name, _ in attrs)))

    def handle_comment(self, data):
        self.found.append(("<!--", ()))

    def handle_decl(self, decl):
        self.found.append(("<!", ()))

    def handle_pi(self, data):
        self.found.append(("<?", ()))

    def unknown_decl(self, data):
        self.found.append(("<![", ()))

    def handle_data(self, data):
        self.written.append(data)


def outline(body: str) -> list[tuple[str, tuple[str, ...]]]:
    """Return the elements of a piece of HTML in order, each with the names of its attributes; comments count too."""
    reader = _Outline()
    reader.feed(body)
    reader.close()
    return reader.found


def written(body: str) -> str:
    """Return the text that a piece of HTML shows."""
    reader = _Outline()
    reader.feed(body)
    reader.close()
    return "".join(reader.written)
