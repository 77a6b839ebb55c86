"""Studies of heads for the Heads page: shipped, opened, or made of one text. Imports torch: import this late."""

import hashlib
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from app import cache, engine
from app.engine import Run
from app.selection import Selection
from model.analysis.head_groups import head_clusters, head_map
from model.analysis.role_labels import RoleLabel, role_labels
from model.effects.batches import model_task
from model.effects.head_effects import measured
from model.effects.measures import measure_of
from model.effects.predictions import Prediction, predictions
from model.errors import HeadscopeError
from model.interventions import parse_interventions
from model.loading import LoadedModel
from model.recording import record
from model.study.records import HeadStudy
from model.study.results import read_study, shipped_study
from model.study.single import study_of_trace
from model.trace import Trace


@dataclass(frozen=True, eq=False)
class KeptStudy:
    """A study with the roles that follow from it, and where it is from: "shipped", "opened" or "this text"."""

    study: HeadStudy
    labels: tuple[RoleLabel, ...]
    source: str

    @property
    def nbytes(self) -> int:
        """Memory of the study, in bytes, nearly."""
        return int(self.study.frame.memory_usage(deep=True).sum()) + 2_000_000


def kept(study: HeadStudy, source: str) -> KeptStudy:
    """Return a study with its roles."""
    return KeptStudy(study, tuple(role_labels(study.frame)), source)


def shipped(loaded: LoadedModel) -> KeptStudy | None:
    """Return the study that comes with a bundled model, None where there is none."""
    found = cache.pictures().get(("shipped study", loaded.name))
    if found is None:
        study = shipped_study(loaded.name)
        if study is None:
            return None
        found = kept(study, "shipped")
        cache.pictures().put(("shipped study", loaded.name), found)
    return found


def of_text(run: Run, progress: Callable[[float], None]) -> KeptStudy:
    """Return the scores of one text's heads as a study."""
    return cache.pictures().get_or_make(
        (run.key, "study"), lambda: kept(study_of_trace(run.trace, progress=progress), "this text")
    )


def opened(data: bytes, loaded: LoadedModel) -> KeptStudy:
    """Return the study that a file holds; raises HeadscopeError where it is none or of another model."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "study.parquet"
        path.write_bytes(data)
        study = read_study(path)
    if study.model != loaded.name:
        raise HeadscopeError(f"This study is of “{study.model}”. Choose that model in the sidebar, then open it again.")
    return kept(study, "opened")


@dataclass(frozen=True, eq=False)
class HeadMap:
    """Heads as points in a plane, float [head, 2], and the number of the group of each."""

    points: np.ndarray
    groups: np.ndarray

    @property
    def nbytes(self) -> int:
        """Memory of the arrays, in bytes."""
        return self.points.nbytes + self.groups.nbytes


def head_map_of(found: KeptStudy, stack: str, groups: int) -> HeadMap:
    """Return the map of the heads of a stack; with `groups` 0 there are as many groups as fit."""
    divergence = found.study.divergence[stack]
    key = (hashlib.sha256(divergence.tobytes()).hexdigest(), groups)
    return cache.pictures().get_or_make(
        key, lambda: HeadMap(head_map(divergence), head_clusters(divergence, groups or None))
    )


def sentence(selection: Selection, text: str, loaded: LoadedModel, progress: Callable[[float], None]) -> Run:
    """Return the run of one text alone."""
    return engine.sentence_run(selection, text, loaded, progress)


def plain_run(selection: Selection, loaded: LoadedModel, progress: Callable[[float], None]) -> Run:
    """Return the run of the text as the model is; what an encoder-decoder writes there stands as its target from then on."""
    found = sentence(selection, selection.text, loaded, progress)
    if not loaded.is_encoder_decoder or selection.target.strip():
        return found
    return sentence(replace(selection, target=written(loaded, found.trace)), selection.text, loaded, progress)


def edited_run(
    selection: Selection, loaded: LoadedModel, plain: Trace | None, progress: Callable[[float], None]
) -> Run:
    """Return the run of the text with the selection's interventions, over the tokens of the plain one."""
    target = selection.target.strip() or (written(loaded, plain) if plain and loaded.is_encoder_decoder else None)
    key = (*engine.model_key(selection), selection.text, target, "edits", selection.edits)

    def make() -> Run:
        interventions = parse_interventions(selection.edits)
        trace = record(loaded, selection.text, target=target, interventions=interventions, progress=progress)
        return Run(key, trace)

    return cache.runs().get_or_make(key, make)


def written(loaded: LoadedModel, trace: Trace) -> str:
    """Return the text of the decoder's tokens of an encoder-decoder's trace."""
    ids = [token.id for token in trace.tokens["decoder"] if not token.special]
    return loaded.tokenizer.decode(ids, skip_special_tokens=True).strip()


def written_with(selection: Selection, loaded: LoadedModel, progress: Callable[[float], None]) -> str:
    """Return what an encoder-decoder writes by itself with the selection's interventions."""
    return written(loaded, edited_run(replace(selection, target=""), loaded, None, progress).trace)


def embedding_moved(selection: Selection, loaded: LoadedModel) -> float | None:
    """Return 1 - cosine of the text's embedding with and without the interventions; None for a model that predicts tokens."""
    if model_task(loaded) != "encoder":
        return None
    measure = measure_of(loaded, [selection.text])
    return measured(loaded, measure, [parse_interventions(selection.edits)])[0]


def predicted(selection: Selection, loaded: LoadedModel) -> list[tuple[Prediction, Prediction]]:
    """Return what a language model expects, as it is and with the interventions; nothing where it predicts no token here."""
    try:
        both = [
            predictions(loaded, selection.text, interventions)
            for interventions in ((), parse_interventions(selection.edits))
        ]
    except HeadscopeError:
        return []
    return list(zip(*both, strict=True))
