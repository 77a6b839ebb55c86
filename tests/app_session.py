"""Running the app's pages in a test: AppTest from the entry, and what a page has drawn."""

import json
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
from streamlit.testing.v1 import AppTest

ROOT = Path(__file__).resolve().parent.parent
ENTRY = ROOT / "app" / "streamlit_app.py"


def open_page(**parameters: str) -> AppTest:
    """Run the app from its entry with URL parameters."""
    session = AppTest.from_file(str(ENTRY), default_timeout=120)
    for name, value in parameters.items():
        session.query_params[name] = value
    return session.run()


def html_of(session: AppTest) -> str:
    """Return all HTML that the page wrote."""
    return "\n".join(element.proto.body for element in session.get("html"))


def notices(session: AppTest) -> list[str]:
    """Return the notices that the page shows, as text."""
    return [_text(element.proto.body) for element in session.get("html") if 'class="notice"' in element.proto.body]


def messages(session: AppTest) -> dict[str, dict]:
    """Return what each canvas component was sent, by its name, with the arrays decoded."""
    found = {}
    for element in session.get("bidi_component"):
        found[element.proto.component_name.split(".")[-1]] = unpack(element.proto.bytes)
    return found


def unpack(message: bytes) -> dict:
    """Read one message as canvas.js does."""
    length = int.from_bytes(message[:4], "little")
    header = json.loads(message[4 : 4 + length])
    for array in header["arrays"]:
        count = int(np.prod(array["shape"]))
        values = np.frombuffer(message, dtype=array["dtype"], count=count, offset=4 + length + array["offset"])
        header[array["name"]] = values.reshape(array["shape"])
    return header


class _Reader(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]

    def handle_data(self, data):
        self.text.append(data)


def read_html(body: str) -> _Reader:
    """Return the tags, attributes and text of a piece of HTML."""
    reader = _Reader()
    reader.feed(body)
    return reader


def _text(body: str) -> str:
    return "".join(read_html(body).text)
