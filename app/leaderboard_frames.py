"""Coreference results as the frames that the leaderboard's charts take, and as sentences; no streamlit."""

import math
from collections.abc import Iterator, Mapping

import pandas as pd

from model.coreference_records import Accuracy, HeldOut, Measured, SetResult

SET_NAMES = {"winogender": "Winogender", "winobias": "WinoBias", "gap": "GAP"}
# What a head must beat to be more than a habit; the results hold others too.
BASELINES = ("nearest", "first", "random")


def set_name(name: str) -> str:
    """Return the name of a set, or of the examples of one type of it, as its authors write it."""
    first, _, rest = name.partition(" ")
    return f"{SET_NAMES.get(first, first)} {rest}".strip()


def baselines(found: Mapping[str, Measured]) -> dict[str, Measured]:
    """Return the baselines that are shown."""
    return {name: found[name] for name in BASELINES if name in found}


def heads_frame(found: SetResult) -> pd.DataFrame:
    """Return one row per head: layer, head, name, accuracy, low, high, and where there is a stereotype pro, anti and gap."""
    rows = []
    for head in found.heads:
        row = {"layer": head.layer, "head": head.head, "name": head.name, **_shares(head)}
        stereotype = head.by_group.get("stereotype", {})
        if {"pro", "anti"} <= set(stereotype):
            pro, anti = stereotype["pro"].accuracy, stereotype["anti"].accuracy
            row |= {"pro": pro, "anti": anti, "gap": pro - anti}
        rows.append(row)
    return pd.DataFrame(rows)


def groups_frame(held_out: HeldOut) -> pd.DataFrame:
    """Return accuracy by group of the held-out head and of the baselines, all on the same second half."""
    who = {f"{held_out.name} (held out)": held_out} | {
        f"{name} candidate": one for name, one in baselines(held_out.baselines).items()
    }
    return pd.DataFrame([row for name, measured in who.items() for row in _group_rows(name, measured)])


def summary(found: SetResult) -> list[tuple[str, str, str]]:
    """Return (who, accuracy, what it is) of the held-out head and the baselines, for the row of figures above the charts."""
    held_out = found.held_out
    if held_out is None:
        return [(f"{name} candidate", written(one), "all examples") for name, one in baselines(found.baselines).items()]
    rows = [(held_out.name, written(held_out), f"chosen on one half, measured on the other, n = {held_out.n}")]
    for name, one in baselines(held_out.baselines).items():
        ahead = held_out.ahead[name]
        low, high = (f"{100 * bound:+.1f}" for bound in ahead.interval)
        rows.append(
            (f"{name} candidate", written(one), f"the head minus this: {100 * ahead.value:+.1f} points [{low}, {high}]")
        )
    return rows


def gap_sentence(found: SetResult) -> str:
    """Return the sentence about the stereotype gap, "" where the set has none."""
    if found.held_out is None or found.held_out.gap is None or not found.largest_gaps:
        return ""
    largest = ", ".join(f"{head.name} ({100 * head.gap.value:+.0f})" for head in found.largest_gaps)
    low, high = (f"{100 * bound:+.1f}" for bound in found.held_out.gap.interval)
    return (
        f"Stereotype gap, accuracy on pro- minus anti-stereotyped sentences in points: {found.held_out.name} "
        f"{100 * found.held_out.gap.value:+.1f} [{low}, {high}]; the largest are {largest}."
    )


def written(measured: Accuracy) -> str:
    """Return "0.612 [0.570, 0.655]"; the interval is left out where there is none."""
    low, high = measured.interval
    return f"{measured.accuracy:.3f} [{low:.3f}, {high:.3f}]" if _is_interval(low, high) else f"{measured.accuracy:.3f}"


def _group_rows(who: str, measured: Measured) -> Iterator[dict]:
    for group, values in measured.by_group.items():
        for value, accuracy in values.items():
            yield {"group": group, "value": value, "who": who, **_shares(accuracy)}


def _shares(measured: Accuracy) -> dict[str, float]:
    low, high = measured.interval
    return {"accuracy": measured.accuracy, "low": low, "high": high}


def _is_interval(low: float, high: float) -> bool:
    return not (math.isnan(low) or math.isnan(high)) and low < high
