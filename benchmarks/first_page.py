"""Which packages the first page has loaded, of those that it does not need: `python -m benchmarks.first_page`."""

import os
import sys

from benchmarks.child import answer

# What other pages, exports and commands are made with.
OTHERS = (
    "altair", "conllu", "matplotlib", "plotly", "pypdf", "ray", "sacrebleu", "scipy", "sklearn", "vl_convert",
    "model.training", "model.evaluation", "model.study", "model.relevance", "model.effects",
)  # fmt: skip


def main() -> None:
    """Draw the first page from its entry, with the bundled model and its example, and answer what is loaded then."""
    os.environ.setdefault("STREAMLIT_BROWSER_GATHER_USAGE_STATS", "false")
    # What Streamlit and transformers load by themselves with any model: no page could do without.
    from transformers import AutoModel, AutoTokenizer, BertModel, BertTokenizer  # noqa: F401

    from tests.app_session import open_page

    before = set(sys.modules)
    session = open_page()
    if session.exception or not session.get("bidi_component"):
        raise RuntimeError("the first page drew nothing")
    loaded = [name for name in OTHERS if name in sys.modules]
    answer({"own": [one for one in loaded if one not in before], "brought": [one for one in loaded if one in before]})


if __name__ == "__main__":
    main()
