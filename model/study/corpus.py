"""The texts of a study, read one after the other from files: annotated sentences, lines, sentences or windows of books."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from model.conllu import ParsedSentence, read_conllu
from model.corpora import existing_path, read_text
from model.errors import HeadscopeError
from model.tokenization import call_tokenizer

UNITS = ("line", "sentence", "window")
KINDS = (".conllu", ".txt", ".md")
# Characters of running text that are tokenized at a time to be cut into windows.
_PIECE = 1 << 16
# Files that lie beside data and are none.
_NO_DATA = re.compile(r"(licen[cs]e|readme|copying|notice|changelog|\.)", re.IGNORECASE)
_PARAGRAPH = re.compile(r"\n[^\S\n]*\n\s*")
# A sentence ends after a closing mark, with the quotation marks and brackets that close behind it, before a space and what
# may begin a sentence; a title or an initial ends none.
_END = re.compile(r"[.!?…]+[\"'”’)\]]*\s+(?=[\"'“‘(\[]*[A-Z0-9])")
_ABBREVIATED = re.compile(
    r"(?:\b(?:Mr|Mrs|Ms|Messrs|Dr|St|Rev|Capt|Col|Gen|Lieut|Esq|No|vs|etc|e\.g|i\.e)|\b[A-Z])\.\s+$"
)


@dataclass(frozen=True)
class StudyText:
    """One text of a corpus, and its annotation where there is one."""

    text: str
    sentence: ParsedSentence | None = None


@dataclass(frozen=True)
class Corpus:
    """Files to study, in order, and how plain text is cut; `texts` reads them anew whenever it is called.

    `unit` is "line" (one text a line), "sentence", "window" (of `window` tokens, special ones included) or None: sentences of
    files that hold empty lines between paragraphs, lines of others. Annotated files are always read by sentence.
    """

    files: tuple[Path, ...]
    unit: str | None = None
    window: int = 128

    def texts(self, tokenizer: Any = None) -> Iterator[StudyText]:
        """Yield the texts in order; `tokenizer` cuts windows. Raises HeadscopeError for a file that cannot be read."""
        for path in self.files:
            if _kind(path) == ".conllu":
                yield from (StudyText(sentence.text, sentence) for sentence in read_conllu(path))
            else:
                yield from map(StudyText, self._plain(read_text(path), tokenizer))

    def _plain(self, text: str, tokenizer: Any) -> Iterator[str]:
        text = text.replace("\r\n", "\n")
        unit = self.unit or ("sentence" if _PARAGRAPH.search(text.strip()) else "line")
        if unit == "window":
            return windows(text, tokenizer, self.window)
        return _lines(text) if unit == "line" else sentences(text)


def read_corpus(paths: Sequence[str | PathLike[str]], *, unit: str | None = None, window: int = 128) -> Corpus:
    """Return the Corpus of files, or of folders with all their .conllu, .txt and .md files (.gz too) by name.

    A LICENSE or README in a folder is no text to study. Raises HeadscopeError where a path is missing, of another kind, or a
    folder holds no such file.
    """
    if unit is not None and unit not in UNITS:
        raise HeadscopeError(f"There is no unit “{unit}”. Choose {', '.join(UNITS)}.")
    if window < 8:
        raise HeadscopeError("A window has at least 8 tokens.")
    files = tuple(file for path in paths for file in _files(existing_path(path)))
    if not files:
        raise HeadscopeError("Name at least one file or folder of texts.")
    return Corpus(files, unit, window)


def sentences(text: str) -> Iterator[str]:
    """Yield the sentences of running text: paragraphs end at empty lines, a sentence at a closing mark before a capital.

    A rule of thumb for English prose; titles such as “Mr.” and initials end no sentence.
    """
    for paragraph in _PARAGRAPH.split(text):
        paragraph, start = " ".join(paragraph.split()), 0
        for end in _END.finditer(paragraph):
            if not _ABBREVIATED.search(paragraph[start : end.end()]):
                yield paragraph[start : end.end()].strip()
                start = end.end()
        if paragraph[start:].strip():
            yield paragraph[start:].strip()


def windows(text: str, tokenizer: Any, size: int) -> Iterator[str]:
    """Yield windows of about `size` tokens, special ones included, that begin with a word, one after the other.

    The text is tokenized in pieces of some ten thousand tokens that end with a paragraph. Left out are the rest of a word that a
    window ends in, and what a piece has after its last whole window. Cut out of its surroundings, a window may have a token
    more or less. Raises HeadscopeError where the tokenizer does not say where tokens stand in the text.
    """
    if tokenizer is None or not tokenizer.is_fast:
        raise HeadscopeError(
            "Windows need a tokenizer that knows where its tokens stand in the text. Use --unit sentence."
        )
    room = size - tokenizer.num_special_tokens_to_add()
    for piece in _pieces(text):
        spans = call_tokenizer(tokenizer, text=piece, add_special_tokens=False)["offset_mapping"]
        first = 0
        while first + room <= len(spans):
            yield piece[spans[first][0] : spans[first + room - 1][1]]
            first += room
            while first < len(spans) and not _begins_word(piece, spans[first][0]):
                first += 1


def _begins_word(text: str, place: int) -> bool:
    """Say whether there is white space at this place of a text, or before it."""
    return place == 0 or text[place].isspace() or text[place - 1].isspace()


def _pieces(text: str) -> Iterator[str]:
    start = 0
    while start < len(text):
        end = text.rfind("\n\n", start + 1, start + _PIECE)
        end = end if end > start and len(text) - start > _PIECE else start + _PIECE
        if text[start:end].strip():
            yield text[start:end].strip()
        start = end


def _lines(text: str) -> Iterator[str]:
    return (line.strip() for line in text.split("\n") if line.strip())


def _kind(path: Path) -> str:
    return Path(path.name.removesuffix(".gz")).suffix.lower()


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        found = sorted(
            file for file in path.iterdir() if file.is_file() and _kind(file) in KINDS and not _NO_DATA.match(file.name)
        )
        if not found:
            raise HeadscopeError(f"The folder “{path.name}” holds no file of {', '.join(KINDS)} (or .gz of these).")
        return found
    if not path.is_file():
        raise HeadscopeError(f"There is no file or folder “{path.name}”. Check the path.")
    if _kind(path) not in KINDS:
        raise HeadscopeError(
            f"“{path.name}” is none of {', '.join(KINDS)} (or .gz of these). Name it after what it holds."
        )
    return [path]
