"""TransformerLens and nnsight saving the attention weights of all heads, in the peers' own interpreter.

`peer_ways PEER TOKENS:ROUNDS ...` answers for each length the ratio to a plain forward pass with fused attention, in turns, and
the bytes above the model at its first run. It imports nothing of Headscope.
"""

import contextlib
import os
import sys
from collections.abc import Callable
from importlib.metadata import version

import torch

from benchmarks.child import ROOT, answer
from benchmarks.measuring import compared, in_turns, peak_above
from benchmarks.random_models import random_gpt2, random_ids

# TransformerLens runs the head for predictions too: with few words it costs next to nothing.
VOCABULARY = 1000
LAYERS = 12
Saver = Callable[[torch.Tensor], object]


def transformer_lens_saver(longest: int) -> Saver:
    """Return what caches the patterns of all heads."""
    from transformer_lens.model_bridge import TransformerBridge
    from transformers import AutoTokenizer

    model = random_gpt2(longest, vocabulary=VOCABULARY, predicting=True, implementation="eager")
    model.config.architectures = ["GPT2LMHeadModel"]
    # It asks for a tokenizer, which nothing here is read by.
    tokenizer = AutoTokenizer.from_pretrained(ROOT / "model" / "weights" / "small-decoder")
    bridge = TransformerBridge.boot_transformers("gpt2", hf_model=model, tokenizer=tokenizer, device="cpu")

    def save(ids: torch.Tensor) -> object:
        _, cache = bridge.run_with_cache(ids, names_filter=lambda name: name.endswith("hook_pattern"))
        return [cache["pattern", layer] for layer in range(LAYERS)]

    return save


def nnsight_saver(longest: int) -> Saver:
    """Return what saves the weights that every block's attention returns."""
    import nnsight

    traced = nnsight.NNsight(random_gpt2(longest, vocabulary=VOCABULARY, implementation="eager"))

    def save(ids: torch.Tensor) -> object:
        with traced.trace(ids):
            saved = nnsight.save([block.attn.output[1] for block in traced.h])
        return saved

    return save


SAVERS = {"transformer-lens": transformer_lens_saver, "nnsight": nnsight_saver}


def check(saver: Saver) -> None:
    """Raise where what is saved is not the weights of 12 layers of 12 heads, so that nothing else is measured."""
    shapes = {tuple(weights.shape) for weights in saver(random_ids(16, VOCABULARY))}
    if shapes != {(1, 12, 16, 16)}:
        raise RuntimeError(f"saved {shapes}, not the weights")


def measured(peer: str, lengths: list[tuple[int, int]]) -> dict:
    """Return for each length what saving costs."""
    longest = max(tokens for tokens, _ in lengths)
    saver = SAVERS[peer](longest)
    plain = random_gpt2(longest, vocabulary=VOCABULARY)
    found = {}
    with torch.no_grad():
        check(saver)
        for tokens, rounds in lengths:
            ids = random_ids(tokens, VOCABULARY)
            peak = peak_above(lambda ids=ids: saver(ids))
            ways = {"plain": lambda ids=ids: plain(ids, use_cache=False), peer: lambda ids=ids: saver(ids)}
            found[str(tokens)] = compared(in_turns(ways, rounds), "plain")[peer] | {"bytes": peak}
    return {"lengths": found, "version": version(peer)}


def main() -> None:
    peer, *lengths = sys.argv[1:]
    asked = [tuple(map(int, length.split(":"))) for length in lengths]
    # What the libraries print is no answer.
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        found = measured(peer, asked)
    answer(found)


if __name__ == "__main__":
    main()
