"""Measure a model on files of your own.

python -m model evaluate translation --model NAME --source FILE --reference FILE
python -m model evaluate language --model NAME --text FILE ...
"""

import argparse
import sys
import time
from pathlib import Path

from tqdm import tqdm

from model.errors import HeadscopeError
from model.evaluation.bleu import corpus_bleu
from model.evaluation.heads import pattern_scores
from model.evaluation.language import language_figures, running_text
from model.evaluation.translation import translations
from model.loading import LoadedModel, load_model
from model.training.corpora import check_parallel, read_lines, read_text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `run` reads."""
    kinds = parser.add_subparsers(dest="kind", required=True)
    translation = kinds.add_parser("translation", help="BLEU of a model's translations, one sentence a line")
    translation.add_argument("--source", required=True, metavar="FILE", help="sentences to translate, plain or gzip")
    translation.add_argument("--reference", required=True, metavar="FILE", help="their translations")
    translation.add_argument("--beams", type=int, default=5, help="width of the beam search (1: greedy)")
    translation.add_argument("--length-penalty", type=float, default=1.0)
    translation.add_argument("--out", type=Path, metavar="FILE", help="where the translations go")
    language = kinds.add_parser("language", help="bits per character of running text")
    language.add_argument("--text", nargs="+", required=True, metavar="FILE", help="texts, plain or gzip")
    language.add_argument(
        "--context", type=int, help="tokens that are read at once (as many as the model takes, at most 1024)"
    )
    for kind in (translation, language):
        kind.add_argument("--model", required=True, help="a bundled name, a folder or a hub id")
        kind.add_argument("--device", default="auto", choices=("auto", "cuda", "mps", "cpu"))


def run(given: argparse.Namespace) -> int:
    """Measure, print the figures, and return the exit code; raises HeadscopeError for what the user can mend."""
    loaded = load_model(given.model, device=given.device)
    for warning in loaded.warnings:
        print(warning, file=sys.stderr)
    return (_translation if given.kind == "translation" else _language)(given, loaded)


def _translation(given: argparse.Namespace, loaded: LoadedModel) -> int:
    if not loaded.is_encoder_decoder:
        raise HeadscopeError(f"{loaded.name} is no encoder-decoder, so it does not translate. Choose one.")
    if given.beams < 1:
        raise HeadscopeError("Give --beams from 1.")
    sources, references = read_lines(given.source), read_lines(given.reference)
    check_parallel(sources, references)
    began = time.perf_counter()
    with _bar(len(sources), "sentence") as bar:
        found = translations(
            loaded.model, loaded.tokenizer, sources, beams=given.beams, length_penalty=given.length_penalty,
            progress=lambda share: bar.update(round(share * len(sources)) - bar.n),
        )  # fmt: skip
    seconds = time.perf_counter() - began
    if given.out is not None:
        given.out.write_text("".join(f"{line}\n" for line in found), encoding="utf-8")
    bleu = corpus_bleu(found, references, lowercase=True)
    precisions = "/".join(f"{100 * precision:.1f}" for precision in bleu.precisions)
    print(f"sentences                       {len(sources)}")
    print(
        f"BLEU, lower-cased and tokenised {bleu.score:.2f} ({precisions}, brevity {bleu.brevity:.3f}, "
        f"{bleu.length} words for {bleu.reference_length})"
    )
    print(f"sacrebleu, lower-cased          {_sacrebleu(found, references)}")
    print(f"seconds per sentence            {seconds / len(sources):.4f} (beams {given.beams}, {loaded.device})")
    return 0


def _sacrebleu(found: list[str], references: list[str]) -> str:
    """Return the score of sacrebleu (Post 2018) with its signature, or how to get it."""
    try:
        from sacrebleu.metrics import BLEU
    except ImportError:
        return "not installed: pip install sacrebleu"
    metric = BLEU(lowercase=True)
    return f"{metric.corpus_score(found, [references]).score:.2f} ({metric.get_signature()})"


def _language(given: argparse.Namespace, loaded: LoadedModel) -> int:
    if loaded.is_encoder_decoder or not loaded.model.can_generate():
        raise HeadscopeError(f"{loaded.name} is no causal language model. Choose a decoder.")
    context = given.context or min(loaded.position_limit or 1024, 1024)
    if loaded.position_limit is not None and context > loaded.position_limit:
        raise HeadscopeError(f"{loaded.name} takes {loaded.position_limit} tokens. Give a --context up to that.")
    bits = characters = 0.0
    for path in given.text:
        with _bar(100, "%") as bar:
            figures = language_figures(
                loaded.model, loaded.tokenizer, running_text(read_text(path)), context=context,
                progress=lambda share, bar=bar: bar.update(round(100 * share) - bar.n),
            )  # fmt: skip
        bits, characters = bits + figures.bits_per_character * figures.characters, characters + figures.characters
        unknown = f", {figures.unknown} unknown tokens: the true figure is higher" if figures.unknown else ""
        print(
            f"{Path(path).name}: {figures.bits_per_character:.4f} bits per character "
            f"({figures.characters} characters, {figures.tokens} tokens{unknown})"
        )
    print(f"all: {bits / characters:.4f} bits per character (context {context})")
    scores = pattern_scores(loaded, period=min(50, context // 2))
    for name, values in (("previous token", scores.previous_token), ("induction", scores.induction)):
        layer, head = divmod(int(values.argmax()), values.shape[1])
        print(f"highest {name} score: {values[layer, head]:.3f} (L{layer} H{head})")
    return 0


def _bar(total: int, unit: str) -> tqdm:
    return tqdm(total=total, unit=unit, file=sys.stderr, disable=None)
