"""Files with text: encodings by their mark, PDF with and without text, and a sentence for everything that is none."""

import io

import pypdf
import pytest

from model import HeadscopeError, pdf_text
from model.text_files import MOST_BYTES, read_text_file

TEXT = "Die Katze saß auf dem Dach. 猫 👩\n"


def made_pdf(*pages: str) -> bytes:
    """Return a PDF with one line of text on each page, written by hand."""
    count = len(pages)
    kids = " ".join(f"{4 + 2 * page} 0 R" for page in range(count))
    objects = [
        "<</Type/Catalog/Pages 2 0 R>>",
        f"<</Type/Pages/Kids[{kids}]/Count {count}>>",
        "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    for page, line in enumerate(pages):
        stream = f"BT /F1 12 Tf 72 720 Td ({line}) Tj ET" if line else ""
        objects += [
            f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Resources<</Font<</F1 3 0 R>>>>/Contents {5 + 2 * page} 0 R>>",
            f"<</Length {len(stream)}>>stream\n{stream}\nendstream",
        ]
    out, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n".encode()
    table = "".join(f"{place:010d} 00000 n \n" for place in places)
    size = len(objects) + 1
    end = f"xref\n0 {size}\n0000000000 65535 f \n{table}trailer<</Size {size}/Root 1 0 R>>\nstartxref\n{len(out)}\n%%EOF\n"
    return out + end.encode()


def encrypted(data: bytes, password: str) -> bytes:
    """Return the same PDF, to be opened with a password."""
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(data))
    writer.encrypt(password, "the owner's", algorithm="RC4-128")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_text_by_its_mark(encoding):
    assert read_text_file("a.txt", TEXT.encode(encoding)) == TEXT
    assert read_text_file("notes/B.MD", TEXT.encode(encoding)) == TEXT


def test_big_endian_marks():
    assert read_text_file("a.txt", b"\xfe\xff" + "hé".encode("utf-16-be")) == "hé"
    assert read_text_file("a.txt", b"\x00\x00\xfe\xff" + "hé".encode("utf-32-be")) == "hé"


def test_other_bytes_are_latin_1_and_lines_end_in_one_way():
    assert read_text_file("a.txt", "saß\r\nauf\rdem".encode("latin-1")) == "saß\nauf\ndem"


def test_text_of_a_pdf():
    assert read_text_file("a.pdf", made_pdf("The cat sat.", "It slept.")).split() == [
        "The",
        "cat",
        "sat.",
        "It",
        "slept.",
    ]
    # Encrypted with an empty password: to be read by everybody.
    assert read_text_file("a.PDF", encrypted(made_pdf("The cat sat."), "")).strip() == "The cat sat."


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("a.docx", b"text", "Choose a .txt, .md or .pdf"),
        ("txt", b"text", "Choose a .txt, .md or .pdf"),
        ("a.txt", b"", "holds no text"),
        ("a.md", b" \n\t", "holds no text"),
        ("a.txt", b"ab\x00cd", "bytes that no text has"),
        ("a.txt", b"\xff\xfea", "says that it is UTF-16-LE and is not"),
        ("a.txt", b"\xef\xbb\xbf\xff", "says that it is UTF-8 and is not"),
        ("a.txt", b"x" * (MOST_BYTES + 1), "at most 20 are read"),
        ("a.txt", b"x" * 5_000_001, "more than 5,000,000 characters"),
        ("a.pdf", b"", "cannot be read as PDF"),
        ("a.pdf", b"%PDF-1.4\n", "cannot be read as PDF"),
        ("a.pdf", b"no pdf at all", "cannot be read as PDF"),
        ("a.pdf", made_pdf("", ""), "pages but no text"),
        ("a.pdf", encrypted(made_pdf("secret"), "password"), "is encrypted"),
        ("a.pdf", made_pdf(*["x"] * 501), "has 501 pages, and at most 500"),
    ],
    ids=lambda value: None if isinstance(value, bytes) else str(value),
)
def test_what_is_no_text_is_refused_with_a_sentence(name, data, sentence, caplog, capfd):
    with pytest.raises(HeadscopeError, match=sentence) as caught:
        read_text_file(name, data)
    assert str(caught.value).endswith(".")
    assert not caplog.records
    assert capfd.readouterr() == ("", "")


def test_names_of_files_are_shown_harmlessly():
    with pytest.raises(HeadscopeError) as caught:
        read_text_file("../../\u202e\x00" + "n" * 900 + ".exe", b"")
    assert "\u202e" not in str(caught.value)
    assert "\x00" not in str(caught.value)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("place", range(0, 1000, 97))
def test_broken_pdfs_give_their_text_or_a_sentence(place):
    data = made_pdf("The cat sat.", "It slept.")
    for broken in (data[:place], data[:place] + b"\xff<<[(" + data[place + 4 :]):
        answer = pdf_text._answer(broken, 500, 10**6)
        assert isinstance(answer.get("text", ""), str)
        assert answer.get("problem", "broken") == "broken"


def test_a_pdf_that_takes_too_long_is_given_up(monkeypatch):
    monkeypatch.setattr(pdf_text, "MOST_SECONDS", 0.01)
    with pytest.raises(HeadscopeError, match="takes too long"):
        read_text_file("a.pdf", made_pdf("The cat sat."))


def test_more_characters_than_are_read():
    assert pdf_text._answer(made_pdf("four"), 500, 3) == {"problem": "characters", "count": 4}
