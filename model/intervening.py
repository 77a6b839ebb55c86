"""intervening: a model runs with some of its heads changed, whatever runs it, and is as before afterwards."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from transformers import PreTrainedModel

from model.attention_interface import attention_implementation
from model.collector import Collector
from model.errors import HeadscopeError, InputError
from model.head_changes import HeadChanges, RunningChanges, changing, intervened_on
from model.interventions import FrozenHeads, HeadIntervention, ScaleHeads
from model.lazy_capture import captured, collected
from model.loading import LoadedModel
from model.module_hooks import announcing
from model.running_alone import running_alone

Place = tuple[str, int]
_TOKENS = 4


@dataclass(frozen=True)
class LayerPlan:
    """Where a model attends: `calls` holds (stack, layer) of every module's attention calls in one run, as traces count them.

    `heads` [stack, layer] counts the heads of every layer; `implementation` is the attention under which they are seen.
    """

    implementation: str
    calls: Mapping[str, tuple[Place, ...]]
    heads: Mapping[Place, int]

    @property
    def stacks(self) -> tuple[str, ...]:
        """The stacks that are there, in the order of their first layers."""
        return tuple(dict.fromkeys(stack for stack, _ in self.heads))

    def place(self, intervention: HeadIntervention) -> Place:
        """Return (stack, layer) of an intervention; raises HeadscopeError where there are no such heads."""
        stack = intervention.stack
        if stack is None and len(self.stacks) > 1:
            raise HeadscopeError(f"Say which of the stacks {', '.join(self.stacks)} “{intervention}” is for.")
        stack = self.stacks[0] if stack is None else stack
        if stack not in self.stacks:
            raise HeadscopeError(f"This model has no {stack} attention; it has {' and '.join(self.stacks)}.")
        layers = sorted(layer for other, layer in self.heads if other == stack)
        if intervention.layer not in layers:
            raise HeadscopeError(
                f"There is no {stack} layer {intervention.layer}; the layers with attention are {_listed(layers)}."
            )
        count = self.heads[stack, intervention.layer]
        wrong = [head for head in intervention.heads or () if head >= count]
        if wrong:
            raise HeadscopeError(
                f"Layer {intervention.layer} has heads 0 to {count - 1}; there is no head {_listed(wrong)}."
            )
        return stack, intervention.layer


_plans: WeakKeyDictionary[PreTrainedModel, LayerPlan] = WeakKeyDictionary()


def layer_plan(loaded: LoadedModel, tensors: Mapping[str, Tensor] | None = None) -> LayerPlan:
    """Return where a model attends, from one short run over a few ids (or, where it takes no ids, over `tensors`).

    Raises HeadscopeError where the attention of this family cannot be changed head by head.
    """
    with running_alone(loaded):
        if loaded.model not in _plans:
            collector = _short_run(loaded, tensors)
            layers = () if collector is None else captured(collector)[0]
            if collector is None or not layers or collector.attentions != len(layers):
                raise HeadscopeError(
                    f"The heads of {loaded.name} ({loaded.model.config.model_type}) cannot be changed one by one: its attention "
                    "is not computed where all of it can be seen. Choose a model such as BERT, GPT-2, Llama, T5 or BART."
                )
            calls: dict[str, list[Place]] = defaultdict(list)
            for layer in layers:
                calls[layer.module].append((layer.stack, layer.index))
            heads = {(layer.stack, layer.index): layer.heads for layer in layers}
            modules = {module: tuple(places) for module, places in calls.items()}
            _plans[loaded.model] = LayerPlan(collector.implementation, modules, heads)
        return _plans[loaded.model]


def _short_run(loaded: LoadedModel, tensors: Mapping[str, Tensor] | None) -> Collector | None:
    """Return what one run over a few ids collects, or over `tensors` where the model takes other inputs."""
    if loaded.model.main_input_name == "input_ids":
        try:
            return collected(loaded, _few_ids(loaded), None)
        except InputError:
            if tensors is None:
                raise
    if tensors is None:
        raise HeadscopeError(f"{loaded.name} reads no text: give the tensors that it takes, and record those.")
    return collected(loaded, tensors, None)


def head_counts(loaded: LoadedModel) -> dict[str, dict[int, int]]:
    """Return, for every stack and layer index of a model, how many heads can be changed; see `layer_plan`."""
    counts: dict[str, dict[int, int]] = {}
    for (stack, layer), heads in layer_plan(loaded).heads.items():
        counts.setdefault(stack, {})[layer] = heads
    return counts


@contextmanager
def intervening(
    loaded: LoadedModel, interventions: Sequence[HeadIntervention], tensors: Mapping[str, Tensor] | None = None
) -> Iterator[None]:
    """Run a block of code in which any forward pass, generation or beam search of the model has these interventions.

    They come on top of those that are on already. Only this context is changed: other threads wait where they record, and
    run the model unchanged where they run it themselves. Afterwards the model is as it was. `tensors` is an input that the
    model takes, for models that take no ids. Raises HeadscopeError where an intervention fits no head of the model.
    """
    if not interventions:
        yield
        return
    with loaded.lock:
        plan = layer_plan(loaded, tensors)
        together = (*intervened_on(loaded.model), *interventions)
        with applying(loaded, plan, _changes(loaded, plan, together), together):
            yield


@contextmanager
def applying(
    loaded: LoadedModel,
    plan: LayerPlan,
    changes: Mapping[Place, HeadChanges],
    interventions: Sequence[HeadIntervention] = (),
) -> Iterator[None]:
    """Run a block of code with these changes at (stack, layer), known to traces by the `interventions` they are made of."""
    names = {name: id(module) for name, module in loaded.model.named_modules()}
    calls = {
        names[module]: tuple(changes.get(place) for place in places)
        for module, places in plan.calls.items()
        if any(place in changes for place in places)
    }
    running = RunningChanges(loaded.model, calls, tuple(interventions))
    # Layers that share a module are told apart by counting, also after a run that broke off.
    counted = announcing(loaded.model, running.begin) if any(len(own) > 1 for own in calls.values()) else nullcontext()
    with loaded.lock, attention_implementation(loaded.model, plan.implementation), changing(running), counted:
        yield


def _changes(
    loaded: LoadedModel, plan: LayerPlan, interventions: Sequence[HeadIntervention]
) -> dict[Place, HeadChanges]:
    by_place: dict[Place, list[HeadIntervention]] = defaultdict(list)
    for intervention in interventions:
        by_place[plan.place(intervention)].append(intervention)
    return {place: _layer_changes(own, place, plan.heads[place], loaded.device) for place, own in by_place.items()}


def _layer_changes(
    interventions: Sequence[HeadIntervention], place: Place, heads: int, device: torch.device
) -> HeadChanges:
    """Return the changes of one layer; factors of one head multiply, and weights can be replaced only once."""
    factor, replaced, patterns = torch.ones(1, heads), set[int](), list[Any]()
    uniform: tuple[int, ...] = ()
    frozen: tuple[int, ...] = ()
    for intervention in interventions:
        chosen = tuple(range(heads) if intervention.heads is None else intervention.heads)
        if isinstance(intervention, ScaleHeads):
            factor[0, list(chosen)] *= intervention.factor
            continue
        twice = sorted(replaced & set(chosen))
        if twice:
            raise HeadscopeError(
                f"The weights of L{place[1]} H{_listed(twice)} are replaced twice. Choose one of the two."
            )
        replaced |= set(chosen)
        if isinstance(intervention, FrozenHeads):
            if len(intervention.weights) != len(chosen):
                raise HeadscopeError(f"Layer {place[1]} has {heads} heads and the pattern {len(intervention.weights)}.")
            frozen, patterns = frozen + chosen, [*patterns, intervention.weights]
        else:
            uniform += chosen
    scaled = any(isinstance(intervention, ScaleHeads) for intervention in interventions)
    return HeadChanges(
        factor=factor.to(device) if scaled else None,
        uniform=uniform,
        frozen=frozen,
        patterns=torch.cat(patterns).to(device) if patterns else None,
        causal=place[0] == "decoder",
    )


def _few_ids(loaded: LoadedModel) -> dict[str, Tensor]:
    """Return a few ids from the middle of the vocabulary, where no special ones are."""
    config = loaded.model.config
    vocabulary = getattr(config.get_text_config(), "vocab_size", None) or _TOKENS
    count = min(_TOKENS, loaded.position_limit or _TOKENS)
    ids = (torch.arange(count, device=loaded.device) + vocabulary // 2)[None] % vocabulary
    return {"input_ids": ids} | ({"decoder_input_ids": ids[:, :3]} if loaded.is_encoder_decoder else {})


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))
