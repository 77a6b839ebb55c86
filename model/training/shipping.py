"""Make of a run what can be shipped: averaged weights as float16 safetensors, tokenizer, and a model card.

python -m model ship --run RUN --out model/weights/NAME --average 10 --figures FIGURES.txt
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoModel, AutoTokenizer, PreTrainedModel

from model.errors import HeadscopeError
from model.file_writing import whole_folder
from model.reading import read_config
from model.sources import ModelFiles
from model.training.run_record import read_run

_CARD = """---
license: {licence}
library_name: headscope
---

# {name}

{model}, {parameters:,} weights, trained by `python -m model train` and stored in float16.

- **Data**: {data}
- **Licence**: {licence_words}
- **Training**: {epochs} epochs, {steps} steps, {hours:.1f} hours ({hardware}). {weights} Seed {seed}.
- **Made with**: {versions}

```
{command}
```

## Figures

Of these very files, as anyone can measure them again:

```
{figures}
```
"""


def averaged_weights(paths: Sequence[Path]) -> dict[str, Tensor]:
    """Return mean_i weight_i over checkpoints, in float32 (Vaswani et al. 2017, section 6.1); raises HeadscopeError."""
    if not paths:
        raise HeadscopeError("There are no weights of an epoch in this run yet. Train for an epoch first.")
    total: dict[str, Tensor] = {}
    for path in paths:
        try:
            weights = load_file(path)
        except (SafetensorError, OSError) as error:
            raise HeadscopeError(f"“{path.name}” cannot be read. Leave it out, or train again.") from error
        if total and {name: weight.shape for name, weight in weights.items()} != {
            name: weight.shape for name, weight in total.items()
        }:
            raise HeadscopeError(f"“{path.name}” belongs to another model. Average the epochs of one run.")
        total = {name: weight.double() + total.get(name, 0.0) for name, weight in weights.items()}
    return {name: (weight / len(paths)).float() for name, weight in total.items()}


def averaged_model(run: Path, average: int) -> PreTrainedModel:
    """Return the model of a run with the mean of its last `average` epochs' weights; raises HeadscopeError."""
    if average < 1:
        raise HeadscopeError("Give a number of epochs from 1 to average over.")
    weights = averaged_weights(sorted(run.glob("epoch-*.safetensors"))[-average:])
    model = AutoModel.from_config(read_config(ModelFiles(run.name, "local folder", run)))
    missing = model.load_state_dict(weights, strict=False)
    # One name is stored of those that share a matrix, whichever it was.
    tied = {**model.all_tied_weights_keys}
    if missing.unexpected_keys or set(missing.missing_keys) - {*tied, *tied.values()}:
        raise HeadscopeError(f"The weights of “{run.name}” do not fit its config.json. Train in a folder of its own.")
    model.tie_weights()
    return model.eval()


def ship(run: Path, out: Path, *, average: int, figures: str, licence: str, licence_words: str, hardware: str) -> None:
    """Write weights, config, tokenizer and card into `out`; raises HeadscopeError where the run is not complete."""
    model = averaged_model(run, average)
    about = read_run(run)
    card = _CARD.format(
        name=out.name, model=type(model).__name__, parameters=sum(weight.numel() for weight in model.parameters()),
        data=", ".join(about.data), command=about.command, seed=about.seed, versions=about.versions, epochs=about.epochs,
        steps=about.steps, hours=about.seconds / 3600, figures=figures.strip(), licence=licence,
        weights=_weights_words(average),
        licence_words=licence_words, hardware=hardware,
    )  # fmt: skip
    with whole_folder(out, last="config.json") as folder:
        model.half().save_pretrained(folder)
        AutoTokenizer.from_pretrained(run, trust_remote_code=False, local_files_only=True).save_pretrained(folder)
        (folder / "README.md").write_text(card, encoding="utf-8")


def _weights_words(average: int) -> str:
    if average == 1:
        return "The weights are those after the last epoch."
    return f"The weights are the mean of those after the last {average} epochs (Vaswani et al. 2017, section 6.1)."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `run` reads."""
    parser.add_argument("--run", type=Path, required=True, help="folder that python -m model train wrote")
    parser.add_argument("--out", type=Path, required=True, help="folder of the shipped model")
    parser.add_argument("--average", type=int, default=10, help="epochs whose weights are averaged")
    parser.add_argument("--figures", type=Path, help="what python -m model evaluate printed of it")
    parser.add_argument("--licence", default="other", help="identifier for the card's head")
    parser.add_argument("--licence-words", default="that of the data", help="the licence in words")
    parser.add_argument("--hardware", default="one CPU core")


def run(given: argparse.Namespace) -> int:
    """Ship, and return the exit code; raises HeadscopeError for what the user can mend."""
    figures = given.figures.read_text(encoding="utf-8") if given.figures else "not measured yet"
    ship(
        given.run, given.out, average=given.average, figures=figures, licence=given.licence,
        licence_words=given.licence_words, hardware=given.hardware,
    )  # fmt: skip
    return 0
