"""The grid of all heads of a random model of GPT-2-small's size as one HTML file: `python -m benchmarks.own_grid FILE TOKENS`."""

import sys
from pathlib import Path

from app.components.messages import head_grid_message
from app.standalone import standalone_html
from benchmarks.child import answer
from benchmarks.random_models import random_gpt2, random_ids
from model import record, wrap
from model.analysis.thumbnails import head_thumbnails


def main() -> None:
    file, tokens = Path(sys.argv[1]), int(sys.argv[2])
    trace = record(wrap(random_gpt2(tokens), None, "GPT-2-small size"), {"input_ids": random_ids(tokens)})
    message = head_grid_message(head_thumbnails(trace), scale="square root", common=True)
    file.write_bytes(standalone_html("head_grid", message, {"picture": {"title": "All heads"}}))
    answer({})


if __name__ == "__main__":
    main()
