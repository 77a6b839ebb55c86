"""A small model and small corpora for studies; no downloads."""

from pathlib import Path

from model import wrap
from model.study.corpus import read_corpus
from tests.tiny_models import tiny
from tests.tiny_tokenizers import trained

ANNOTATED = """\
# text = The cats cross the streets;
1\tThe\tthe\tDET\t_\t_\t2\tdet\t_\t_
2\tcats\tcat\tNOUN\t_\t_\t3\tnsubj\t_\t_
3\tcross\tcross\tVERB\t_\t_\t0\troot\t_\t_
4\tthe\tthe\tDET\t_\t_\t5\tdet\t_\t_
5\tstreets\tstreet\tNOUN\t_\t_\t3\tobj\t_\tSpaceAfter=No
6\t;\t;\tPUNCT\t_\t_\t3\tpunct\t_\t_

# text = The animal was tired.
1\tThe\tthe\tDET\t_\t_\t2\tdet\t_\t_
2\tanimal\tanimal\tNOUN\t_\t_\t4\tnsubj\t_\t_
3\twas\tbe\tAUX\t_\t_\t4\tcop\t_\t_
4\ttired\ttired\tADJ\t_\t_\t0\troot\t_\tSpaceAfter=No
5\t.\t.\tPUNCT\t_\t_\t4\tpunct\t_\t_

"""
LINES = (
    "The cats cross the streets; it rains.", "It rains.", "The animal was tired.", "The street was too tired to cross it.",
    "Cats rain.", "it was it was it", "The animal didn't cross the street because it was too tired.", "The streets cross.",
)  # fmt: skip


def tiny_loaded(name: str = "bert"):
    """Return a tiny model with a word-piece tokenizer that fits it."""
    return wrap(tiny(name), trained("word piece"))


def lines_corpus(folder: Path, times: int = 1):
    """Return a corpus of LINES, `times` over."""
    path = folder / "lines.txt"
    path.write_text("\n".join(LINES * times), encoding="utf-8")
    return read_corpus([path])


def annotated_corpus(folder: Path, times: int = 30):
    """Return a corpus of the two annotated sentences, `times` over: enough of some relations to be studied."""
    path = folder / "parsed.conllu"
    path.write_text(ANNOTATED * times, encoding="utf-8")
    return read_corpus([path])
