"""The same 12 x 12 heads of 128 tokens as HTML files of BertViz, CircuitsVis and Inspectus, in the peers' own interpreter.

`peer_pages FOLDER` writes a file of each and answers, for each, its name and version, or why there is none.
"""

import contextlib
import os
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import torch

from benchmarks.child import answer, reason

LAYERS, HEADS, TOKENS = 12, 12, 128
NAMES = [f"word{position}" for position in range(TOKENS)]


def random_attention() -> torch.Tensor:
    """Return causal weights [layer, head, query, key] of random scores, the same in every run."""
    torch.manual_seed(0)
    scores = 2 * torch.randn(LAYERS, HEADS, TOKENS, TOKENS)
    forbidden = torch.ones(TOKENS, TOKENS, dtype=torch.bool).triu(1)
    return scores.masked_fill(forbidden, -torch.inf).softmax(-1)


def bertviz_model_view() -> str:
    from bertviz import model_view

    return model_view(list(random_attention()[:, None]), NAMES, html_action="return").data


def bertviz_head_view() -> str:
    from bertviz import head_view

    return head_view(list(random_attention()[:, None]), NAMES, html_action="return").data


def circuitsvis_heads() -> str:
    from circuitsvis.attention import attention_heads

    return attention_heads(random_attention().flatten(0, 1), NAMES).local_src


def inspectus_attention() -> str:
    import inspectus
    import IPython.display

    parts: list[str] = []
    IPython.display.display = lambda shown: parts.append(shown.data)
    inspectus.attention(random_attention().numpy(), NAMES, NAMES)
    return "".join(parts)


PAGES: dict[str, tuple[str, Callable[[], str]]] = {
    "BertViz model_view": ("bertviz", bertviz_model_view),
    "BertViz head_view": ("bertviz", bertviz_head_view),
    "CircuitsVis": ("circuitsvis", circuitsvis_heads),
    "Inspectus": ("inspectus", inspectus_attention),
}


def page_of(name: str, folder: Path) -> dict[str, str]:
    """Return the file that a peer's page is written to and its version, or why it failed."""
    package, make = PAGES[name]
    try:
        body = make()
    except Exception as error:
        return {"failed": reason(error)}
    file = f"{name.replace(' ', '-')}.html"
    (folder / file).write_text(f'<!doctype html><meta charset="utf-8">{body}', encoding="utf-8")
    return {"file": file, "version": version(package)}


def main() -> None:
    folder = Path(sys.argv[1])
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        found = {name: page_of(name, folder) for name in PAGES}
    answer(found)


if __name__ == "__main__":
    main()
