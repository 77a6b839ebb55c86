"""The commands of `python -m model`, one module each: its docstring is the help, `add_arguments` and `run` the command."""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from model.errors import HeadscopeError

# Name -> what it does. A module is imported only when its command is asked for: torch and transformers take seconds.
COMMANDS = {
    "coreference": "which heads link a pronoun to its antecedent, on Winogender, WinoBias or GAP",
    "evaluate": "BLEU of a translation model, bits per character or loss by position of a language model, on your files",
    "fidelity": "how well attention, rollout, flow, norms, value zeroing and gradients agree with blank-out, on your texts",
    "ship": "averaged weights of a training run as a model to load, with its card",
    "study": "what every head of a model does over thousands of sentences: positions, tokens, dependency relations",
    "train": "one of our own architectures: a translation model or a small decoder",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that `arguments` (without them, the program's) name, and return its exit code.

    0: done; 2: something the user can mend, said in one sentence on standard error; 130: stopped with Ctrl-C.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    name = arguments[0] if arguments and arguments[0] in COMMANDS else ""
    parser = argparse.ArgumentParser(
        prog=f"python -m model {name}".strip(), formatter_class=argparse.RawDescriptionHelpFormatter
    )
    if not name:
        parser.description = "Headscope without the app."
        listed = "\n".join(f"  {command:<14}{does}" for command, does in COMMANDS.items())
        parser.epilog = f"commands:\n{listed}\n\npython -m model COMMAND --help says more."
        parser.add_argument("command", choices=tuple(COMMANDS), metavar="COMMAND")
        parser.parse_args(arguments)
    module = import_module(f"model.commands.{name}")
    parser.description = module.__doc__
    module.add_arguments(parser)
    given = parser.parse_args(arguments[1:])
    try:
        return module.run(given)
    except HeadscopeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        named = f" “{Path(error.filename).name}”" if isinstance(error.filename, str) else ""
        reason = error.strerror or type(error).__name__
        print(
            f"error: A file{named} could not be read or written ({reason}). Check the path and the room.",
            file=sys.stderr,
        )
        return 2
