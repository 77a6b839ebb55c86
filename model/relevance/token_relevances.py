"""The relevance of every input token to a chosen output by every method, layer by layer."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float64

from model.analysis.rollout import RESIDUAL
from model.encoding import Encoding
from model.errors import HeadscopeError
from model.lazy_capture import Progress
from model.loading import LoadedModel
from model.relevance.gradients import gradient_attention
from model.relevance.outputs import ChosenOutput
from model.relevance.relevance_run import RelevanceRun, part_of


@dataclass(frozen=True, eq=False)
class TokenRelevance:
    """How much each input token counts for the output: of one layer, of all up to it, or (None) of the model as a whole."""

    method: str
    layer: int | None
    values: Float64[np.ndarray, " position"]


@dataclass(frozen=True, eq=False)
class TokenRelevances:
    """What every method found, and for those that this model or text does not allow the sentence that says why."""

    found: tuple[TokenRelevance, ...]
    refused: Mapping[str, str] = field(default_factory=dict)


# Name -> relevance [layer, position]; one row for what has no layer. Contributions that hold the residual connection roll out
# without another one; value zeroing, which holds none, does so in its paper's code too, and is given here both ways.
_METHODS: Mapping[str, Callable[[RelevanceRun], np.ndarray]] = {
    "attention": lambda run: run.read(run.attention(run.stack)),
    "rollout": lambda run: run.rolled(run.attention, RESIDUAL),
    "rollout, receptive field": RelevanceRun.corrected,
    "flow": RelevanceRun.flows,
    "norms": lambda run: run.read(run.moved(run.stack)),
    "norms rollout": lambda run: run.rolled(run.moved, RESIDUAL),
    "residual norms": lambda run: run.read(run.mixed(run.stack)),
    "residual norms rollout": lambda run: run.rolled(run.mixed, 0),
    "ALTI": lambda run: run.read(run.near(run.stack)),
    "ALTI rollout": lambda run: run.rolled(run.near, 0),
    "value zeroing": lambda run: run.read(run.zeroed(run.stack)),
    "value zeroing rollout": lambda run: run.rolled(run.zeroed, 0),
    "value zeroing rollout, residual": lambda run: run.rolled(run.zeroed, RESIDUAL),
    "gradient x attention": lambda run: np.abs(gradient_attention(run.gradients, run.stack)).sum(axis=1),
    "relevancy": RelevanceRun.relevancies,
    "gradient x input": RelevanceRun.embedded,
}
METHODS = tuple(_METHODS)


def token_relevances(
    loaded: LoadedModel,
    encoding: Encoding,
    output: ChosenOutput,
    *,
    methods: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> TokenRelevances:
    """Return the relevance of every input token to `output` by each of METHODS (or some), for every layer.

    Of a map [layer, query, key] the row of the position is read where a token is predicted, or the mean over all rows for an
    embedding, which is the mean of all states; in an encoder-decoder the keys are the source. "gradient x attention" is
    sum_q |mean_h A dy/dA|, "gradient x input" |x . dy/dx|, "relevancy" that of Chefer et al. 2021. "residual norms" is
    AttnResLn of Kobayashi et al. 2021, or AttnRes where the model has no layer norm there. "flow" tells little in a deep model:
    every token comes near the most that can flow. A method that refuses says why in `refused`. `progress` is called with the
    done share and may raise to cancel. Raises HeadscopeError where there is no such method.
    """
    chosen = METHODS if methods is None else tuple(methods)
    unknown = [name for name in chosen if name not in METHODS]
    if unknown:
        raise HeadscopeError(f"There is no method “{unknown[0]}”. Choose {', '.join(METHODS)}.")
    run, found, refused = RelevanceRun(loaded, encoding, output), [], {}
    for number, name in enumerate(chosen):
        run.report = part_of(progress, number / len(chosen), (number + 1) / len(chosen))
        try:
            values = _METHODS[name](run)
        except HeadscopeError as error:
            refused[name] = str(error)
        else:
            layers = run.layers if len(values) == len(run.layers) and name != "gradient x input" else (None,)
            found += [TokenRelevance(name, layer, row) for layer, row in zip(layers, values, strict=True)]
        if progress is not None:
            progress((number + 1) / len(chosen))
    return TokenRelevances(tuple(found), refused)
