"""Studies, results, checkpoints and texts that were cut, changed or made up: read, begun anew, or refused with a sentence."""

import base64
import gzip
import io
import json
import zlib

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

import tests.fuzz_profile  # noqa: F401 - how long the search is
from model import corpora
from model.analysis.role_labels import role_labels
from model.conllu import ParsedSentence, parse_conllu, read_conllu
from model.coreference_results import read_results, write_json
from model.coreference_sets import SETS, read_set
from model.errors import HeadscopeError
from model.length_results import LengthCurve, LengthResults, SpanLoss, read_length_results, write_length_results
from model.partial_scores import KeptScores, PartialScores
from model.relevance.corpus import FidelityResults, FidelityRow, read_json
from model.relevance.corpus import write_json as write_fidelity
from model.study import results
from model.study.checkpoint import Checkpoint
from model.study.corpus import read_corpus
from model.study.records import COLUMNS
from model.study.results import read_study, write_study
from model.study.running import local_chunks, study_corpus
from model.training.checkpoint import Progressed, load_checkpoint, save_checkpoint
from model.training.run_record import read_run
from tests.hostile_files import DEEP, HOSTILE_VALUES, bounded_memory, changed_json, mutated, quiet, read_or_refused  # noqa: F401
from tests.test_coreference_benchmark import complete
from tests.tiny_studies import ANNOTATED, annotated_corpus, lines_corpus, tiny_loaded

pytestmark = pytest.mark.usefixtures("quiet")


