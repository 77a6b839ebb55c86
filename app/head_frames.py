"""A study of heads as the frames that charts and tables take; no streamlit."""

import re
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from model.analysis.dependencies import parse_relation_score
from model.analysis.role_labels import LEAST_CASES, RoleLabel
from model.analysis.score_catalog import SCORES, definition_of
from model.analysis.score_names import OFFSETS, POSITIONAL, offset_name
from model.study.records import HeadStudy

ROLE = "role"
_UNLISTED = {offset_name(offset) for offset in OFFSETS}
Roles = Mapping[tuple[int, int], Sequence[RoleLabel]]


def roles_of(labels: Sequence[RoleLabel], stack: str) -> dict[tuple[int, int], list[RoleLabel]]:
    """Return the roles of each head of a stack by (layer, head), in the order in which they were found."""
    found: dict[tuple[int, int], list[RoleLabel]] = {}
    for label in labels:
        if label.stack == stack:
            found.setdefault((label.layer, label.head), []).append(label)
    return found


def head_name(layer: int, head: int) -> str:
    """Return the name of a head."""
    return f"L{layer} H{head}"


def place_of(name: str) -> tuple[int, int]:
    """Return (layer, head) of a name."""
    layer, head = name.removeprefix("L").split(" H")
    return int(layer), int(head)


def listed_scores(study: HeadStudy, stack: str) -> tuple[str, ...]:
    """Return the scores that are offered: those of tokens first, relations with enough words after them, offsets left out."""
    frame = study.frame[(study.frame["stack"] == stack) & study.frame.value.notna()]
    counts = frame.groupby("score", sort=False)["count"].max()
    offered = [
        name for name, count in counts.items() if name not in _UNLISTED and (name in SCORES or count >= LEAST_CASES)
    ]
    return (*(name for name in SCORES if name in offered), *(name for name in offered if name not in SCORES))


def score_title(score: str) -> str:
    """Return what a score is called on the page."""
    return definition_of(score).title


def score_help(score: str) -> str:
    """Return the definition of a score as a tooltip: what it is, its formula, range, rows, baseline and paper."""
    told = definition_of(score)
    range_, rows, baseline, paper = map(
        plain_markdown, (f"{told.unit}, {told.range_text}", told.rows, told.baseline, told.paper)
    )
    formula = told.formula.replace("`", "")
    return f"{plain_markdown(told.description)}\n\n`{formula}`\n\n{range_}; over {rows}. Baseline: {baseline}. {paper}."


def plain_markdown(text: str) -> str:
    """Return a text that Markdown shows as it stands."""
    return re.sub(r"([\\`*_{}\[\]()#+!|~<>$:-])", r"\\\1", text)


def scatter_frame(study: HeadStudy, stack: str, across: str, up: str, colour: str, roles: Roles) -> pd.DataFrame:
    """Return one row per head with name, x, y, colour, text and the bounds of both scores; heads without either are left out."""
    chosen = study.frame[study.frame["stack"] == stack].set_index(["layer", "head"])
    by_score = {name: chosen[chosen.score == name] for name in {across, up, colour} - {ROLE}}
    frame = pd.DataFrame(
        {
            **{f"x{bound}": by_score[across][column] for bound, column in _BOUNDS.items()},
            **{f"y{bound}": by_score[up][column] for bound, column in _BOUNDS.items()},
        }
    ).rename(columns={"x_value": "x", "y_value": "y"})
    if colour != ROLE:
        frame["colour"] = by_score[colour]["value"]
    frame = frame.dropna(subset=["x", "y"]).reset_index()
    places = list(zip(frame.pop("layer"), frame.pop("head"), strict=True))
    frame.insert(0, "name", [head_name(*place) for place in places])
    if colour == ROLE:
        frame["colour"] = [first_role(roles, place) for place in places]
    frame["text"] = [role_names(roles, place) for place in places]
    return frame


_BOUNDS = {"_value": "value", "_low": "low", "_high": "high"}


def map_frame(
    points: np.ndarray, heads: Sequence[tuple[int, int]], groups: np.ndarray, roles: Roles, by_role: bool
) -> pd.DataFrame:
    """Return one row per head with its place on a map and its group or role."""
    named = [first_role(roles, place) for place in heads] if by_role else [f"group {group + 1}" for group in groups]
    return pd.DataFrame(
        {
            "name": [head_name(*place) for place in heads], "x": points[:, 0], "y": points[:, 1], "colour": named,
            "text": [role_names(roles, place) for place in heads],
        }
    )  # fmt: skip


def role_names(roles: Roles, place: tuple[int, int]) -> str:
    """Return the roles of a head in words."""
    return ", ".join(label.name for label in roles.get(place, ()))


def first_role(roles: Roles, place: tuple[int, int]) -> str:
    """Return the kind of the first role of a head: all relations between words are one; "" where it has none."""
    found = roles.get(place, ())
    return role_kind(found[0]) if found else ""


def role_kind(label: RoleLabel) -> str:
    """Return the role, or what all relations between words have in common."""
    if parse_relation_score(label.score):
        return "relation of words"
    return POSITIONAL if label.name.startswith(POSITIONAL) else label.name


def scale_limit(values: np.ndarray, score: str) -> float:
    """Return the top of the scale of a score: 1 for a share, else the largest value."""
    return 1.0 if definition_of(score).share else float(np.nanmax(values, initial=0.0)) or 1.0


def baseline_of(study: HeadStudy, stack: str, score: str) -> float | None:
    """Return what uniform attention (or the best fixed offset) scores, None where that is unknown; the mean over layers."""
    rows = study.frame[(study.frame["stack"] == stack) & (study.frame.score == score)]
    value = float(rows.baseline.mean()) if len(rows) else float("nan")
    return None if np.isnan(value) else value


def roles_frame(labels: Sequence[RoleLabel], stack: str) -> pd.DataFrame:
    """Return one row per role of a head, with its evidence."""
    return pd.DataFrame(
        [
            {
                "head": head_name(label.layer, label.head), "role": label.name, "score": score_title(label.score),
                "value": label.value, "low": label.low, "high": label.high, "baseline": label.baseline,
                "tokens": int(label.count), "texts": int(label.texts),
            }
            for label in labels if label.stack == stack
        ]
    )  # fmt: skip


def scores_frame(study: HeadStudy, stack: str) -> pd.DataFrame:
    """Return every score of every head of a stack, one row each."""
    rows = study.frame[study.frame["stack"] == stack]
    return pd.DataFrame(
        {
            "head": [head_name(layer, head) for layer, head in zip(rows.layer, rows["head"], strict=True)],
            "score": rows.score.map(score_title), "value": rows.value, "low": rows.low, "high": rows.high,
            "baseline": rows.baseline, "tokens": rows["count"].round().astype("Int64"), "texts": rows.texts.astype("Int64"),
        }
    ).reset_index(drop=True)  # fmt: skip


def grid_frame(values: np.ndarray, layers: Sequence[int], name: str) -> pd.DataFrame:
    """Return a grid [layer, head] as one row per head."""
    rows, heads = np.nonzero(~np.isnan(values))
    return pd.DataFrame({"layer": np.array(layers)[rows], "head": heads, name: values[rows, heads]})
