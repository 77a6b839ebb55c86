"""`python -m model study`: what it says, and what it refuses."""

import pytest

from model.commands import main
from model.commands.study_table import table
from model.study.results import read_study
from model.study.running import study_corpus
from tests.tiny_studies import annotated_corpus, tiny_loaded


def test_a_study_of_the_bundled_encoder_is_written_and_shown(tmp_path, capsys):
    annotated_corpus(tmp_path, 30)
    out = tmp_path / "heads.parquet"
    words = ["study", "--model", "minilm", "--data", str(tmp_path / "parsed.conllu"), "--limit", "8", "--device", "cpu"]
    assert main([*words, "--out", str(out)]) == 0
    said = capsys.readouterr().out
    study = read_study(out)
    assert study.run["command"] == (
        "python -m model study --model minilm --data parsed.conllu --limit 8 --out heads.parquet"
    )
    assert "minilm" in said
    assert "8 texts" in said
    assert "L0 H2    1.000" in said
    assert list(tmp_path.glob("*.partial")) == []


def test_the_table_shows_heads_with_interval_and_baseline_and_labels(tmp_path):
    shown = table(study_corpus(tiny_loaded(), annotated_corpus(tmp_path, 30)))
    assert "encoder: 12 heads" in shown
    assert "det: dependant to head (share of words; n=90)" in shown
    assert "baseline 1.000" in shown
    assert "Labels (" in shown
    assert "offset +3" not in shown.split("Labels (")[0]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--limit", "0"], "--limit is at least 1"),
        (["--out", "heads.json"], "Parquet file"),
        (["--data", "nowhere.txt"], "no file or folder “nowhere.txt”"),
        (["--window", "3"], "at least 8 tokens"),
    ],
)
def test_what_a_user_can_mend_is_one_sentence(tmp_path, capsys, words, message):
    annotated_corpus(tmp_path, 1)
    given = {"--data": str(tmp_path), "--out": str(tmp_path / "h.parquet")} | dict(
        zip(words[::2], words[1::2], strict=True)
    )
    assert main(["study", *(word for pair in given.items() for word in pair)]) == 2
    assert message in capsys.readouterr().err
