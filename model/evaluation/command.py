"""Measure a model on files of your own.

python -m model evaluate translation --model NAME --source FILE --reference FILE
python -m model evaluate language --model NAME --text FILE ...
python -m model evaluate length --model RUN_OR_FOLDER ... --text FILE ... --json OUT.json
"""

import argparse
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import torch
from tqdm import tqdm

from model.corpora import check_parallel, read_lines, read_text
from model.errors import HeadscopeError
from model.evaluation.bleu import corpus_bleu
from model.evaluation.heads import pattern_scores
from model.evaluation.language import language_figures, running_text, token_stream
from model.evaluation.length import STRETCHES, TrainedDecoder, loss_by_position, read_decoder
from model.evaluation.translation import translations
from model.length_results import LengthCurve, LengthResults, write_length_results
from model.loading import LoadedModel, load_model
from model.recorded_trace import versions
from model.result_files import write_file


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
    length = kinds.add_parser(
        "length", help="loss against position, of small decoders with different kinds of position"
    )
    length.add_argument("--text", nargs="+", required=True, metavar="FILE", help="texts, plain or gzip")
    length.add_argument("--length", type=int, default=512, help="tokens in a window, past the trained length too")
    length.add_argument("--windows", type=int, default=2048, help="how many windows, spread evenly over the texts")
    length.add_argument("--json", type=Path, required=True, metavar="OUT.json", help="where the curves go")
    length.add_argument("--model", nargs="+", required=True, help="runs of python -m model train, or folders")
    for kind in (translation, language):
        kind.add_argument("--model", required=True, help="a bundled name, a folder or a hub id")
    for kind in (translation, language, length):
        kind.add_argument("--device", default="auto", choices=("auto", "cuda", "mps", "cpu"))


def run(given: argparse.Namespace) -> int:
    """Measure, print the figures, and return the exit code; raises HeadscopeError for what the user can mend."""
    if given.kind == "length":
        return _length(given)
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
            progress=_filling(bar, len(sources)),
        )  # fmt: skip
    seconds = time.perf_counter() - began
    if given.out is not None:
        write_file(given.out, "".join(f"{line}\n" for line in found).encode())
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


def _filling(bar: tqdm, steps: int) -> Callable[[float], None]:
    def fill(share: float) -> None:
        bar.update(round(share * steps) - bar.n)

    return fill


def _sacrebleu(found: list[str], references: list[str]) -> str:
    """Return the score of sacrebleu (Post 2018) with its signature, or how to get it."""
    try:
        from sacrebleu.metrics.bleu import BLEU
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
                progress=_filling(bar, 100),
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


def _length(given: argparse.Namespace) -> int:
    if not given.json.absolute().parent.is_dir():
        raise HeadscopeError(f"There is no folder for “{given.json.name}”. Make it first.")
    decoders = [read_decoder(name, given.device) for name in given.model]
    for warning in [warning for decoder in decoders for warning in decoder.warnings]:
        print(warning, file=sys.stderr)
    text = "\n".join(running_text(read_text(path)) for path in given.text)
    tokens = _check_comparable(decoders, text)
    if tokens <= min(given.windows, STRETCHES) * given.length:
        print("The text is short, so the true standard errors are larger. Give more text.", file=sys.stderr)
    curves = {decoder.model.config.positions: _length_curve(decoder, text, given) for decoder in decoders}
    config = decoders[0].model.config
    results = LengthResults(
        trained_length=config.max_position_embeddings, length=given.length, windows=given.windows,
        texts=tuple(Path(path).name for path in given.text), tokens=tokens, vocabulary=config.vocab_size,
        command=_length_command(given), device=str(decoders[0].model.device), versions=versions(), curves=curves,
    )  # fmt: skip
    write_length_results(results, given.json)
    print("\n".join(_length_table(curves)))
    print(f"\nWritten: {given.json}")
    return 0


def _check_comparable(decoders: Sequence[TrainedDecoder], text: str) -> int:
    """Return how many tokens the text has; raises HeadscopeError where the losses cannot be compared."""
    configs = [decoder.model.config for decoder in decoders]
    if len({config.positions for config in configs}) < len(configs):
        raise HeadscopeError("Two of the models have the same kind of position. Leave one of them out.")
    if len({config.max_position_embeddings for config in configs}) > 1:
        raise HeadscopeError("The models were trained on windows of different lengths. Give those of one recipe.")
    first, *others = (token_stream(decoder.tokenizer, text) for decoder in decoders)
    if not all(torch.equal(first, other) for other in others):
        raise HeadscopeError(
            "The models cut the text into different tokens, so their losses per token cannot be compared. Train them on the "
            "same text with the same vocabulary."
        )
    return len(first)


def _length_curve(decoder: TrainedDecoder, text: str, given: argparse.Namespace) -> LengthCurve:
    with _bar(100, "%") as bar:
        bar.set_description(decoder.model.config.positions)
        losses = loss_by_position(
            decoder.model, decoder.tokenizer, text, length=given.length, windows=given.windows,
            progress=_filling(bar, 100),
        )  # fmt: skip
    return decoder.curve(losses, given.length)


def _length_command(given: argparse.Namespace) -> str:
    """Return the command with files by name alone, since folders differ from machine to machine."""
    names = {"--model": given.model, "--text": given.text}
    words = [word for option, paths in names.items() for word in (option, *(Path(path).name for path in paths))]
    words += ["--length", str(given.length), "--windows", str(given.windows), "--json", given.json.name]
    return shlex.join(["python", "-m", "model", "evaluate", "length", *words])


def _length_table(curves: Mapping[str, LengthCurve]) -> Iterator[str]:
    columns = list(dict.fromkeys((span.first, span.last) for curve in curves.values() for span in curve.quarters))
    yield "loss in nats per token at positions (± standard error)"
    yield "".join(["kind".ljust(12), *(f"{first} to {last}".rjust(18) for first, last in columns)])
    for kind, curve in curves.items():
        found = {(span.first, span.last): f"{span.loss:.3f} ± {span.error:.3f}" for span in curve.quarters}
        yield "".join([kind.ljust(12), *(found.get(column, "no position").rjust(18) for column in columns)])


def _bar(total: int, unit: str) -> tqdm:
    return tqdm(total=total, unit=unit, file=sys.stderr, disable=None)
