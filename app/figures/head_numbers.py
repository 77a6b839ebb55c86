"""The scores of one head as a table: the number, a bar with its interval, and the baseline as a mark."""

import html
from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan


@dataclass(frozen=True)
class HeadNumber:
    """One score of a head with its interval and baseline (NaN where unknown); a `share` lies in [0, 1] and gets a bar."""

    name: str
    value: float
    low: float
    high: float
    baseline: float
    share: bool
    chosen: bool = False


def head_numbers(rows: Sequence[HeadNumber]) -> str:
    """Return the HTML table of the scores of a head."""
    body = "".join(_row(row) for row in rows)
    heads = "<tr><th>score</th><th></th><th>value</th><th>95 % interval</th><th>baseline</th></tr>"
    return f'<table class="head-table numbers">{heads}{body}</table>'


def near_heads(rows: Sequence[tuple[str, float, str]], title: str) -> str:
    """Return the HTML table of the heads nearest to one: name, divergence in bits, and what they do."""
    body = "".join(
        f"<tr><td>{html.escape(name)}</td><td>{_meter(divergence)}</td><td>{divergence:.3f}</td>"
        f'<td class="words">{html.escape(role)}</td></tr>'
        for name, divergence, role in rows
    )
    heads = "<tr><th>head</th><th></th><th>bits</th><th>role</th></tr>"
    return f'<table class="head-table numbers near"><caption>{html.escape(title)}</caption>{heads}{body}</table>'


def _row(row: HeadNumber) -> str:
    marked = ' class="marked"' if row.chosen else ""
    interval = "" if isnan(row.low) else f"[{row.low:.3f}, {row.high:.3f}]"
    baseline = "" if isnan(row.baseline) else f"{row.baseline:.3f}"
    meter = _meter(row.value, row.baseline) if row.share else ""
    numbers = "".join(f"<td>{cell}</td>" for cell in (meter, f"{row.value:.3f}", interval, baseline))
    return f"<tr{marked}><td>{html.escape(row.name)}</td>{numbers}</tr>"


def _meter(value: float, baseline: float = float("nan")) -> str:
    """Return a bar from 0 to 1, with a mark at the baseline."""
    mark = "" if isnan(baseline) else f'<s style="left:{_percent(baseline)}"></s>'
    return f'<div class="meter"><i style="width:{_percent(value)}"></i>{mark}</div>'


def _percent(share: float) -> str:
    return f"{100 * min(1.0, max(0.0, share)):.1f}%"
