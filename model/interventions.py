"""Interventions: what is done to heads while a model runs, as frozen values, and their short text form."""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from model.errors import HeadscopeError
from model.layers import SEQUENCES

# The longest text that is read, and how far the sum of a copied row may be above one by rounding.
LONGEST_TEXT = 4000
_ROUNDING = 1e-3
_FORM = "such as “L3H1:off”, “L3H1+4:x0.5”, “L2:uniform” or, where a model has several stacks, “cross L3H1:off”"
_TEXT = re.compile(
    r"(?:(encoder|decoder|cross) )?L([0-9]{1,4})(?:H([0-9]{1,4}(?:\+[0-9]{1,4})*))?"
    r":(off|uniform|x-?[0-9]{1,9}(?:\.[0-9]{1,20})?(?:e[+-]?[0-9]{1,2})?)"
)


@dataclass(frozen=True)
class HeadIntervention:
    """The heads of one layer that something is done to: `heads` None means all, `stack` None the model's only stack.

    Raises HeadscopeError where that names no heads.
    """

    stack: str | None
    layer: int
    heads: Sequence[int] | None

    def __post_init__(self) -> None:
        _check(self.stack in (None, *SEQUENCES), f"A stack is {', '.join(SEQUENCES)}, not “{self.stack}”.")
        _check(_is_number(self.layer), "Name a layer by its number, from 0.")
        if self.heads is not None:
            heads = tuple(self.heads)
            _check(bool(heads) and all(map(_is_number, heads)), "Name heads by their numbers, from 0; at least one.")
            _check(len(set(heads)) == len(heads), "Name every head once.")
            object.__setattr__(self, "heads", heads)

    def __str__(self) -> str:
        heads = "" if self.heads is None else f"H{'+'.join(map(str, self.heads))}"
        return f"{'' if self.stack is None else f'{self.stack} '}L{self.layer}{heads}:{self._done}"

    @property
    def _done(self) -> str:
        raise NotImplementedError


@dataclass(frozen=True)
class ScaleHeads(HeadIntervention):
    """Multiply what heads hand on by `factor`: 1 changes nothing, 0 switches them off.

    MHAtt(x) = sum_h xi_h Att_h(x) W_h^O, xi_h = factor (Michel et al. 2019, section 2.3)

    The weights that a trace shows stay the pattern of the head. Raises HeadscopeError where the factor is no finite number.
    """

    factor: float | int = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        is_number = isinstance(self.factor, int | float) and not isinstance(self.factor, bool)
        _check(
            is_number and math.isfinite(self.factor), "Give a factor that is a finite number: 0 switches a head off."
        )

    @property
    def _done(self) -> str:
        return "off" if self.factor == 0 else f"x{float(self.factor)!r}"


@dataclass(frozen=True)
class UniformHeads(HeadIntervention):
    """Replace the weights of heads: weight[q, k] = 1 / n over the n keys that the query may attend to, 0 elsewhere.

    Rows sum to one, also where the model has an attention sink.
    """

    @property
    def _done(self) -> str:
        return "uniform"


@dataclass(frozen=True, eq=False)
class FrozenHeads(HeadIntervention):
    """Replace the weights of heads by a copied pattern `weights` [head, query, key], one for each head in their order.

    The pattern is of the text that runs; in a decoder it may be of a longer one, whose first rows and keys then count.
    Raises HeadscopeError for another shape, for what is not a number from 0, and for rows that sum to more than 1.
    """

    weights: torch.Tensor | np.ndarray

    def __post_init__(self) -> None:
        super().__post_init__()
        weights = torch.as_tensor(self.weights).detach().to(torch.float32, copy=True)
        _check(weights.ndim == 3 and weights.numel() > 0, "Give a pattern as weights [head, query, key].")
        expected = len(weights) if self.heads is None else len(self.heads)
        _check(
            len(weights) == expected, f"There are {expected} heads and patterns of {len(weights)}: give one for each."
        )
        _check(bool((weights >= 0).all()), "A pattern holds numbers from 0: there is one below, or no number at all.")
        _check(
            bool((weights.sum(dim=-1) <= 1 + _ROUNDING).all()),
            "A row of the pattern sums to more than 1. Give attention weights, as a trace shows them.",
        )
        object.__setattr__(self, "weights", weights)

    @property
    def _done(self) -> str:
        return "frozen"


def switch_off(heads: Iterable[tuple[str | None, int, int]]) -> tuple[ScaleHeads, ...]:
    """Return the interventions that switch these heads off, given as (stack, layer, head)."""
    by_layer: dict[tuple[str | None, int], list[int]] = {}
    for stack, layer, head in heads:
        by_layer.setdefault((stack, layer), []).append(head)
    return tuple(ScaleHeads(stack, layer, tuple(sorted(heads)), 0.0) for (stack, layer), heads in by_layer.items())


def intervention_text(interventions: Sequence[HeadIntervention]) -> str:
    """Return the short text form of interventions, for addresses and files: "L3H1:off,L2:uniform".

    A frozen pattern is named ("L3H1:frozen") but not told, so that `parse_interventions` refuses it.
    """
    return ",".join(map(str, interventions))


def parse_interventions(text: str) -> tuple[HeadIntervention, ...]:
    """Return the interventions that a text names; none for an empty one.

    text = part,part,...   part = [stack ]L<layer>[H<head>+<head>...]:<off, uniform or x<factor>>

    Raises HeadscopeError for anything else.
    """
    _check(len(text) <= LONGEST_TEXT, f"The interventions are longer than {LONGEST_TEXT} characters. Name fewer.")
    return tuple(_parse(part.strip()) for part in text.split(",")) if text.strip() else ()


def _parse(part: str) -> HeadIntervention:
    found = _TEXT.fullmatch(part)
    if found is None:
        shown = part if len(part) <= 40 else f"{part[:40]}…"
        raise HeadscopeError(f"“{shown}” names no intervention. Write one {_FORM}.")
    stack, layer, heads, done = found.groups()
    place = (stack, int(layer), None if heads is None else tuple(map(int, heads.split("+"))))
    if done == "uniform":
        return UniformHeads(*place)
    return ScaleHeads(*place, 0.0 if done == "off" else float(done[1:]))


def _is_number(number: object) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and number >= 0


def _check(true: bool, sentence: str) -> None:
    if not true:
        raise HeadscopeError(sentence)
