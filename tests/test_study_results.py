"""Files of studies: they read back, and broken or foreign ones are said to be so."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from model.catalog import BUNDLED
from model.errors import HeadscopeError
from model.study.records import COLUMNS
from model.study.results import read_study, shipped_study, write_study
from model.study.running import study_corpus
from tests.tiny_studies import annotated_corpus, lines_corpus, tiny_loaded


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return study_corpus(tiny_loaded(), annotated_corpus(tmp_path_factory.mktemp("data"), 30), command="the command")


def test_a_study_reads_back(study, tmp_path):
    path = tmp_path / "heads.parquet"
    write_study(study, path)
    found = read_study(path)
    texts = ["stack", "score"]
    assert found.frame[texts].equals(study.frame[texts].astype(found.frame[texts].dtypes))
    numbers = [name for name in COLUMNS if name not in texts]
    np.testing.assert_allclose(found.frame[numbers], study.frame[numbers], rtol=1e-6, equal_nan=True)
    assert (found.model, found.revision, found.model_type) == (study.model, study.revision, study.model_type)
    assert (found.heads, found.sample, found.run) == (study.heads, study.sample, study.run)
    np.testing.assert_array_equal(found.divergence["encoder"], study.divergence["encoder"])
    assert set(found.sample_scores) == set(study.sample_scores)
    for key, values in study.sample_scores.items():
        np.testing.assert_allclose(found.sample_scores[key], values, rtol=1e-3, atol=1e-6, equal_nan=True)
    # Any tool reads the table.
    assert list(pd.read_parquet(path).columns) == list(COLUMNS)
    assert found.scores("encoder") == study.scores("encoder")


def test_names_and_texts_of_a_file_are_data_whatever_they_hold(study, tmp_path):
    hostile = "<script>alert(1)</script>\u202e“"
    write_study(dataclasses.replace(study, model=hostile, sample=(hostile, *study.sample[1:])), tmp_path / "h.parquet")
    found = read_study(tmp_path / "h.parquet")
    assert (found.model, found.sample[0]) == (hostile, hostile)


def changed(study, path, change) -> None:
    """Write a study whose metadata were changed."""
    write_study(study, path)
    file = pq.ParquetFile(path)
    plain = json.loads(file.metadata.metadata[b"headscope"])
    change(plain)
    table = file.read()
    pq.write_table(table.replace_schema_metadata({b"headscope": json.dumps(plain).encode()}), path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda plain: plain.update(format="another"), "its format is not"),
        (lambda plain: plain.pop("sample"), "sample"),
        (lambda plain: plain["heads"]["encoder"].pop(), "its heads are not those of its table"),
        (lambda plain: plain["divergence"].update(encoder="!!"), "an array in it is no array"),
        (lambda plain: plain["divergence"].update(encoder="AAAA"), "“heads.parquet” holds no study"),
        (lambda plain: plain["sample"].append("one more"), "does not have the size of its heads and texts"),
        (lambda plain: plain["sample"].__setitem__(0, 7), "a name or a text in it is none"),
        (lambda plain: plain.update(model=None), "a name or a text in it is none"),
        (lambda plain: plain.update(run=[]), "how it was made"),
        (lambda plain: plain.update(heads=[]), "“heads.parquet” holds no study"),
    ],
)
def test_a_file_that_was_changed_is_refused_in_one_sentence(study, tmp_path, change, message):
    path = tmp_path / "heads.parquet"
    changed(study, path, change)
    with pytest.raises(HeadscopeError, match=message) as raised:
        read_study(path)
    assert "\n" not in str(raised.value)
    assert str(tmp_path) not in str(raised.value)


def test_missing_foreign_and_cut_files_are_refused(study, tmp_path):
    path = tmp_path / "heads.parquet"
    with pytest.raises(HeadscopeError, match="There is no file"):
        read_study(path)
    path.write_bytes(b"PAR1 no parquet")
    with pytest.raises(HeadscopeError, match="holds no study of heads"):
        read_study(path)
    pq.write_table(pa.table({"x": [1]}), path)
    with pytest.raises(HeadscopeError, match="its format is not"):
        read_study(path)
    write_study(study, path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(HeadscopeError, match="holds no study of heads"):
        read_study(path)


def test_a_table_with_a_row_twice_is_refused(study, tmp_path):
    path = tmp_path / "heads.parquet"
    write_study(dataclasses.replace(study, frame=pd.concat([study.frame, study.frame.iloc[:1]])), path)
    with pytest.raises(HeadscopeError, match="not one for each stack, layer, head and score"):
        read_study(path)


def test_a_study_that_cannot_be_written_is_said(study, tmp_path):
    with pytest.raises(HeadscopeError, match="could not be written"):
        write_study(study, tmp_path / "none" / "heads.parquet")


def test_only_bundled_models_have_shipped_studies(tmp_path):
    assert shipped_study("../../../etc/passwd") is None
    assert shipped_study("gpt2") is None


@pytest.mark.parametrize("name", ["minilm", "small-decoder"])
def test_shipped_studies_are_complete_and_small(name):
    from model.study.results import _SHIPPED

    assert name in BUNDLED
    study = shipped_study(name)
    assert study is not None
    assert (study.model, len(study.sample) <= 60) == (name, True)
    assert (_SHIPPED / f"{name}.parquet").stat().st_size < 2**20
    assert study.run["texts"] >= 2000
    stack = study.stacks[0]
    assert {"entropy", "positional", "rarest token", "induction", "nsubj: dependant to head"} <= set(
        study.scores(stack)
    )
    shares = study.frame[study.frame["score"].isin(["previous token", "sink", "punctuation", "positional"])]
    assert shares["value"].between(0, 1).all()
    assert ((shares["low"] <= shares["value"]) & (shares["value"] <= shares["high"])).all()
    divergence = study.divergence[stack]
    assert divergence.shape == (len(study.heads[stack]),) * 2
    np.testing.assert_allclose(divergence, divergence.T, atol=1e-6)
    assert not np.diag(divergence).any()


def test_a_limit_reads_the_first_texts_alone(tmp_path):
    study = study_corpus(tiny_loaded(), lines_corpus(tmp_path), limit=2)
    assert (study.run["texts"], len(study.sample)) == (2, 2)
