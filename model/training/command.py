"""python -m model train: trains one of our architectures; interrupted, the same command goes on."""

import argparse
import sys
from functools import partial
from pathlib import Path

import torch

from model.architectures import Transformer, TransformerConfig
from model.errors import HeadscopeError
from model.training.corpora import read_parallel
from model.training.loop import PRECISIONS, Recipe, train
from model.training.schedule import noam_rate
from model.training.subwords import learn_subwords
from model.training.translation import TranslationTask


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `run` reads."""
    parser.add_argument("--source", nargs=2, required=True, metavar=("TRAIN", "VALIDATION"), help="files to translate from")
    parser.add_argument("--target", nargs=2, required=True, metavar=("TRAIN", "VALIDATION"), help="files to translate to")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument("--vocabulary", type=int, default=4000)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--batch-tokens", type=int, default=4096)
    parser.add_argument("--warmup", type=int, default=2000)
    parser.add_argument("--factor", type=float, default=1.75)
    parser.add_argument("--dropout", type=float, default=0.3)
    parser.add_argument("--precision", choices=PRECISIONS, default="float32")
    parser.add_argument("--attention", choices=("sdpa", "eager"), default="sdpa")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")


def run(arguments: argparse.Namespace) -> int:
    """Train, and return the exit status."""
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    training, validation = map(read_parallel, arguments.source, arguments.target)
    lines = [sentence for pair in training for sentence in pair]
    tokenizer = learn_subwords(lines, arguments.vocabulary, lowercase=True)
    tokenizer.save_pretrained(arguments.out)
    torch.manual_seed(arguments.seed)
    config = TransformerConfig(
        vocab_size=len(tokenizer), d_model=128, d_ff=256, heads=4, encoder_layers=4, decoder_layers=4,
        dropout=arguments.dropout,
    )  # fmt: skip
    model = Transformer(config).to(arguments.device)
    model.set_attn_implementation(arguments.attention)
    model.config.save_pretrained(arguments.out)
    task = TranslationTask(
        tokenizer, training, validation, arguments.batch_tokens, seed=arguments.seed, device=arguments.device
    )
    rate = partial(noam_rate, d_model=config.d_model, warmup=arguments.warmup, factor=arguments.factor)
    recipe = Recipe(arguments.epochs, rate, precision=arguments.precision, seed=arguments.seed)
    train(model, task, recipe, arguments.out, lambda share, doing: print(f"{share:.1%} {doing}", flush=True))
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser)
    try:
        sys.exit(run(parser.parse_args()))
    except HeadscopeError as error:
        sys.exit(str(error))