@pytest.fixture(scope="module")
def study_file(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    write_study(study_corpus(tiny_loaded(), annotated_corpus(folder, 15), command="c"), folder / "heads.parquet")
    return folder / "heads.parquet"


def looked_at(path) -> None:
    study = read_or_refused(lambda: read_study(path))
    if isinstance(study, HeadscopeError):
        return
    for stack in study.stacks:
        for score in study.scores(stack):
            assert study.grid(stack, score).shape[0] == len(study.layers(stack))
    read_or_refused(lambda: role_labels(study.frame))
    assert isinstance(study.run["versions"], dict)


@given(data=st.data())
def test_a_study_whose_bytes_were_changed(data, study_file, tmp_path):
    path = tmp_path / "s.parquet"
    path.write_bytes(data.draw(mutated(study_file.read_bytes())))
    looked_at(path)


def rewritten(study_file, path, plain=None, frame=None, **options) -> None:
    file = pq.ParquetFile(study_file)
    plain = json.loads(file.metadata.metadata[b"headscope"]) if plain is None else plain
    table = file.read() if frame is None else pa.Table.from_pandas(frame, preserve_index=False)
    pq.write_table(table.replace_schema_metadata({b"headscope": json.dumps(plain).encode()}), path, **options)


@given(data=st.data())
def test_a_study_whose_metadata_were_changed(data, study_file, tmp_path):
    plain = json.loads(pq.ParquetFile(study_file).metadata.metadata[b"headscope"])
    rewritten(study_file, tmp_path / "s.parquet", data.draw(changed_json(plain)))
    looked_at(tmp_path / "s.parquet")


@given(data=st.data())
def test_a_study_whose_columns_were_changed(data, study_file, tmp_path):
    frame = pq.ParquetFile(study_file).read().to_pandas()
    for name in data.draw(st.lists(st.sampled_from(COLUMNS), min_size=1, max_size=3)):
        match data.draw(st.sampled_from(["value", "all", "missing", "type", "shuffled"])):
            case "missing" if name in frame:
                frame = frame.drop(columns=name)
            case "type" if name in frame:
                kind = data.draw(st.sampled_from(["str", "bytes", "bool", "float64", "datetime64[ns]", "category"]))
                values = frame[name].astype("str")
                frame[name] = values.str.encode("utf-8") if kind == "bytes" else _cast(frame[name], kind)
            case "shuffled" if name in frame:
                frame[name] = frame[name].sample(frac=1, random_state=0).to_numpy()
            case _ if name in frame:
                value = data.draw(
                    st.sampled_from([-1, 2**31, 2**53, 1e308, float("nan"), float("inf"), "<b>", "", "\0"])
                )
                values = frame[name].astype(object)
                values.iloc[:: 1 if data.draw(st.booleans()) else 7] = value
                same = {type(entry) for entry in values}
                frame[name] = values if len(same) == 1 else values.astype(str)
    if data.draw(st.booleans()):
        frame = pd.concat([frame, frame.head(data.draw(st.integers(0, 3)))])
    try:
        rewritten(study_file, tmp_path / "s.parquet", frame=frame)
    except (pa.ArrowException, ValueError, TypeError):
        return
    looked_at(tmp_path / "s.parquet")


def _cast(values, kind):
    try:
        return values.astype(kind)
    except (ValueError, TypeError):
        return values.astype(str)


def test_bombs_in_a_study_take_little_memory(study_file, tmp_path, monkeypatch):
    path = tmp_path / "s.parquet"
    plain = json.loads(pq.ParquetFile(study_file).metadata.metadata[b"headscope"])
    stack = plain["sample_scores"][0][0]
    heads = len(plain["heads"][stack])
    zeros = base64.b64encode(zlib.compress(bytes(200_000 * 2 * heads), 9)).decode()
    many = plain | {"sample": [""] * 200_000, "sample_scores": [[stack, str(number), zeros] for number in range(200)]}
    beyond = plain | {"divergence": {stack: base64.b64encode(zlib.compress(bytes(30_000_000), 9)).decode()}}
    wide = plain | {"run": {"versions": {}, "texts": [[]] * 5_000_001, "tokens": 1, "seconds": 1}}
    for changed in (many, beyond, wide):
        rewritten(study_file, path, changed)
        with bounded_memory(400), pytest.raises(HeadscopeError, match="holds no study of heads"):
            read_study(path)
    table = pq.ParquetFile(study_file).read().slice(0, 1)
    monkeypatch.setattr(results, "_MOST_ROWS", 50_000)
    rows = table.take(pa.array(np.zeros(100_000, np.int32)))
    pq.write_table(rows.replace_schema_metadata({b"headscope": json.dumps(plain).encode()}), path)
    with bounded_memory(50), pytest.raises(HeadscopeError, match="its table is larger than any of a study"):
        read_study(path)
    # One name of ten megabytes in each of ten thousand rows: a hundred gigabytes, unless it is kept once.
    table = table.take(pa.array(np.zeros(10_000, np.int32)))
    score = pa.DictionaryArray.from_arrays(pa.array(np.zeros(10_000, np.int32)), pa.array(["x" * 10_000_000]))
    table = table.set_column(table.schema.get_field_index("score"), "score", score)
    table = table.replace_schema_metadata({b"headscope": json.dumps(plain).encode()})
    pq.write_table(table, path, compression="zstd", store_schema=False)
    assert path.stat().st_size < 1_000_000
    with bounded_memory(300), pytest.raises(HeadscopeError):
        read_study(path)


def test_a_head_beyond_measure_makes_no_grid(study_file, tmp_path):
    frame = pq.ParquetFile(study_file).read().to_pandas()
    plain = json.loads(pq.ParquetFile(study_file).metadata.metadata[b"headscope"])
    stack, far = frame["stack"].iloc[0], 2**31 - 1
    frame.loc[frame["head"] == 0, "head"] = far
    plain["heads"][stack] = [[layer, far if head == 0 else head] for layer, head in plain["heads"][stack]]
    rewritten(study_file, tmp_path / "s.parquet", plain, frame)
    with pytest.raises(HeadscopeError, match="its rows are not one for each"):
        read_study(tmp_path / "s.parquet")


def length_results() -> LengthResults:
    spans = (SpanLoss(1, 2, 3.0, 0.1), SpanLoss(3, 4, 2.0, 0.1))
    return LengthResults(
        4, 8, 10, ("a.txt",), 99, 50, "c", "cpu", {"torch": "2"}, {"rotary": LengthCurve(spans, spans, 10)}
    )


def fidelity_results() -> FidelityResults:
    rows = (FidelityRow("attention", 3, 0.5, 0.1, 0.9, 0.2, 0), FidelityRow("rollout", 3, 0.5, 0.1, 0.9, 0.2))
    return FidelityResults("m", "r", "o", "b", 3, 0, "c", {"torch": "2"}, {"flow": "why"}, rows)


RECORDS = {
    "coreference": (complete, write_json, read_results),
    "length": (length_results, write_length_results, read_length_results),
    "fidelity": (fidelity_results, write_fidelity, read_json),
}


@pytest.mark.parametrize("kind", RECORDS)
@given(data=st.data())
def test_results_in_json_that_were_changed(kind, data, tmp_path):
    make, write, read = RECORDS[kind]
    path = tmp_path / "results.json"
    write(make(), path)
    whole = path.read_bytes()
    if data.draw(st.booleans()):
        path.write_bytes(data.draw(mutated(whole)))
    else:
        path.write_text(json.dumps(data.draw(changed_json(json.loads(whole)))))
    found = read_or_refused(lambda: read(path))
    if not isinstance(found, HeadscopeError) and hasattr(found, "frame"):
        assert len(found.frame())
    if kind == "fidelity" and not isinstance(found, HeadscopeError):
        assert found.table()


@pytest.mark.parametrize("kind", RECORDS)
def test_results_that_are_deep_wide_or_beyond_measure(kind, tmp_path):
    path = tmp_path / "results.json"
    for content in (
        DEEP,
        "[" + "[]," * 8_000_000 + "[]]",
        '{"format": ' + "9" * 5000 + "}",
        "\ufeff{}",
        "",
        "null",
        "[]",
        '{"a": 1e999}',
    ):
        path.write_text(content, encoding="utf-8")
        with bounded_memory(200), pytest.raises(HeadscopeError, match="that this version can read"):
            RECORDS[kind][2](path)
    for strange in (tmp_path, tmp_path / ("x" * 300), tmp_path / "a\0b"):
        assert isinstance(read_or_refused(lambda strange=strange: RECORDS[kind][2](strange)), HeadscopeError)


FINGERPRINT = "0123456789abcdef"


@given(data=st.data())
def test_a_checkpoint_of_a_study_that_was_changed_is_begun_anew_or_whole(data, tmp_path, study_moments):
    whole = Checkpoint(tmp_path / "s.parquet", FINGERPRINT, restart=True)
    whole.add(0, study_moments, 1.5)
    content = whole.path.read_bytes()
    whole.path.write_bytes(data.draw(mutated(content)))
    again = Checkpoint(tmp_path / "s.parquet", FINGERPRINT)
    assert again.chunks == 0 or again.moments.to_bytes() == study_moments.to_bytes()
    again.add(again.chunks, study_moments, 1.0)


@pytest.fixture(scope="module")
def study_moments(tmp_path_factory):
    kept = []
    study_corpus(tiny_loaded(), lines_corpus(tmp_path_factory.mktemp("lines")), run_chunks=_keeping(kept), result=None)
    return kept[0]


def _keeping(kept):
    from model.study.chunks import tokens_together
    from model.study.encoding import TextEncoder
    from model.study.measuring import Measurer

    def run(chunks, scored_with):
        loaded = tiny_loaded()
        for done in local_chunks(Measurer(loaded, scored_with), TextEncoder(loaded), tokens_together(loaded))(
            chunks, scored_with
        ):
            kept.append(done[1])
            yield done

    return run


@given(data=st.data())
def test_kept_scores_that_were_changed_are_dropped_or_those_that_were_written(data, tmp_path):
    scores = {number: np.random.default_rng(number).random((2, 3, 4), dtype=np.float32) for number in range(4)}
    with PartialScores(tmp_path / "r.json", FINGERPRINT, restart=True) as kept:
        for number, values in scores.items():
            kept.keep(number, KeptScores((0, 1), values, 0.5))
    kept.path.write_bytes(data.draw(mutated(kept.path.read_bytes())))
    with PartialScores(tmp_path / "r.json", FINGERPRINT) as again:
        for found in again.kept.values():
            assert any(np.array_equal(found.scores, values) for values in scores.values())


@given(data=st.data())
def test_a_training_checkpoint_that_was_changed(data, tmp_path):
    torch.manual_seed(0)
    net = torch.nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.1)
    net(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    path = tmp_path / "checkpoint.safetensors"
    save_checkpoint(path, net, optimizer, Progressed(1, 2, 3, 4.0))
    before = {name: weight.clone() for name, weight in net.state_dict().items()}
    if data.draw(st.booleans()):
        path.write_bytes(data.draw(mutated(path.read_bytes())))
    else:
        tensors = load_file(path)
        name = data.draw(st.sampled_from(sorted(tensors)))
        shape, kind = (
            data.draw(st.sampled_from([(1,), (), (2, 3), (0,), (5056,), (3, 2)])),
            data.draw(st.sampled_from([torch.float32, torch.uint8, torch.int64])),
        )
        tensors[name] = torch.zeros(shape, dtype=kind)
        progressed = data.draw(changed_json({"epoch": 1, "batches": 2, "step": 3, "seconds": 4.0}))
        save_file(tensors, path, metadata={"format": "headscope training 1", "progressed": json.dumps(progressed)})
    found = read_or_refused(lambda: load_checkpoint(path, net, optimizer))
    if isinstance(found, HeadscopeError):
        assert all(torch.equal(weight, before[name]) for name, weight in net.state_dict().items())
    else:
        assert [type(value) for value in vars(found).values()] == [int, int, int, float]
        net(torch.ones(1, 3)).sum().backward()
        read_or_refused(optimizer.step)


@given(data=st.data())
def test_what_a_run_says_of_itself_that_was_changed(data, tmp_path):
    about = {"command": "python -m model train --batch-tokens 7", "seed": 1, "data": ["a"], "versions": "v"}
    log = {"epoch": 1, "step": 2, "seconds": 3.0}
    about, log = data.draw(st.sampled_from([(changed_json(about), st.just(log)), (st.just(about), changed_json(log))]))
    (tmp_path / "run.json").write_text(json.dumps(data.draw(about)))
    (tmp_path / "log.jsonl").write_text(
        json.dumps(data.draw(log)) + "\n" + data.draw(st.sampled_from(["", '{"epo', "[]\n", DEEP]))
    )
    read_or_refused(lambda: read_run(tmp_path))


LINES = st.one_of(
    st.text(max_size=40),
    st.lists(
        st.one_of(
            st.text(max_size=6),
            st.sampled_from([
                "1", "2", "0", "-1", "1-2", "2-1", "1.1", "_", "", "9" * 5000, "٣", "1-99999999", "SpaceAfter=No", "=|=|",
                "a=b|c",
            ]),
        ),
        min_size=9, max_size=11,
    ).map("\t".join),
    st.sampled_from(["# text = ", "# text", "#", "# newpar", "# sent_id = \u2028", "", "\r", *ANNOTATED.split("\n")]),
)  # fmt: skip


@given(st.lists(LINES, max_size=12), st.sampled_from(["\n", "\r\n", "\u2028"]))
def test_any_lines_are_sentences_of_words_or_are_refused(lines, end):
    found = read_or_refused(lambda: parse_conllu(end.join(lines) + end))
    for sentence in () if isinstance(found, HeadscopeError) else found:
        assert isinstance(sentence, ParsedSentence)
        for word in sentence.words:
            assert 0 <= word.span[0] <= word.span[1] <= len(sentence.text)
            assert word.head is None or 0 <= word.head < len(sentence.words)


@given(data=st.data())
@pytest.mark.parametrize("packed", [False, True])
def test_annotated_files_that_were_changed(packed, data, tmp_path):
    content = gzip.compress(ANNOTATED.encode(), mtime=0) if packed else ANNOTATED.encode()
    path = tmp_path / ("a.conllu.gz" if packed else "a.conllu")
    path.write_bytes(data.draw(mutated(content)))
    read_or_refused(lambda: read_conllu(path))
    read_or_refused(lambda: list(read_corpus([tmp_path]).texts()))


SET_LINES = [
    b"ID\tText\tPronoun\tPronoun-offset\tA\tA-offset\tA-coref\tB\tB-offset\tB-coref\tURL\n"
    b"t-1\tZoe told Ann that she left.\tshe\t18\tZoe\t0\tTRUE\tAnn\t9\tFALSE\tu\n",
    b"1 [The developer] argued with the designer because [she] did not like it.\n",
    b"sentid\tsentence\ntechnician.customer.1.male.txt\tThe technician told the customer that he could pay.\n",
]


@given(content=st.one_of(st.binary(max_size=200), *map(mutated, SET_LINES)))
@pytest.mark.parametrize("name", SETS)
def test_any_bytes_as_a_coreference_set(name, content, tmp_path):
    path = tmp_path / f"{name}.tsv"
    path.write_bytes(content)
    read_or_refused(lambda: read_set(name, [path]))
    read_or_refused(lambda: read_set(name, [tmp_path]))


def test_a_gzip_bomb_and_a_file_without_end_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(corpora, "LARGEST_TEXT", 20_000_000)
    stream = io.BytesIO()
    with gzip.GzipFile(fileobj=stream, mode="wb") as file:
        for _ in range(60):
            file.write(bytes(1_000_000))
    path = tmp_path / "bomb.txt.gz"
    # Twice packed data, one after the other, unpack into one text too.
    path.write_bytes(stream.getvalue() * 2)
    with bounded_memory(100), pytest.raises(HeadscopeError, match="holds more than 0"):
        corpora.read_text(path)
    with bounded_memory(100), pytest.raises(HeadscopeError, match="cannot be read as UTF-8"):
        corpora.read_text("/dev/zero")
    for strange in ("x" * 300, "a\0b", "~nobody-of-this-name/x", str(tmp_path)):
        with pytest.raises(HeadscopeError):
            corpora.read_text(strange)
        assert isinstance(read_or_refused(lambda strange=strange: read_set("gap", [strange])), HeadscopeError)
        with pytest.raises(HeadscopeError):
            list(read_corpus([f"{strange}.txt"]).texts())


@given(value=HOSTILE_VALUES)
def test_a_study_of_which_the_run_is_anything(study_file, tmp_path, value):
    plain = json.loads(pq.ParquetFile(study_file).metadata.metadata[b"headscope"])
    path = tmp_path / "s.parquet"
    rewritten(study_file, path, plain | {"run": value})
    looked_at(path)
