"""The candidates that a beam search ends with."""

from dataclasses import dataclass

from model.decoding import Decoding, finished_beams
from model.errors import InputError
from model.loading import LoadedModel
from model.prompting import encode_prompt
from model.recording import running_alone


@dataclass(frozen=True)
class BeamCandidate:
    """One finished candidate: its text, and its score, the mean log-probability of its tokens."""

    text: str
    score: float


def beam_candidates(
    loaded: LoadedModel, text: str, *, beams: int = 4, max_new_tokens: int = 64
) -> tuple[BeamCandidate, ...]:
    """Return what a beam search of an encoder-decoder ends with, the best first; `record_generation` writes that one.

    score = mean_t log p(token_t | tokens before it, text) (Wu et al. 2016, section 7, with a length penalty of 1)

    Raises InputError for a decoder alone, fewer than two beams, and a text that the model cannot run.
    """
    if beams < 2 or not loaded.is_encoder_decoder:
        raise InputError("A beam search needs an encoder-decoder and at least two beams.")
    with running_alone(loaded):
        begun = encode_prompt(loaded, text)
        limit = loaded.position_limit or begun.length + max_new_tokens
        length = min(limit, begun.length + max_new_tokens)
        ids, scores = finished_beams(loaded, begun.tensors, Decoding("beam", 1.0, None, None, beams, 0), length)
    texts = loaded.tokenizer.batch_decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    return tuple(BeamCandidate(*pair) for pair in zip(texts, scores.tolist(), strict=True))
