"""Ways to look at the attention of a long text, in a process of their own; `long_inputs` asks for them.

`times TOKENS ROUNDS WAY ...` answers the times of the ways, taken in turns, as ratios to the plain forward pass;
`memory TOKENS 1 WAY` answers the bytes that a way takes above the model, and `eager TOKENS ROUNDS` both for the weights that
transformers returns itself. All on a random model of GPT-2-small's size, in bfloat16 on a graphics card.
"""

import argparse
from collections.abc import Callable, Mapping

import torch

from benchmarks.child import answer
from benchmarks.measuring import Taken, compared, in_turns, peak_above, taken
from benchmarks.random_models import random_gpt2, random_ids
from model import record, wrap
from model.loading import LoadedModel

PLAIN, RECORD, STATISTICS, OVERVIEW = "plain", "record", "statistics", "overview"
EAGER, EAGER_STATISTICS = "eager", "eager statistics"
Way = Callable[[LoadedModel, Mapping[str, torch.Tensor]], object]


def plain_forward(loaded: LoadedModel, tensors: Mapping[str, torch.Tensor]) -> object:
    """Run the model with torch's fused attention and nothing else."""
    with torch.inference_mode():
        return loaded.model(**tensors, use_cache=False)


def statistics(loaded: LoadedModel, tensors: Mapping[str, torch.Tensor]) -> object:
    """Return entropy, previous, first and maximum of all heads, made while the model runs."""
    from model.overview import head_statistics_of

    return head_statistics_of(loaded, tensors)


def overview(loaded: LoadedModel, tensors: Mapping[str, torch.Tensor]) -> object:
    """Return the trace, the statistics and the thumbnails of all heads, from one run."""
    from model.overview import record_overview

    return record_overview(loaded, tensors)


def eager_weights(loaded: LoadedModel, tensors: Mapping[str, torch.Tensor]) -> tuple[torch.Tensor, ...]:
    """Return the weights that transformers gives with output_attentions under eager attention."""
    loaded.model.set_attn_implementation("eager")
    try:
        with torch.inference_mode():
            return loaded.model(**tensors, use_cache=False, output_attentions=True).attentions
    finally:
        loaded.model.set_attn_implementation("sdpa")


def four_statistics(weights: torch.Tensor) -> torch.Tensor:
    """Return entropy in bits, mass on the previous and on the first token and the mean maximum of weights [head, query, key]."""
    entropy = -(weights * weights.clamp_min(1e-30).log2()).sum(-1).mean(-1)
    previous = weights.diagonal(-1, dim1=-2, dim2=-1).mean(-1)
    return torch.stack([entropy, previous, weights[..., 0].mean(-1), weights.amax(-1).mean(-1)])


WAYS: dict[str, Way] = {
    PLAIN: plain_forward,
    RECORD: lambda loaded, tensors: record(loaded, tensors),
    STATISTICS: statistics,
    OVERVIEW: overview,
}


def loaded_model(tokens: int, device: str) -> LoadedModel:
    """Return the model that everything is measured on; in bfloat16 on a graphics card."""
    model = random_gpt2(tokens).to(device)
    return wrap(model.to(torch.bfloat16) if device == "cuda" else model, None, "GPT-2-small size")


def own_times(loaded: LoadedModel, tensors: Mapping[str, torch.Tensor], rounds: int, names: list[str]) -> dict:
    """Return the ratios of some ways to the plain forward pass, taken in turns."""
    ways = {name: lambda name=name: WAYS[name](loaded, tensors) for name in names}
    return {"ways": compared(in_turns(ways, rounds), PLAIN)}


def own_memory(loaded: LoadedModel, tensors: Mapping[str, torch.Tensor], name: str) -> dict:
    """Return the bytes that a way takes above the model."""
    return {"bytes": peak_above(lambda: WAYS[name](loaded, tensors))}


def eager_costs(loaded: LoadedModel, tensors: Mapping[str, torch.Tensor], rounds: int) -> dict:
    """Return the ratios of eager's weights, and of the same with statistics of them, and the bytes in the first round."""
    times: dict[str, list[Taken]] = {PLAIN: [], EAGER: [], EAGER_STATISTICS: []}
    highest = []
    for _ in range(rounds):
        times[PLAIN].append(taken(lambda: plain_forward(loaded, tensors)))
        weights = []
        work = lambda kept=weights: kept.extend(eager_weights(loaded, tensors))  # noqa: E731
        times[EAGER].append(taken(lambda run=work: highest.append(peak_above(run))))
        more = taken(lambda kept=weights: [four_statistics(layer[0].float()) for layer in kept])
        del weights, work
        both = times[EAGER][-1]
        times[EAGER_STATISTICS].append(Taken(both.wall + more.wall, both.processor + more.processor))
    return {"ways": compared(times, PLAIN), "bytes": highest[0]}


def measured(arguments: argparse.Namespace) -> dict:
    """Return the answer to a command."""
    loaded = loaded_model(arguments.tokens, arguments.device)
    tensors = {"input_ids": random_ids(arguments.tokens).to(arguments.device)}
    short = {"input_ids": tensors["input_ids"][:, :64]}
    # What is imported, registered and allocated once belongs to no text.
    for name in arguments.ways:
        WAYS[name](loaded, short)
    if arguments.what == "eager":
        eager_costs(loaded, short, 1)
        return eager_costs(loaded, tensors, arguments.rounds)
    if arguments.what == "memory":
        return own_memory(loaded, tensors, arguments.ways[0])
    return own_times(loaded, tensors, arguments.rounds, arguments.ways)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["times", "memory", "eager"])
    parser.add_argument("tokens", type=int)
    parser.add_argument("rounds", type=int)
    parser.add_argument("ways", nargs="*", help=", ".join(WAYS))
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    answer(measured(parser.parse_args()))


if __name__ == "__main__":
    main()
