"""What becomes of a model type when it is recorded: compared with its own eager weights, without and with padding."""

import re
import sys
from dataclasses import dataclass

import torch
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.masking_utils import eager_mask
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from model import Trace, record, wrap
from model.attention_interface import attention_implementation
from model.errors import HeadscopeError, NoAttention
from model.layers import LazyLayer
from tests.registry_models import build, eager_twin, inputs_of
from tests.registry_overrides import NO_MAP, NOT_BUILT

# Rounding is all that is below: with one thread, or on another processor, it is a little more than with several.
TOLERANCE = 2e-5
UNFOLDED = (
    "bands or blocks unfolded into maps, which are compared in tests/test_unfolding.py and tests/test_reformer.py"
)
FIELDS = {"encoder": "encoder_attentions", "decoder": "decoder_attentions", "cross": "cross_attentions"}
_FAMILY_EAGER = "registry_family_eager"
_seen: list[torch.Tensor] = []


@dataclass(frozen=True)
class Outcome:
    """lazy, dense, refused, inexact or not run; the largest difference from eager weights; and why."""

    kind: str
    difference: float | None = None
    note: str = ""


def outcome(model_type: str) -> Outcome:
    """Build a tiny model of this type, record it and compare with eager weights."""
    if model_type in NOT_BUILT:
        return Outcome("not run", note=NOT_BUILT[model_type])
    try:
        model = build(model_type)
        twin = eager_twin(model)
        paddings = ("none", "left", "right") if "input_ids" in inputs_of(model) else ("none",)
        cases = [(padding, inputs_of(model, padding)) for padding in paddings]
        expected = [eager_weights(twin, inputs) or {"all": _family_eager_weights(twin, inputs)} for _, inputs in cases]
        notes = (
            set()
            if eager_weights(twin, cases[0][1])
            else {"its output has no weights: compared with its own eager function"}
        )
    except Exception as error:
        return Outcome("not run", note=_sentence(model_type, error))
    try:
        return _compared(model, cases, expected, notes)
    except HeadscopeError as error:
        return Outcome("refused", note=_reason(model_type, error))


def _compared(model: PreTrainedModel, cases: list, expected: list, notes: set[str]) -> Outcome:
    worst, kinds = 0.0, set()
    for (padding, inputs), weights in zip(cases, expected, strict=True):
        trace = record(wrap(model), inputs)
        kinds |= {layer.source for layer in trace.layers}
        problem, difference, found = _difference(trace, weights)
        notes |= found
        if problem:
            return Outcome("inexact", note=f"{padding} padding: {problem}")
        worst = max(worst, difference)
    if worst > TOLERANCE:
        return Outcome("inexact", worst, f"differs from eager by {worst:.1e}")
    # Where nothing but unfolded maps came out, there was nothing to compare here: 0 would claim too much.
    difference = None if UNFOLDED in notes and worst == 0 else worst
    return Outcome("dense" if "dense" in kinds else "lazy", difference, "; ".join(sorted(notes)))


def eager_weights(twin: PreTrainedModel, inputs: dict) -> dict[str, list[torch.Tensor]]:
    """Return the weights of every layer as the model's own output has them, by stack ("all" where it has one)."""
    output = _run(twin, inputs, output_attentions=True)
    fields = FIELDS if output.get("attentions") is None else {"all": "attentions"}
    found = {
        stack: [weights for weights in output.get(field) or () if weights is not None]
        for stack, field in fields.items()
    }
    return {stack: weights for stack, weights in found.items() if weights}


