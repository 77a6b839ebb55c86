"""The names of the scores of heads: strings alone, so that a page can name them before torch is there."""

MOST_OFFSET = 8
# Offsets are key - query.
OFFSETS = tuple(range(-MOST_OFFSET, MOST_OFFSET + 1))
DIAGONALS = {"previous token": -1, "next token": 1, "same token": 0}
KEY_SCORES = ("first token", "last token", "separators", "punctuation", "rarest token")
PAIR_SCORES = ("distance", "duplicate tokens", "prefix matching")
RANDOM_SCORES = ("induction", "prefix matching (random)")
POSITIONAL = "positional"


def offset_name(offset: int) -> str:
    """Return the name of the score "the row's maximum lies at this offset", with its sign: "offset -1", "offset +2"."""
    return f"offset {offset:+d}" if offset else "offset 0"


def score_names(same_sequence: bool) -> tuple[str, ...]:
    """Return the names of the scores of self-attention, or those that cross-attention has too."""
    inside = (*DIAGONALS, *PAIR_SCORES) if same_sequence else ()
    return ("entropy", "sink", *inside, *KEY_SCORES, *map(offset_name, OFFSETS))
