"""What pictures of tokens on their way through the layers have in common: places, names, colours, and who shares a line."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from app.figures.head_colours import category_colours
from app.figures.svg import clean
from app.figures.theme import Theme, hexadecimal

CAMERA = (1.5, 1.5, 0.9)
MOST_LINES = 60  # tokens with a line, a colour and an entry in the legend of their own
MOST_WRITTEN = 40  # tokens that are written beside their points
LONGEST_NAME = 24


@dataclass(frozen=True)
class Paths:
    """Where tokens stand in three dimensions in each state, float [token, state, 3], and what is said of them.

    `texts` [token] is 0 or 1 where two texts lie over each other, named by `text_names`; `shares` are the shares of the
    variance of the three axes, none where the axes have none (UMAP). State 0 is the input of the first block.
    Raises ValueError where the shapes do not fit or a coordinate is no number.
    """

    coordinates: np.ndarray
    tokens: Sequence[str]
    texts: Sequence[int] = ()
    text_names: tuple[str, str] = ("first text", "second text")
    shares: Sequence[float] = ()
    axis: str = "component"
    chosen: Sequence[int] = ()

    def __post_init__(self):
        shape = np.shape(self.coordinates)
        if len(shape) != 3 or shape[0] != len(self.tokens) or shape[2] != 3 or 0 in shape:
            raise ValueError(f"Coordinates of shape {shape} are not [{len(self.tokens)} tokens, state, 3].")
        if not np.isfinite(self.coordinates).all():
            raise ValueError("A coordinate is not a number.")
        if len(self.texts) and (len(self.texts) != len(self.tokens) or not set(self.texts) <= {0, 1}):
            raise ValueError("texts needs 0 or 1 for every token.")
        if len(self.shares) not in (0, 3):
            raise ValueError(f"{len(self.shares)} shares of variance for three axes.")

    @property
    def states(self) -> int:
        return np.shape(self.coordinates)[1]

    def text_of(self, token: int) -> int:
        """Return which of the texts a token stands in."""
        return int(self.texts[token]) if len(self.texts) else 0

    def tokens_of(self, text: int) -> list[int]:
        """Return the tokens of one of the texts."""
        return [token for token in range(len(self.tokens)) if self.text_of(token) == text]

    @cached_property
    def names(self) -> list[str]:
        """The tokens, each with its position in its own text, so that a token that stands twice is two."""
        before, found = [0, 0], []
        for token, text in enumerate(self.tokens):
            found.append(f"{clean(text)} ({before[self.text_of(token)]})")
            before[self.text_of(token)] += 1
        return found

    def name(self, token: int) -> str:
        """Return the token with its position in its own text."""
        return self.names[token]

    def axis_title(self, axis: int) -> str:
        """Return what an axis is, with its share of the variance."""
        title = f"{clean(self.axis)} {axis + 1}"
        return f"{title}, {self.shares[axis]:.0%} variance" if len(self.shares) else title

    @property
    def both(self) -> bool:
        """Whether two texts lie over each other."""
        return len(set(self.texts)) > 1


def line_groups(paths: Paths) -> list[list[int]]:
    """Return which tokens share a line: none while they are few; of many, those of one text, without the chosen."""
    every = range(len(paths.tokens))
    if len(every) <= MOST_LINES:
        return [[token] for token in every]
    chosen = list(dict.fromkeys(paths.chosen))[:MOST_LINES]
    rest = [[token for token in paths.tokens_of(text) if token not in chosen] for text in (0, 1)]
    return [*(group for group in rest if group), *([token] for token in chosen)]


def token_looks(paths: Paths, theme: Theme) -> list[str]:
    """Return the colour of each token: of the eight first chosen a category, of others a step of the sequential scale."""
    count = len(paths.tokens)
    chosen = [int(token) for token in dict.fromkeys(paths.chosen)]
    own = category_colours([str(token) for token in chosen], theme)
    # The palest third of the scale is not told from the ground.
    steps = [hexadecimal(theme.sequential[90 + round(150 * token / max(1, count - 1))]) for token in range(count)]
    if chosen:
        steps = [theme.quiet] * count
    return [own.get(str(token), steps[token]) for token in range(count)]


def written_tokens(paths: Paths) -> list[int]:
    """Return the tokens whose name is written beside them: all of few, the chosen of many."""
    every = range(len(paths.tokens))
    return list(every) if len(every) <= MOST_WRITTEN else list(dict.fromkeys(paths.chosen))[:MOST_WRITTEN]