def _difference(trace: Trace, expected: dict[str, list[torch.Tensor]]) -> tuple[str, float, set[str]]:
    """Return (what is wrong or "", the largest difference, notes)."""
    worst, notes = 0.0, set()
    for stack, weights in expected.items():
        layers = list(trace.layers) if stack == "all" else [layer for layer in trace.layers if layer.stack == stack]
        whole = [(index, eager) for index, eager in enumerate(weights) if _is_map(eager, trace, stack)]
        if not whole and len(layers) == len(weights):
            notes.add(UNFOLDED)
            continue
        if len(whole) < len(weights):
            notes.add(f"{len(whole)} of {len(weights)} {'' if stack == 'all' else stack + ' '}layers have a whole map")
        if len(layers) != len(whole):
            return f"{len(layers)} {stack} layers instead of {len(whole)}", 0.0, notes
        # Hybrid models count layers that do not attend: numbers grow, and are the positions where all layers answer.
        numbers = [layer.index for layer in layers]
        if numbers != sorted(set(numbers)) and len({layer.stack for layer in layers}) == 1:
            return f"{stack} layers out of order", 0.0, notes
        for layer, (_, eager) in zip(layers, whole, strict=True):
            if eager.stride(1) == 0 and eager.shape[1] > 1:
                eager = eager[:, :1]
                notes.add("it returns the mean over the heads: shown as one")
            if layer.shape != tuple(eager.shape[1:]):
                return f"{layer.shape} instead of {tuple(eager.shape[1:])}", 0.0, notes
            found, eager = layer.weights(), eager[0].float()
            if (
                isinstance(layer, LazyLayer)
                and layer.sinks is not None
                and float((eager.sum(-1) - 1).abs().max()) < TOLERANCE
            ):
                eager = eager * found.sum(dim=-1, keepdim=True)
                notes.add("the weights it returns leave the sink out: compared after scaling rows to their sum")
            worst = max(worst, float((found - eager).abs().max()))
    extra = set(trace.stacks) - set(expected)
    return (f"also {', '.join(sorted(extra))}" if extra and "all" not in expected else ""), worst, notes


def _is_map(eager: torch.Tensor, trace: Trace, stack: str) -> bool:
    """Say whether eager weights are one map from every token to every token (no windows, no blocks, not pooled)."""
    if not isinstance(eager, torch.Tensor) or eager.ndim != 4 or eager.shape[0] != 1:
        return False
    if stack == "cross":
        return True
    tokens = max((layer.shape[1] for layer in trace.layers if stack in ("all", layer.stack)), default=0)
    return eager.shape[-1] == eager.shape[-2] == tokens


def _family_eager(module, *args, **kwargs):
    output, weights = sys.modules[type(module).__module__].eager_attention_forward(module, *args, **kwargs)
    _seen.append(weights)
    return output, weights


AttentionInterface.register(_FAMILY_EAGER, _family_eager)
AttentionMaskInterface.register(_FAMILY_EAGER, eager_mask)


def _family_eager_weights(model: PreTrainedModel, inputs: dict) -> list[torch.Tensor]:
    _seen.clear()
    with attention_implementation(model, _FAMILY_EAGER):
        _run(model, inputs)
    return list(_seen)


def _run(model: PreTrainedModel, inputs: dict, **options):
    with torch.no_grad():
        return model(
            **inputs,
            **({"use_cache": False} if getattr(model.config, "use_cache", None) is not None else {}),
            **options,
        )


def _reason(model_type: str, error: HeadscopeError) -> str:
    if model_type in NO_MAP:
        return NO_MAP[model_type]
    if isinstance(error, NoAttention):
        return "no weights from every token to every token"
    return str(error).split(". ")[0].removeprefix(f"{model_type} (own) ")


def _sentence(model_type: str, error: Exception) -> str:
    """Return why no tiny model of this type ran."""
    message = " ".join(str(error).split())
    library = re.search(r"requires the (\w+) library", message)
    if library:
        return f"needs the library {library.group(1)}, which is not installed"
    if {"text_config", "vision_config"} <= set(CONFIG_MAPPING[model_type].sub_configs):
        return "takes a text and an image together: its parts are types of their own"
    arguments = re.search(r"missing \d+ required positional arguments?: (.*)", message)
    if arguments:
        return f"takes inputs of its own: {arguments.group(1)}"
    return f"{type(error).__name__}: {message[:100]}"
