"""One text and its chosen output, with what the methods of relevance need computed once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from model.analysis.flow import attention_flow, translation_flow
from model.analysis.norm_contributions import alti_contributions
from model.analysis.norm_forms import fullest_form
from model.analysis.norms import mixed_norms
from model.analysis.rollout import (
    allowed_maps,
    attention_rollout,
    combined_heads,
    receptive_field_corrected,
    rows_to_one,
    translation_rollout,
)
from model.encoding import Encoding
from model.errors import HeadscopeError
from model.intervening import Place
from model.lazy_capture import Progress
from model.loading import LoadedModel
from model.relevance.gradients import (
    WeightGradients,
    relevancy,
    translation_relevancy,
    weight_gradients,
)
from model.relevance.outputs import ChosenOutput, readout
from model.relevance.value_zeroing import stacked, value_zeroing
from model.value_projection import ValueMixing, ValueMixings, record_mixings


@dataclass(eq=False)
class RelevanceRun:
    """One text and its chosen output, with what several methods need computed once."""

    loaded: LoadedModel
    encoding: Encoding
    output: ChosenOutput
    report: Progress | None = None  # told the share of the method that is at work

    @cached_property
    def mixings(self) -> ValueMixings:
        return record_mixings(self.loaded, dict(self.encoding.tensors))

    @cached_property
    def stack(self) -> str:
        """The stack whose keys are the input: the cross-attention of an encoder-decoder."""
        return "cross" if self.loaded.is_encoder_decoder else self.mixings.trace.of_stack()[0].stack

    @cached_property
    def layers(self) -> tuple[int, ...]:
        return tuple(layer.index for layer in self.mixings.trace.of_stack(self.stack))

    @cached_property
    def gradients(self) -> WeightGradients:
        return weight_gradients(self.loaded, self.encoding, self.output)

    @cached_property
    def zeroing(self) -> Mapping[Place, np.ndarray]:
        changes = value_zeroing(self.loaded, self.encoding, progress=self.report)
        return {place: rows_to_one(change) for place, change in changes.items()}

    def attention(self, stack: str) -> np.ndarray:
        return combined_heads(self.mixings.trace, stack)

    def zeroed(self, stack: str) -> np.ndarray:
        return stacked(self.zeroing, stack)

    def moved(self, stack: str) -> np.ndarray:
        """Norms of what attention moves, rows scaled to one."""
        return rows_to_one(np.stack([mixed_norms(one) for one in self.of_stack(stack)]))

    def mixed(self, stack: str) -> np.ndarray:
        """Norms of what the block's sum, and its layer norm where one follows, is made of; rows scaled to one."""
        return rows_to_one(np.stack([mixed_norms(one, fullest_form(one)) for one in self.of_stack(stack)]))

    def near(self, stack: str) -> np.ndarray:
        return np.stack([alti_contributions(one) for one in self.of_stack(stack)]).astype(np.float64)

    def of_stack(self, stack: str) -> list[ValueMixing]:
        return [self.mixings.layer(layer.index, stack) for layer in self.mixings.trace.of_stack(stack)]

    def read(self, maps: Float[np.ndarray, "layer query key"]) -> np.ndarray:
        """Return [layer, key]: the rows that the output is read from."""
        return readout(self.encoding, self.output) @ maps

    def rolled(self, maps: Callable[[str], np.ndarray], residual: float | int) -> np.ndarray:
        if self.stack != "cross":
            return self.read(attention_rollout(maps(self.stack), residual=residual))
        parts = [maps(stack) for stack in ("encoder", "decoder", "cross")]
        return self.read(translation_rollout(*parts, residual=residual))[:, : parts[2].shape[2]]

    def flows(self) -> np.ndarray:
        rows, found = readout(self.encoding, self.output)[None], []
        stacks = ("encoder", "decoder", "cross") if self.stack == "cross" else (self.stack,)
        maps = [self.attention(stack) for stack in stacks]
        count = len(maps[-1])
        # The whole model first: what is too large is then refused before anything is computed.
        for done, end in enumerate(range(count, 0, -1)):
            part = part_of(self.report, done / count, (done + 1) / count)
            if self.stack == "cross":
                flow = translation_flow(maps[0], maps[1][:end], maps[2][:end], rows, progress=part)
                found.append(flow[0, : maps[2].shape[2]])
            else:
                found.append(attention_flow(maps[0][:end], rows, progress=part)[0])
        return np.stack(found[::-1])

    def corrected(self) -> np.ndarray:
        if self.stack != "decoder":
            raise HeadscopeError(
                "The correction for the receptive field is for decoders: here every token sees all of the input."
            )
        rolled = attention_rollout(self.attention("decoder"))
        return self.read(receptive_field_corrected(rolled, allowed_maps(self.mixings.trace, "decoder")))

    def relevancies(self) -> np.ndarray:
        found = self.gradients
        return self.read(translation_relevancy(found) if self.stack == "cross" else relevancy(found, self.stack))

    def embedded(self) -> np.ndarray:
        if self.gradients.inputs is None:
            raise HeadscopeError("This model reads no ids, so there are no embeddings to derive by.")
        return np.abs(self.gradients.inputs.astype(np.float64))[None]


def part_of(progress: Progress | None, first: float, last: float) -> Progress | None:
    """Return a progress that fills the part of another from `first` to `last`."""
    return None if progress is None else lambda share: progress(first + (last - first) * share)
