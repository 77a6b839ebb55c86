"""Models of the hub, with the hub's functions replaced: what is asked, what is downloaded, what is refused; no network."""

import threading
import time
from types import SimpleNamespace

import httpx2
import pytest
from huggingface_hub.errors import (
    GatedRepoError,
    HFValidationError,
    IncompleteSnapshotError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from model import devices, hub, load_model, loading
from model.errors import Cancelled, ModelNotFound, ModelTooLarge, UnsafeModel
from model.sources import needs_download
from tests.tiny_models import tiny
from tests.tiny_tokenizers import trained

NAME, COMMIT = "owner/tiny-bert", "5a1f3c"
# Of each file of a hub model here, in bytes.
SIZE = 1000


def http_error(kind):
    request = httpx2.Request("GET", "https://hub.example/api")
    return kind("refused", response=httpx2.Response(401, request=request))


class Hub:
    """Stands for the hub: answers with a local folder, tells of bytes as its client does, and notes what it was asked."""

    def __init__(
        self, folder, files=("config.json", "model.safetensors"), parameters=7, error=None, cached=None, size=SIZE
    ):
        self.folder, self.files, self.parameters, self.error, self.size = folder, files, parameters, error, size
        self.cached = cached or LocalEntryNotFoundError("not here")
        self.listed, self.downloads, self.stopped = [], [], threading.Event()

    def model_info(self, name, revision=None, timeout=None, files_metadata=False):
        assert files_metadata
        self.listed.append((name, revision))
        if self.error:
            raise self.error
        return SimpleNamespace(
            siblings=[SimpleNamespace(rfilename=file, size=self.size) for file in self.files],
            safetensors=SimpleNamespace(total=self.parameters) if self.parameters else None,
        )

    def snapshot_download(self, name, revision=None, local_files_only=False, tqdm_class=None, **patterns):
        assert patterns.pop("etag_timeout", hub.TIMEOUT_SECONDS) == hub.TIMEOUT_SECONDS
        assert patterns == hub.WANTED
        if local_files_only:
            if isinstance(self.cached, Exception):
                raise self.cached
            return str(self.cached)
        self.downloads.append((name, revision))
        try:
            self.transfer(tqdm_class)
        except Cancelled:
            self.stopped.set()
            raise
        return str(self.folder)

    def transfer(self, bar):
        arriving = bar(total=0, desc="Downloading bytes", unit="B", unit_scale=True)
        written = bar(total=0, desc="Reconstructing", unit="B", unit_scale=True)
        with bar(total=len(self.files), desc="Fetching files") as fetched:
            for _ in self.files:
                # The total grows as each file begins, so that the bars themselves are full after every file.
                arriving.total += SIZE
                written.total += SIZE
                for _ in range(4):
                    arriving.update(SIZE // 4)
                    written.update(SIZE // 4)
                    time.sleep(0.01)
                fetched.update()


@pytest.fixture
def hub_of(monkeypatch, tmp_path):
    def build(**options):
        built = Hub(tmp_path / COMMIT, **options)
        monkeypatch.setattr(hub, "POLL_SECONDS", 0.002)
        monkeypatch.setattr(hub, "HfApi", lambda: built)
        monkeypatch.setattr(hub, "snapshot_download", built.snapshot_download)
        return built

    return build


@pytest.fixture
def snapshot(tmp_path):
    tiny("bert").save_pretrained(tmp_path / COMMIT)
    trained("word piece").save_pretrained(tmp_path / COMMIT)
    return tmp_path / COMMIT


@pytest.mark.parametrize("size", [SIZE, None])
def test_a_download_tells_one_share_over_all_files_and_keeps_its_commit(hub_of, snapshot, size):
    built, told = hub_of(size=size), []
    loaded = load_model(NAME, device="cpu", revision="main", progress=lambda *step: told.append(step))
    assert (loaded.name, loaded.revision) == (NAME, COMMIT)
    assert (built.listed, built.downloads) == ([(NAME, "main")], [(NAME, "main")])
    shares = [share for share, doing in told if doing == "Downloading"]
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(0.7)
    # Two files of the same size: the first alone is half of it, although its own bars are full by then.
    assert {round(share / 0.7, 3) for share in shares} > {0.5, 1.0}
    assert ({round(share / 0.7, 3) for share in shares} <= {0.0, 0.5, 1.0}) == (size is None)
    assert told[-1][0] == 1.0


def test_a_download_tells_its_progress_in_the_thread_that_asked(hub_of, snapshot):
    hub_of()
    threads = set()
    load_model(NAME, device="cpu", progress=lambda *_: threads.add(threading.current_thread()))
    assert threads == {threading.current_thread()}


def test_a_model_that_was_downloaded_before_needs_no_network(hub_of, snapshot):
    built = hub_of(cached=snapshot, error=AssertionError("the network was used"))
    assert load_model(NAME, device="cpu").revision == COMMIT
    assert (built.listed, built.downloads) == ([], [])


def test_an_unfinished_download_is_taken_up_again(hub_of, snapshot):
    built = hub_of(cached=IncompleteSnapshotError.__new__(IncompleteSnapshotError))
    load_model(NAME, device="cpu")
    assert built.downloads == [(NAME, None)]


def test_what_would_use_the_network_is_known_beforehand(hub_of, snapshot):
    built = hub_of(error=AssertionError("the network was used"))
    assert needs_download(NAME)
    assert not needs_download("minilm")
    assert not needs_download(str(snapshot))
    assert not needs_download("/no/such/folder")
    built.cached = snapshot
    assert not needs_download(NAME)
    # Shards that are named in the index and are not there: the download was cut off.
    index = snapshot / "model.safetensors.index.json"
    index.write_text('{"weight_map": {"a": "model.safetensors", "b": "model-2.safetensors"}}')
    assert needs_download(NAME)
    index.write_text('{"weight_map": {"a": "model.safetensors"}}')
    assert not needs_download(NAME)
    index.write_text("[]")
    assert needs_download(NAME)


def test_the_number_of_parameters_is_checked_before_the_download(hub_of, snapshot, monkeypatch):
    built = hub_of(parameters=10**12)
    monkeypatch.setattr(devices, "free_memory", lambda _device: 10**10)
    with pytest.raises(ModelTooLarge, match=rf"“{NAME}” has 1000\.0 billion parameters"):
        load_model(NAME, device="cpu")
    assert built.downloads == []


def test_the_size_of_the_files_says_how_many_parameters_there_are_at_least(hub_of, snapshot, monkeypatch):
    built = hub_of(parameters=None, size=40_000)
    # 10 000 numbers of four bytes, and a fifth more for what is beside them.
    monkeypatch.setattr(devices, "free_memory", lambda _device: 47_999)
    with pytest.raises(ModelTooLarge):
        load_model(NAME, device="cpu")
    assert built.downloads == []
    monkeypatch.setattr(devices, "free_memory", lambda _device: 48_000)
    with pytest.raises(ModelTooLarge):
        load_model(NAME, device="cpu")
    assert built.downloads == [(NAME, None)]


def test_a_model_of_unknown_size_is_checked_before_its_weights_are_read(hub_of, snapshot, monkeypatch):
    built = hub_of(parameters=None, size=None)
    monkeypatch.setattr(devices, "free_memory", lambda _device: 1000)
    monkeypatch.setattr(loading, "read_weights", lambda *_: pytest.fail("the weights were read"))
    with pytest.raises(ModelTooLarge):
        load_model(NAME, device="cpu")
    assert built.downloads == [(NAME, None)]


@pytest.mark.parametrize(
    ("files", "kind", "sentence"),
    [
        (("config.json", "pytorch_model.bin"), UnsafeModel, "only as a pickle"),
        (("config.json", "pytorch_model.bin", "onnx/model.safetensors"), UnsafeModel, "only as a pickle"),
        (("README.md",), ModelNotFound, "has no safetensors weights"),
    ],
)
def test_what_cannot_be_loaded_is_not_downloaded(hub_of, files, kind, sentence):
    built = hub_of(files=files)
    with pytest.raises(kind, match=sentence):
        load_model(NAME, device="cpu")
    assert built.downloads == []


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (http_error(RepositoryNotFoundError), f"The hub knows no model “{NAME}”"),
        (HFValidationError("bad name"), f"The hub knows no model “{NAME}”"),
        (http_error(GatedRepoError), "asks for an agreement on the hub first"),
        (http_error(RevisionNotFoundError), "has no revision “v9”"),
        (ConnectionError("no route"), "The hub could not be reached"),
        (httpx2.ConnectError("no route"), "The hub could not be reached"),
        (TimeoutError(), "The hub could not be reached"),
    ],
)
def test_what_the_hub_refuses_becomes_a_sentence(hub_of, error, sentence):
    hub_of(error=error)
    with pytest.raises(ModelNotFound, match=sentence) as caught:
        load_model(NAME, device="cpu", revision="v9")
    assert str(caught.value).endswith(".")
    assert caught.value.__cause__ is error


def test_a_download_that_breaks_off_becomes_a_sentence(hub_of, monkeypatch):
    built = hub_of()

    def break_off(*_args, local_files_only=False, **_options):
        raise LocalEntryNotFoundError("not here") if local_files_only else ConnectionError("reset")

    monkeypatch.setattr(hub, "snapshot_download", break_off)
    with pytest.raises(ModelNotFound, match="The hub could not be reached"):
        load_model(NAME, device="cpu")
    assert built.listed == [(NAME, None)]


class Left(BaseException):
    """As Streamlit's own stop of a run, this is no Exception."""


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt, Left])
def test_what_progress_raises_cancels_the_download_and_comes_through(hub_of, monkeypatch, kind):
    built, aborted = hub_of(), []
    monkeypatch.setattr("huggingface_hub.utils._xet.abort_xet_session", lambda: aborted.append(True))

    def stop(share, doing):
        if doing == "Downloading" and share > 0:
            raise kind("stop")

    with pytest.raises(kind, match="stop"):
        load_model(NAME, device="cpu", progress=stop)
    # The transfer itself ends at its next bytes.
    assert built.stopped.wait(5)
    assert aborted == [True]


def test_the_files_of_every_family_are_asked_for():
    from huggingface_hub.utils import filter_repo_objects

    wanted = {
        "config.json", "generation_config.json", "model.safetensors", "model-00001-of-00002.safetensors",
        "model.safetensors.index.json", "tokenizer.json", "tokenizer.model", "vocab.txt", "merges.txt", "source.spm",
        "target.spm", "spiece.model", "chat_template.jinja",
    }  # fmt: skip
    unwanted = {
        "pytorch_model.bin", "tf_model.h5", "rust_model.ot", "consolidated.safetensors", "onnx/model.onnx",
        "onnx/config.json", "original/model.safetensors", "modeling_own.py", "README.md",
    }  # fmt: skip
    assert set(filter_repo_objects(sorted(wanted | unwanted), **hub.WANTED)) == wanted
