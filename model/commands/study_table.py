"""A study of heads as text for a terminal."""

from collections.abc import Iterator

import pandas as pd

from model.analysis.role_labels import role_labels
from model.analysis.score_catalog import definition_of
from model.analysis.score_names import OFFSETS, offset_name
from model.study.records import HeadStudy

_SHOWN = 3
_LEFT_OUT = {offset_name(offset) for offset in OFFSETS}


def table(study: HeadStudy) -> str:
    """Return the study in plain columns: the heads that score highest with interval and baseline, and the labels of heads."""
    run = study.run
    lines = [
        f"{study.model} ({study.revision}): {run['texts']:,} texts, {run['tokens']:,} tokens, {run['seconds']:.1f} s on "
        f"{run['device']} in {run['dtype']}"
    ]
    lines += [f"left out: {count:,} ({reason})" for reason, count in run["left_out"].items()]
    if not run["streamed"]:
        lines.append(
            "note: this model's attention cannot be streamed; each text was recorded by itself, which is slower"
        )
    for stack in study.stacks:
        lines += ["", *_stack_lines(study, stack)]
    labels = role_labels(study.frame)
    lines += [
        "",
        f"Labels ({len(labels)}), each chosen on texts with an even number and holding on the others",
        "-" * 60,
    ]
    lines += [
        f"  {label.stack:<8}{f'L{label.layer} H{label.head}':<9}{label.name:<44}"
        f"{_value(label.value, label.low, label.high, label.baseline)}   n={label.count:,.0f}"
        for label in labels
    ]
    return "\n".join(lines)


def _stack_lines(study: HeadStudy, stack: str) -> Iterator[str]:
    title = f"{stack}: {len(study.heads[stack])} heads, the {_SHOWN} highest of every score [95 % interval] against its baseline"
    yield title
    yield "-" * len(title)
    own = study.frame[(study.frame["stack"] == stack) & ~study.frame["score"].isin(_LEFT_OUT)]
    for score in own["score"].unique():
        rows = own[own["score"] == score].nlargest(_SHOWN, "value")
        yield f"  {score} ({definition_of(score).unit}; n={rows['count'].max():,.0f})"
        yield from (f"    {_row(row)}" for _, row in rows.iterrows())


def _row(row: pd.Series) -> str:
    name = f"L{row['layer']} H{row['head']}"
    return f"{name:<9}{_value(row['value'], row['low'], row['high'], row['baseline'])}"


def _value(value: float, low: float, high: float, baseline: float) -> str:
    against = "" if pd.isna(baseline) else f"  baseline {baseline:.3f}"
    return f"{value:.3f} [{low:.3f}, {high:.3f}]{against}"
