"""What every score of a head means: formula, range, unit, the rows it is of, and the paper it comes from."""

from dataclasses import dataclass

from model.analysis.score_names import OFFSETS, POSITIONAL, offset_name
from model.errors import HeadscopeError

_CLARK = "Clark et al. 2019, What Does BERT Look At?"
_VOITA = "Voita et al. 2019, Analyzing Multi-Head Self-Attention"
_OLSSON = "Olsson et al. 2022, In-context Learning and Induction Heads"
_ALL = "every token, special ones too"


@dataclass(frozen=True)
class ScoreDefinition:
    """One score of a head: a mean over rows (queries) of all texts together.

    `rows` says which rows it is of; a row that may attend to nothing is never one. The score lies between `lowest` and
    `highest` (None: it grows with the length of the text); `share` is True where it is a share from 0 to 1. `baseline` says
    what the score is compared with.
    """

    name: str
    title: str
    description: str
    formula: str
    rows: str
    paper: str
    unit: str = "share of attention"
    lowest: float = 0.0
    highest: float | None = 1.0
    baseline: str = "uniform attention over what each row may attend to"

    @property
    def share(self) -> bool:
        """Whether the score is a share from 0 to 1."""
        return (self.lowest, self.highest) == (0.0, 1.0)

    @property
    def range_text(self) -> str:
        """The range in words: "0 to 1"."""
        return f"{self.lowest:g} to {'no fixed limit' if self.highest is None else f'{self.highest:g}'}"


def definition_of(name: str) -> ScoreDefinition:
    """Return the definition of a score, of those of dependency relations too; raises HeadscopeError for an unknown one."""
    if name in SCORES:
        return SCORES[name]
    # With torch, which a page that only names scores does without.
    from model.analysis.dependencies import parse_relation_score

    relation = parse_relation_score(name)
    if relation is None:
        raise HeadscopeError(f"There is no score “{name}”. The scores are {', '.join(SCORES)} and those of relations.")
    return _relation_definition(name, *relation)


def _relation_definition(name: str, relation: str, direction: str) -> ScoreDefinition:
    if direction == "dependant to head":
        sought, formula = "attends to its head more than to any other word", "argmax over v of w[dependant, v] = head"
    else:
        sought, formula = (
            "is attended to by its head more than by any other word",
            "argmax over v of w[v, dependant] = head",
        )
    return ScoreDefinition(
        name, name,
        f"How often a word in the relation “{relation}” {sought}. Tokens are merged to words (attention to a split word is "
        "summed, from it averaged); special tokens, and what a word pays to itself, are left out.",
        f"share of words with {formula}",
        f"words whose relation is {relation}, where the mask lets the right word be found",
        f"{_CLARK}, section 4.2", "share of words",
        baseline="the best guess by a fixed distance in words",
    )  # fmt: skip


def _offset_definition(offset: int) -> ScoreDefinition:
    place = "on the token itself" if offset == 0 else f"{abs(offset)} {'before' if offset < 0 else 'after'} it"
    return ScoreDefinition(
        offset_name(offset), f"maximum at {offset_name(offset)}",
        f"How often the token that a token attends to most stands {place}; where several share the maximum, each counts for its "
        "part.",
        f"share of rows q with argmax over k of w[q, k] = q {'-' if offset < 0 else '+'} {abs(offset)}",
        "tokens that may attend to a token at this offset", _VOITA, "share of rows",
    )  # fmt: skip


