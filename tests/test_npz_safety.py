"""NPZ files that are broken, pickled or made up to fill the memory: refused with a sentence, before they are unpacked."""

import io
import pickle
import zipfile

import numpy as np
import pytest

from model.errors import ImportedDataError
from model.importing import read_npz
from tests.test_importing import TOKENS, maps
from tests.test_npz_file import npz


def header(shape, kind="<f4") -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": kind, "fortran_order": False, "shape": shape})
    return stream.getvalue()


def archive(method: int = zipfile.ZIP_DEFLATED, **members: bytes) -> io.BytesIO:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as file:
        for name, content in members.items():
            file.writestr(f"{name}.npy", content)
    stream.seek(0)
    return stream


def pickled(tmp_path) -> bytes:
    """Return an array whose pickled object writes a file as soon as it is read."""

    class Marker:
        def __reduce__(self):
            return open, (str(tmp_path / "was run"), "w")

    stream = io.BytesIO(header((1,), "|O"))
    stream.seek(0, 2)
    pickle.dump(np.array([Marker()], dtype=object), stream)
    return stream.getvalue()


def test_nothing_is_unpickled(tmp_path):
    content = pickled(tmp_path)
    for name in ("weights", "tokens", "layer_0", "provenance"):
        with pytest.raises(
            ImportedDataError, match=f"“{name}” holds pickled Python objects, which Headscope never reads"
        ):
            read_npz(archive(**{"tokens": header((0,), "<U1"), name: content}))
    # An entry that nobody asks for is never opened.
    good = {"weights": maps(1, 1, 4, 4), "tokens": np.array(TOKENS)}
    with zipfile.ZipFile(stream := npz(**good), "a") as file:
        file.writestr("other.npy", content)
    stream.seek(0)
    assert read_npz(stream).key_tokens(0) == tuple(TOKENS)
    assert list(tmp_path.iterdir()) == []


def test_a_zip_bomb_is_refused_before_it_is_unpacked(monkeypatch):
    tokens = np.array(["a"] * 1000)
    stream = npz(weights=np.zeros((100, 1, 500, 500), dtype=np.float32), tokens=tokens)
    assert len(stream.getvalue()) < 200_000
    monkeypatch.setattr(np.lib.format, "read_array", lambda *_, **__: pytest.fail("an array was unpacked"))
    with pytest.raises(ImportedDataError, match=r"take 0\.1 GB and the limit is 0\.05 GB"):
        read_npz(stream, limit=50_000_000)


@pytest.mark.parametrize("shape", [(10**6, 10**6, 10**6), (2**62, 4), (10**18,)])
def test_a_header_that_declares_more_than_there_is(shape):
    with pytest.raises(ImportedDataError, match="declares"):
        read_npz(archive(weights=header(shape) + bytes(64)))


def test_the_limit_is_that_of_all_arrays_together():
    weights = maps(2, 2, 4, 4)
    layers = {"layer_0": weights[0], "layer_1": weights[1], "tokens": np.array(TOKENS)}
    size = sum(array.nbytes for array in layers.values())
    assert read_npz(npz(**layers), limit=size).stacks == ("encoder",)
    with pytest.raises(ImportedDataError, match="the limit is"):
        read_npz(npz(**layers), limit=size - 1)


WHOLE = npz(weights=maps(1, 2, 4, 4), tokens=np.array(TOKENS)).getvalue()
BROKEN = {
    "empty": b"",
    "text": b"The animal did not cross the street.",
    "truncated": WHOLE[: len(WHOLE) // 2],
    "without its end": WHOLE[:-30],
    "changed": WHOLE[:150] + bytes([WHOLE[150] ^ 0xFF]) + WHOLE[151:],
    "an array alone": header((4,)) + bytes(16),
    "no array inside": archive(weights=b"no array").getvalue(),
    "half a header": archive(weights=header((4,))[:20]).getvalue(),
    "a header that is code": archive(weights=header((4,)).replace(b"'descr'", b"f(1, 2)")).getvalue(),
    "a negative size": archive(weights=header((-4, -1)) + bytes(16)).getvalue(),
    "another method": archive(zipfile.ZIP_LZMA, weights=header((4,)) + bytes(16)).getvalue(),
    "a header of a gigabyte": archive(weights=b"\x93NUMPY\x02\x00\x00\x00\x00\x40" + bytes(1000)).getvalue(),
    "a version of the future": archive(weights=b"\x93NUMPY\x09\x00" + header((4,))[8:]).getvalue(),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_files_that_are_no_whole_npz(kind, tmp_path):
    (tmp_path / "file.npz").write_bytes(BROKEN[kind])
    for given in (io.BytesIO(BROKEN[kind]), tmp_path / "file.npz"):
        with pytest.raises(ImportedDataError, match="This file is no whole NPZ"):
            read_npz(given)


def test_a_header_is_not_read_beyond_its_size(monkeypatch):
    # A version of headers with four bytes for their length: 20 MB of zeros are 20 kB here.
    stream = archive(weights=b"\x93NUMPY\x02\x00" + (20_000_000).to_bytes(4, "little") + bytes(20_000_000))
    read = []
    original = zipfile.ZipExtFile.read
    monkeypatch.setattr(zipfile.ZipExtFile, "read", lambda file, count=-1: read.append(count) or original(file, count))
    with pytest.raises(ImportedDataError, match="no whole NPZ"):
        read_npz(stream)
    assert read
    assert 0 <= min(read) <= max(read) < 100_000


def test_a_file_with_changed_bytes_is_read_whole_or_refused():
    random = np.random.default_rng(0)
    refused = 0
    for _ in range(400):
        changed = bytearray(WHOLE)
        for place in random.integers(0, len(WHOLE), size=random.integers(1, 4)):
            changed[place] = random.integers(0, 256)
        try:
            trace = read_npz(io.BytesIO(bytes(changed)))
        except ImportedDataError:
            refused += 1
        else:
            np.testing.assert_array_equal(trace.layer_attention(0), maps(1, 2, 4, 4)[0])
    assert refused > 200


def test_a_missing_file_and_a_folder(tmp_path):
    with pytest.raises(ImportedDataError, match="There is no such file"):
        read_npz(tmp_path / "none.npz")
    with pytest.raises(ImportedDataError, match="no whole NPZ"):
        read_npz(tmp_path)
