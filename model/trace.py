"""The record of one run of a model: attention layers, hidden states, tokens and where it all came from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike

import numpy as np
import torch

from model.errors import HeadscopeError
from model.layers import SEQUENCES, AttentionLayer
from model.tokens import Token, position_tokens


@dataclass(frozen=True)
class Provenance:
    """Where a trace came from, so that a picture can be made again; `text_pair` is the second of two texts.

    `interventions` names what was done to heads in the run, as in `intervention_text`.
    """

    model: str
    revision: str
    model_type: str
    dtype: str
    device: str
    capture: str
    versions: Mapping[str, str]
    text: str | None = None
    text_pair: str | None = None
    interventions: str | None = None


@dataclass(frozen=True, eq=False)
class Trace:
    """What one run of a model attended to, and its hidden states; there is no batch axis.

    `layers` holds one entry per attention layer; `tokens` the sequence of each side ("encoder", "decoder");
    `states` the hidden states of each side, each [position, d_model]: the input of the first block, then the output
    of every block (before any final normalisation).
    """

    layers: tuple[AttentionLayer, ...]
    tokens: Mapping[str, tuple[Token, ...]]
    states: Mapping[str, tuple[torch.Tensor, ...]]
    provenance: Provenance

    @property
    def stacks(self) -> tuple[str, ...]:
        """The stacks that are there, in the order encoder, decoder, cross."""
        return tuple(stack for stack in SEQUENCES if any(layer.stack == stack for layer in self.layers))

    @property
    def nbytes(self) -> int:
        """Memory of the tensors this trace holds, in bytes; shared tensors count once, those mapped from disk do not."""
        from model.spilling import is_mapped

        tensors = [tensor for layer in self.layers for tensor in layer.tensors().values()]
        tensors += [state for states in self.states.values() for state in states]
        storages = [tensor.untyped_storage() for tensor in tensors if not is_mapped(tensor)]
        return sum({storage.data_ptr(): storage.nbytes() for storage in storages}.values())

    def of_stack(self, stack: str | None = None) -> tuple[AttentionLayer, ...]:
        """Return the attention layers of one stack; `stack` may be left out where there is only one.

        Raises HeadscopeError where the stack is missing or must be named.
        """
        if stack is None:
            if len(self.stacks) != 1:
                raise HeadscopeError(f"This trace has {_listed(self.stacks)} attention: say which with stack=….")
            stack = self.stacks[0]
        if stack not in self.stacks:
            raise HeadscopeError(f"This trace has no {stack} attention; it has {_listed(self.stacks)}.")
        return tuple(layer for layer in self.layers if layer.stack == stack)

    def layer(self, layer: int, stack: str | None = None) -> AttentionLayer:
        """Return the attention layer with this index in its stack; raises HeadscopeError where there is none."""
        layers = self.of_stack(stack)
        found = next((candidate for candidate in layers if candidate.index == layer), None)
        if found is None:
            indices = ", ".join(str(candidate.index) for candidate in layers)
            raise HeadscopeError(
                f"There is no {layers[0].stack} layer {layer}; the layers with attention are {indices}."
            )
        return found

    def attention(self, layer: int, head: int, stack: str | None = None) -> np.ndarray:
        """Return the attention weights of one head, float32 [query, key], read-only.

        weight[q, k] = softmax_k(scaling * q.k + bias), with the model's own masks, softcap and sinks (Vaswani et al. 2017).
        Raises HeadscopeError where there is no such layer, head or stack.
        """
        chosen = self.layer(layer, stack)
        check_head(chosen, head)
        return _read_only(chosen.weights(head))

    def layer_attention(self, layer: int, stack: str | None = None) -> np.ndarray:
        """Return the attention weights of every head of one layer, float32 [head, query, key], read-only."""
        return _read_only(self.layer(layer, stack).weights())

    def mask(self, layer: int, head: int = 0, stack: str | None = None) -> np.ndarray:
        """Return bool [query, key], read-only: True where the query may attend to the key."""
        chosen = self.layer(layer, stack)
        check_head(chosen, head)
        return _read_only(chosen.allowed(head))

    def query_tokens(self, layer: int, stack: str | None = None) -> tuple[str, ...]:
        """Return the display strings of the rows of a layer's attention."""
        return tuple(token.text for token in self.sequence(layer, "query", stack))

    def key_tokens(self, layer: int, stack: str | None = None) -> tuple[str, ...]:
        """Return the display strings of the columns of a layer's attention."""
        return tuple(token.text for token in self.sequence(layer, "key", stack))

    def sequence(self, layer: int, axis: str, stack: str | None = None) -> tuple[Token, ...]:
        """Return the tokens along `axis` ("query" or "key") of a layer; named by position where there is no text."""
        chosen = self.layer(layer, stack)
        side = {"query": 0, "key": 1}[axis]
        tokens = self.tokens.get(SEQUENCES[chosen.stack][side], ())
        length = chosen.shape[1 + side]
        return tokens if len(tokens) == length else position_tokens(length)

    def hidden_states(self, stack: str | None = None) -> tuple[np.ndarray, ...]:
        """Return the hidden states of the encoder or the decoder, float32, read-only, each [position, d_model].

        Entry 0 is the input of the first block, entry i + 1 the output of block i. `stack` is "encoder" or "decoder" and
        may be left out where there is only one. Raises HeadscopeError where the stack must be named.
        """
        if stack is None and len(self.states) == 1:
            stack = next(iter(self.states))
        if stack is None or stack not in self.states:
            raise HeadscopeError(
                f"This trace has hidden states of {_listed(tuple(self.states))}: say which with stack=…."
            )
        return tuple(_read_only(state.float()) for state in self.states[stack])

    def to(self, device: torch.device | str) -> "Trace":
        """Return this trace with every tensor on a device; tensors that are there already are shared with this one."""
        from model.device_budget import TensorMover

        mover = TensorMover(device)
        layers = tuple(mover.layer(layer) for layer in self.layers)
        states = {side: tuple(map(mover.tensor, stream)) for side, stream in self.states.items()}
        return replace(self, layers=layers, states=states)

    def save(self, path: str | PathLike[str]) -> None:
        """Write the trace to a safetensors file; the metadata hold tokens and provenance. Nothing is pickled.

        Raises TraceFileError where the file cannot be written.
        """
        from model.trace_file import save_trace

        save_trace(self, path)

    @staticmethod
    def load(path: str | PathLike[str]) -> "Trace":
        """Read a trace that `save` wrote; raises TraceFileError where the file is not one."""
        from model.trace_file import load_trace

        return load_trace(path)


def check_head(layer: AttentionLayer, head: int) -> None:
    """Raise HeadscopeError where the layer has no such head."""
    if not 0 <= head < layer.heads:
        raise HeadscopeError(f"Layer {layer.index} has heads 0 to {layer.heads - 1}; there is no head {head}.")


def _read_only(tensor: torch.Tensor) -> np.ndarray:
    # A copy, so that a view of the model's or the trace's own memory is never handed out.
    array = tensor.detach().to("cpu", copy=True).numpy()
    array.flags.writeable = False
    return array


def _listed(names: Sequence[str]) -> str:
    return " and ".join(names) if names else "no"
