"""The final part of a model, run on any hidden states by the model's own code: what comes after its last block."""

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from model.collector import parts_of
from model.errors import HeadscopeError, InputError
from model.lazy_capture import forward
from model.loading import LoadedModel
from model.module_hooks import listening
from model.running_alone import running_alone

_IDS = ("input_ids", "decoder_input_ids")
# The names of the block lists of one run, in the order of their blocks' calls; None outside a run of ours.
_calls: ContextVar[list[str] | None] = ContextVar("headscope_final_part", default=None)


def check_head(loaded: LoadedModel) -> None:
    """Refuse a model that predicts no tokens; raises HeadscopeError."""
    if loaded.model.get_output_embeddings() is None:
        raise HeadscopeError(
            f"{loaded.name} has no head that predicts tokens: see its nearest vocabulary entries instead, or load the model "
            "with its language-model head."
        )


class FinalPart:
    """What a model computes after its last block: final normalisation, transform, head, biases, softcap and logit scale.

    The model itself is run over the first token of `tensors`, and the output of its last block, the call number `depth` of
    the blocks that are called last, is replaced by the states. So a run costs one token in the blocks, and the head once for
    every state; nothing of the model is written again here. A few families compare that output with the shape of their
    input: they are run over as many copies of the token as there are states. What comes out is exact where the final part
    takes nothing but the state of one position: see `difference`. Raises HeadscopeError where the model cannot be run so.
    """

    def __init__(self, loaded: LoadedModel, tensors: Mapping[str, Tensor], depth: int):
        self.loaded, self.depth = loaded, depth
        self._lists = parts_of(loaded.model).lists
        main = loaded.model.main_input_name
        whole = {} if main in _IDS or main not in tensors else {main: tensors[main]}
        self._one_token = whole | {name: tensors[name][:, :1] for name in _IDS if name in tensors}
        self._blocks, self._copied = "", False
        _, calls, last = self._run(None)
        if not calls or calls.count(calls[-1]) != depth or last is None:
            raise self._refusal()
        self._blocks = calls[-1]
        self._check(torch.cat([last[0, :1], last[0, :1]]))

    def _check(self, states: Tensor) -> None:
        """Run two states through the final part, and find out whether the input must be copied for each."""
        try:
            self.logits(states)
        except HeadscopeError:
            self._copied = True
            self.logits(states)

    def logits(self, states: Float[Tensor, "state d_model"]) -> Float[Tensor, "state vocab"]:
        """Return the logits of every state, as the model's own code has them; raises HeadscopeError where it has none."""
        output, _, _ = self._run(states)
        logits = getattr(output, "logits", None)
        if not isinstance(logits, Tensor) or logits.numel() != len(states) * logits.shape[-1]:
            raise self._refusal()
        return logits.reshape(len(states), -1)

    def difference(
        self, found: Float[Tensor, "position vocab"], own: Float[Tensor, "position vocab"]
    ) -> Float[Tensor, ""]:
        """Return max |found - own| / max(1, max |own|), of the logits of the last layer's states and the model's own.

        Raises HeadscopeError where it is above rounding: the final part then takes more than the state of one position.
        """
        found, own = found.float(), own.to(found.device).float()
        scale = own[own.isfinite()].abs().max().clamp(min=1) if bool(own.isfinite().any()) else own.new_ones(())
        # Entries that a model bars (minus infinity) are the same where both bar them.
        off = torch.where(found == own, 0.0, (found - own).abs()).max() / scale
        if not bool(off <= max(1e-5, 4 * torch.finfo(self.loaded.dtype).eps)):
            raise self._refusal()
        return off

    def _refusal(self) -> HeadscopeError:
        return HeadscopeError(
            f"There is no exact logit lens for {self.loaded.name} ({self.loaded.model.config.model_type}): what stands between "
            "its last block and its predictions is not computed from the state of one token alone. Choose a model such as "
            "GPT-2, Llama, BERT with its head, T5 or BART."
        )

    def _run(self, states: Tensor | None) -> tuple[Any, list[str], Tensor | None]:
        """Return (output, the calls of blocks, what the last one returned) of a run in which `states` replace the latter."""
        calls: list[str] = []
        returned: list[Tensor | None] = [None]
        names = {id(block): name for name, blocks in self._lists.items() for block in blocks}
        blocks = {id(block): block for own in self._lists.values() for block in own}.values()

        def listen(module: nn.Module, _args: Any, _options: Any, output: Any) -> Any:
            # Another thread may run the same model meanwhile: only what this context runs is changed.
            if _calls.get() is not calls:
                return None
            calls.append(names[id(module)])
            returned[0] = _state(output)
            last = calls[-1] == self._blocks and calls.count(self._blocks) == self.depth
            return self._replaced(output, states) if last and states is not None else None

        copies = len(states) if self._copied and states is not None else 1
        inputs = {name: tensor.expand(copies, *tensor.shape[1:]) for name, tensor in self._one_token.items()}
        token = _calls.set(calls)
        try:
            with running_alone(self.loaded), listening(blocks, listen):
                return forward(self.loaded, inputs, None), calls, returned[0]
        except InputError as error:
            if isinstance(error.__cause__, torch.OutOfMemoryError):
                raise
            raise self._refusal() from error
        finally:
            _calls.reset(token)

    def _replaced(self, output: Any, states: Tensor) -> Any:
        """Return the output of a block with `states` in place of its own: one position each, along the batch axis."""
        own = _state(output)
        if own is None or own.shape[-1] != states.shape[-1]:
            raise self._refusal()
        given = states.to(own)[:, None]
        return given if isinstance(output, Tensor) else type(output)([given, *output[1:]])


def _state(output: Any) -> Tensor | None:
    """Return the hidden state [batch, position, d_model] that a block returns, alone or as the first of several."""
    own = output[0] if type(output) in (tuple, list) and output else output
    return own if isinstance(own, Tensor) and own.ndim == 3 else None