_DEFINITIONS = (
    ScoreDefinition(
        "entropy", "entropy",
        "How broadly a token attends: 0 where it looks at one token only, log2(n) where at n alike.",
        "mean over q of -sum over k of w[q, k] log2 w[q, k]",
        _ALL, f"{_CLARK}, section 3.3", "bits", highest=None,
    ),
    ScoreDefinition(
        "distance", "mean distance",
        "How far away the tokens are that a token attends to. What goes to a sink logit counts as distance 0.",
        "mean over q of sum over k of w[q, k] |q - k|",
        _ALL, "Vig and Belinkov 2019, Analyzing the Structure of Attention", "tokens", highest=None,
    ),
    ScoreDefinition(
        "previous token", "previous token",
        "Attention to the token right before.",
        "mean over q of w[q, q - 1]",
        "tokens that may attend to the one before", f"{_CLARK}, section 3.1",
    ),
    ScoreDefinition(
        "next token", "next token",
        "Attention to the token right after; a causal model has none.",
        "mean over q of w[q, q + 1]",
        "tokens that may attend to the one after", f"{_CLARK}, section 3.1",
    ),
    ScoreDefinition(
        "same token", "the token itself",
        "Attention of a token to its own position.",
        "mean over q of w[q, q]",
        _ALL, f"{_CLARK}, section 3.1",
    ),
    ScoreDefinition(
        "first token", "first token",
        "Attention to the first token that may be attended to, special or not: [CLS] in BERT, a word in GPT-2.",
        "mean over q of w[q, first]",
        "tokens that may attend to the first", "Xiao et al. 2023, Efficient Streaming Language Models with Attention Sinks",
    ),
    ScoreDefinition(
        "last token", "last token",
        "Attention to the last token that may be attended to; in a causal model only that token itself can pay it.",
        "mean over q of w[q, last]",
        "tokens that may attend to the last", "Kovaleva et al. 2019, Revealing the Dark Secrets of BERT",
    ),
    ScoreDefinition(
        "separators", "separators",
        "Attention to special tokens other than the first token, such as [SEP] or </s>.",
        "mean over q of sum over separators k of w[q, k]",
        "tokens that may attend to a separator", f"{_CLARK}, section 3.2",
    ),
    ScoreDefinition(
        "punctuation", "punctuation",
        "Attention to tokens made of punctuation marks alone (Unicode category P).",
        "mean over q of sum over punctuation k of w[q, k]",
        "tokens that may attend to a punctuation mark", f"{_CLARK}, section 3.2",
    ),
    ScoreDefinition(
        "sink", "sink",
        "The part of all attention in a text that its most attended position gets, whichever that is. A sink logit, which takes "
        "1 - sum over k of w[q, k], counts as a position.",
        "max over k of mean over q of w[q, k], over texts weighted by their rows",
        _ALL, "Xiao et al. 2023; Gu et al. 2025, When Attention Sink Emerges in Language Models",
    ),
    ScoreDefinition(
        "duplicate tokens", "duplicate tokens",
        "Attention to other places of the same token; special tokens are left out.",
        "mean over q of sum over k != q with id[k] = id[q] of w[q, k]",
        "tokens that may attend to another one with their id",
        "Wang et al. 2022, Interpretability in the Wild",
    ),
    ScoreDefinition(
        "prefix matching", "prefix matching",
        "Attention to what came next after earlier places of the same token, in the text itself. Later places do not count, in "
        "an encoder neither; special tokens have no earlier place.",
        "mean over q of sum over k with k - 1 < q, id[k - 1] = id[q] of w[q, k]",
        "tokens that stood earlier in the text", f"{_OLSSON}; Elhage et al. 2021",
    ),
    ScoreDefinition(
        "rarest token", "rarest token",
        "Attention to the token of the text that the corpus has least often, or to all that share the lowest number; special "
        "tokens are left out. Not known without the frequencies of a corpus.",
        "mean over q of sum over rarest k of w[q, k]",
        "tokens that may attend to a rarest token", _VOITA,
    ),
    ScoreDefinition(
        "induction", "induction (random tokens)",
        "Attention, in random tokens that repeat themselves, to the token right after the last place of the same token: the "
        "offset is 1 - period.",
        "mean over q of the 2nd to last repeat of w[q, q + 1 - period]",
        "tokens of all repeats but the first", f"{_OLSSON}; Elhage et al. 2021",
    ),
    ScoreDefinition(
        "prefix matching (random)", "prefix matching (random tokens)",
        "Attention, in random tokens that repeat themselves, to what came next after all earlier places of the same token.",
        "mean over q of the 2nd to last repeat of sum over k with k - 1 < q, id[k - 1] = id[q] of w[q, k]",
        "tokens of all repeats but the first", _OLSSON,
    ),
    ScoreDefinition(
        POSITIONAL, "positional",
        "How often the strongest attention lies at the one offset at which it lies most often, of "
        f"{OFFSETS[0]} to +{OFFSETS[-1]}. A head is called positional at 0.9. Offsets that fewer than half of the tokens have "
        "are left out.",
        "max over offsets o of (share of rows q with argmax over k of w[q, k] = q + o)",
        "tokens that may attend to a token at the best offset", _VOITA, "share of rows",
    ),
    *map(_offset_definition, OFFSETS),
)  # fmt: skip

SCORES = {definition.name: definition for definition in _DEFINITIONS}
