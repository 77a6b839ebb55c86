"""The text of a file that somebody brings along: plain text, Markdown or PDF; nothing in it is run."""

import codecs
from pathlib import PurePath

from model.errors import InputError
from model.pdf_text import pdf_answer
from model.tokens import visible

SUFFIXES = ("txt", "md", "pdf")
MOST_BYTES = 20 * 2**20
MOST_PAGES = 500
MOST_CHARACTERS = 5_000_000
# UTF-32's mark begins as that of UTF-16 does.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_PROBLEMS = {
    "encrypted": "is encrypted. Save it without a password, or paste its text.",
    "pages": f"has {{count}} pages, and at most {MOST_PAGES} are read. Choose a part of it.",
    "characters": f"has more than {MOST_CHARACTERS:,} characters. Choose a part of it.",
    "time": "takes too long to read. Choose a part of it, or paste its text.",
    "broken": "cannot be read as PDF ({error}). Open it and save it as PDF or text again.",
}


def read_text_file(name: str, data: bytes) -> str:
    """Return the text of a file; its name says what it is: .txt and .md are text, .pdf is read page by page.

    Text is read by its byte order mark as UTF-8, UTF-16 or UTF-32, without one as UTF-8, else as Latin-1; lines end in \\n.
    Raises InputError where the file is of another kind, broken, encrypted, empty, a picture without text, or too large (20
    MiB, 500 pages, 5 million characters, 30 seconds of reading).
    """
    shown, kind = visible(PurePath(name).name)[-60:], PurePath(name).suffix.lower().removeprefix(".")
    if kind not in SUFFIXES:
        raise InputError(f"“{shown}” is not a text that can be read. Choose a .txt, .md or .pdf file.")
    if len(data) > MOST_BYTES:
        raise InputError(
            f"“{shown}” has {len(data) / 2**20:.0f} MiB, and at most {MOST_BYTES // 2**20} are read. Choose a smaller file."
        )
    text = _pdf_text(shown, data) if kind == "pdf" else _plain_text(shown, data)
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if len(text) > MOST_CHARACTERS:
        raise InputError(f"“{shown}” has more than {MOST_CHARACTERS:,} characters. Choose a part of it.")
    if not text.strip():
        raise InputError(f"“{shown}” holds no text. Choose another file.")
    return text


def _plain_text(shown: str, data: bytes) -> str:
    mark, encoding = next((found for found in _MARKS if data.startswith(found[0])), (b"", ""))
    try:
        if encoding:
            return data[len(mark) :].decode(encoding)
        if b"\x00" in data:
            raise InputError(f"“{shown}” is no text: it has bytes that no text has. Save it as UTF-8 text, or as PDF.")
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        if encoding:
            raise InputError(
                f"“{shown}” says that it is {encoding.upper()} and is not. Save it again as UTF-8."
            ) from error
        return data.decode("latin-1")


def _pdf_text(shown: str, data: bytes) -> str:
    answer = pdf_answer(data, MOST_PAGES, MOST_CHARACTERS)
    if "text" not in answer:
        raise InputError(f"“{shown}” " + _PROBLEMS[answer["problem"]].format(**answer))
    text = answer["text"].encode("utf-8", "replace").decode("utf-8")
    if not text.strip():
        raise InputError(
            f"“{shown}” has pages but no text, as scans have. Recognise its text first (OCR), or paste it."
        )
    return text
