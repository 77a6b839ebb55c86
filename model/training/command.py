"""Train one of our architectures; the same command goes on where it was stopped.

python -m model train translation --model transformer-tiny --source TRAIN.en VAL.en --target TRAIN.de VAL.de --out RUN
python -m model train language --model small-decoder --text BOOKS... --validation BOOKS... --out RUN
"""

import argparse
import json
import shlex
import sys
from functools import partial
from pathlib import Path
from typing import Any

import torch
import transformers
from tqdm import tqdm
from transformers import AutoModel, PreTrainedModel, PreTrainedTokenizerBase

from model.corpora import read_parallel, read_text
from model.errors import HeadscopeError
from model.evaluation.language import running_text
from model.file_writing import whole_folder
from model.training.language import LanguageTask, joined_stream
from model.training.loop import PRECISIONS, Recipe, Task, train
from model.training.recipes import DECODERS, TRANSLATORS, TrainedModel
from model.training.schedule import noam_rate
from model.training.subwords import learn_subwords
from model.training.translation import TranslationTask


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `run` reads."""
    kinds = parser.add_subparsers(dest="kind", required=True)
    translation = kinds.add_parser("translation", help="from sentence pairs, one sentence a line, plain or gzip")
    translation.add_argument("--model", choices=tuple(TRANSLATORS), default="transformer-tiny")
    translation.add_argument("--source", nargs=2, required=True, metavar=("TRAIN", "VALIDATION"))
    translation.add_argument("--target", nargs=2, required=True, metavar=("TRAIN", "VALIDATION"))
    language = kinds.add_parser("language", help="from running text, plain or gzip")
    language.add_argument("--model", choices=tuple(DECODERS), default="small-decoder")
    language.add_argument("--text", nargs="+", required=True, metavar="FILE")
    language.add_argument("--validation", nargs="+", required=True, metavar="FILE")
    language.add_argument("--repeated", type=float, help="share of windows that repeat a shuffled passage")
    language.add_argument("--drill", type=int, help="batches of the second epoch that do little else")
    language.add_argument("--positions", help="another kind of position than the model's own")
    for kind in (translation, language):
        _add_common(kind)


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, required=True, help="folder of the run: checkpoint, log, weights")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--batch-tokens", type=int)
    parser.add_argument("--vocabulary", type=int)
    parser.add_argument("--warmup", type=int, help="steps until the learning rate is highest")
    parser.add_argument("--factor", type=float, help="of the learning rate")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", choices=("auto", "cuda", "cpu"), default="auto")
    parser.add_argument("--precision", choices=PRECISIONS, default="bfloat16")
    parser.add_argument("--threads", type=int, default=0, help="of the CPU (0: all)")


def run(given: argparse.Namespace) -> int:
    """Train, and return the exit code; raises HeadscopeError for what the user can mend."""
    if given.threads:
        torch.set_num_threads(given.threads)
    if given.device == "cuda" and not torch.cuda.is_available():
        raise HeadscopeError("There is no CUDA device here. Give --device cpu.")
    if given.device == "auto":
        given.device = "cuda" if torch.cuda.is_available() else "cpu"
    plan = (TRANSLATORS | DECODERS)[given.model]
    model, task = (_translation if given.kind == "translation" else _language)(given, plan)
    width = getattr(model.config, "d_model", None) or model.config.d_hidden
    rate = partial(noam_rate, d_model=width, warmup=given.warmup or plan.warmup, factor=given.factor or plan.factor)
    recipe = Recipe(
        given.epochs or plan.epochs, rate, clip=plan.clip, precision=given.precision, seed=given.seed,
        checkpoint_steps=1000,
    )  # fmt: skip
    with tqdm(total=1.0, bar_format="{l_bar}{bar}| {elapsed}<{remaining}", file=sys.stderr, disable=None) as bar:

        def progress(share: float, doing: str) -> None:
            bar.set_description(doing, refresh=False)
            bar.update(share - bar.n)

        try:
            train(model, task, recipe, given.out, progress)
        except KeyboardInterrupt:
            bar.close()
            print("\nStopped. The same command goes on from the last checkpoint.", file=sys.stderr)
            return 130
    return 0


def _translation(given: argparse.Namespace, plan: TrainedModel) -> tuple[PreTrainedModel, Task]:
    training, validation = map(read_parallel, given.source, given.target)
    lines = [sentence for pair in training for sentence in pair]
    tokenizer = learn_subwords(lines, given.vocabulary or plan.vocabulary, lowercase=True)
    model = _begun(given, plan, tokenizer)
    batch_tokens = given.batch_tokens or plan.batch_tokens
    return model, TranslationTask(tokenizer, training, validation, batch_tokens, seed=given.seed, device=given.device)


def _language(given: argparse.Namespace, plan: TrainedModel) -> tuple[PreTrainedModel, Task]:
    texts, validation = ([running_text(read_text(path)) for path in paths] for paths in (given.text, given.validation))
    lines = [line for text in texts for line in text.split("\n")]
    context = int(plan.sizes["max_position_embeddings"])
    size = given.vocabulary or plan.vocabulary
    tokenizer = learn_subwords(lines, size, running_text=True, limit=context)
    model = _begun(given, plan, tokenizer, **({"positions": given.positions} if given.positions else {}))
    task = LanguageTask(
        tokenizer, joined_stream(tokenizer, texts), "\n".join(validation), context,
        given.batch_tokens or plan.batch_tokens, given.seed, given.device,
        plan.repeated if given.repeated is None else given.repeated, plan.drill if given.drill is None else given.drill,
    )  # fmt: skip
    return model, task


def _begun(
    given: argparse.Namespace, plan: TrainedModel, tokenizer: PreTrainedTokenizerBase, **options: Any
) -> PreTrainedModel:
    """Return the model before training; its config and tokenizer are in the folder, so that any epoch can be loaded."""
    torch.manual_seed(given.seed)
    model = AutoModel.from_config(plan.config(vocab_size=len(tokenizer), **plan.sizes | options)).to(given.device)
    with whole_folder(given.out, last="config.json") as folder:
        tokenizer.save_pretrained(folder)
        model.config.save_pretrained(folder)
        (folder / "run.json").write_text(json.dumps(_about(given, plan), indent=2) + "\n", encoding="utf-8")
    if given.device == "cpu" and given.precision == "bfloat16" and model._supports_sdpa:
        # On a CPU the fused attention goes backwards more slowly in bfloat16 than the one written out.
        model.set_attn_implementation("eager")
    return model


def _about(given: argparse.Namespace, plan: TrainedModel) -> dict[str, Any]:
    """Return what a model card says of the run: files by name alone, since folders differ from machine to machine."""
    values = {
        name: value
        for name, value in vars(given).items()
        if name not in ("kind", "threads", "out") and value is not None
    }
    values |= {
        name: getattr(plan, name)
        for name in ("epochs", "batch_tokens", "vocabulary", "warmup", "factor", "repeated", "drill")
        if name not in values and hasattr(given, name)
    }
    words = ["python", "-m", "model", "train", given.kind]
    data = [Path(path).name for name in ("source", "target", "text", "validation") for path in values.get(name, ())]
    for name, value in values.items():
        listed = [Path(part).name for part in value] if isinstance(value, list) else [str(value)]
        words += [f"--{name.replace('_', '-')}", *listed]
    versions = f"torch {torch.__version__}, transformers {transformers.__version__}"
    command = shlex.join([*words, "--out", "RUN"])
    return {"command": command, "seed": given.seed, "data": data, "versions": versions}
