"""The roles of a head as a table, each with the evidence that it rests on."""

import html
from collections.abc import Sequence

from model.analysis.role_labels import RoleLabel


def role_table(labels: Sequence[RoleLabel]) -> str:
    """Return the HTML table of roles: value, interval, baseline and number of cases, and below it the rules with their papers."""
    body = "".join(_row(label) for label in labels)
    heads = "<tr><th>role</th><th>value</th><th>95 % interval</th><th>baseline</th><th>cases</th><th>texts</th></tr>"
    rules = dict.fromkeys(f"{label.rule} ({label.paper})" for label in labels)
    told = "".join(f'<p class="hint rule">{html.escape(rule)}</p>' for rule in rules)
    return f'<table class="head-table numbers">{heads}{body}</table>{told}'


def _row(label: RoleLabel) -> str:
    interval = f"[{label.low:.3f}, {label.high:.3f}]"
    cells = (f"{label.value:.3f}", interval, f"{label.baseline:.3f}", f"{label.count:,}", f"{label.texts:,}")
    return f"<tr><td>{html.escape(label.name)}</td>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
