"""NPZ files of other tools that were cut, changed or made up: read as a trace, or refused with a sentence."""

import io
import json
import struct
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tests.fuzz_profile  # noqa: F401 - how long the search is
from model.errors import HeadscopeError, ImportedDataError
from model.importing import read_npz, trace_from_arrays, trace_from_transformer_lens, trace_from_transformers
from tests.hostile_files import DEEP, HOSTILE_VALUES, bounded_memory, mutated, quiet, read_or_refused  # noqa: F401

pytestmark = pytest.mark.usefixtures("quiet")
TOKENS = ["The", "cat", "</script>", "\u202e"]


def maps(*shape: int) -> np.ndarray:
    weights = np.random.default_rng(0).random(shape, dtype=np.float32)
    return weights / weights.sum(-1, keepdims=True)


def npz(method: int = zipfile.ZIP_DEFLATED, **arrays) -> bytes:
    stream = io.BytesIO()
    (np.savez_compressed if method == zipfile.ZIP_DEFLATED else np.savez)(stream, **arrays)
    return stream.getvalue()


GOOD = {
    "compressed": npz(weights=maps(2, 2, 4, 4), tokens=np.array(TOKENS)),
    "stored": npz(zipfile.ZIP_STORED, weights=maps(2, 2, 4, 4), tokens=np.array(TOKENS)),
    "layers": npz(
        layer_0=maps(2, 4, 3).astype(np.float16), layer_7=maps(2, 4, 3).astype(np.float16),
        query_tokens=np.array(TOKENS), key_tokens=np.array(TOKENS[:3]),
    ),
    "exported": npz(
        weights=np.tril(np.ones((4, 4), np.float32)) / np.arange(1, 5)[:, None], tokens=np.array(TOKENS),
        mask=np.tril(np.ones((4, 4), bool)),
        provenance=np.array(json.dumps({"model": "m", "picture": {"stack": "decoder"}})),
    ),
}  # fmt: skip


def looked_at(data: bytes, **options) -> None:
    trace = read_or_refused(lambda: read_npz(io.BytesIO(data), **options))
    if isinstance(trace, HeadscopeError):
        assert isinstance(trace, ImportedDataError)
        return
    for stack in trace.stacks:
        for layer in trace.of_stack(stack):
            weights = trace.layer_attention(layer.index, stack)
            assert np.isfinite(weights).all()
            assert (weights >= 0).all()
            assert len(trace.query_tokens(layer.index, stack)) == layer.shape[1]
            assert trace.mask(layer.index, 0, stack).shape == layer.shape[1:]


@given(data=st.data())
@pytest.mark.parametrize("kind", GOOD)
def test_bytes_that_were_changed(kind, data):
    looked_at(data.draw(mutated(GOOD[kind])))


def rezipped(members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


@given(data=st.data())
@pytest.mark.parametrize("kind", GOOD)
def test_members_that_were_changed_inside_a_whole_archive(kind, data):
    """The checksums of the archive are right, so that what is wrong reaches the reading of arrays."""
    with zipfile.ZipFile(io.BytesIO(GOOD[kind])) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = data.draw(st.sampled_from(sorted(members)))
    members[name] = data.draw(mutated(members[name]))
    looked_at(rezipped(members))


HEADERS = st.one_of(
    st.text(max_size=200),
    st.builds(
        lambda kind, order, shape: repr({"descr": kind, "fortran_order": order, "shape": shape}),
        st.one_of(
            st.sampled_from([
                "<f4", "|O", "<U3", "<U1000000000", "V0", "<M8[s]", "|b1", "<c8", "<f16", ">f8", "<u8", "", None,
                [("a", "<f4")],
            ]),
            st.text(max_size=8),
        ),
        st.sampled_from([False, True, None, 1, "x"]),
        st.one_of(
            st.lists(st.sampled_from([0, 1, 2, 4, -1, 2**31, 2**63, 2**200, True, 1.5, None]), max_size=5).map(tuple),
            st.sampled_from([(), [], 4, None, (4,) * 64]),
        ),
    ),
    st.sampled_from([
        "(" * 9000, "{" * 60_000, "-" * 9000 + "1", "{'descr': " + "[" * 500, "__import__('os').system('true')", "'", "\\",
        "{**{}}",
    ]),
)  # fmt: skip


@given(
    HEADERS, st.sampled_from([(1, 0), (2, 0), (3, 0), (9, 9)]), st.binary(max_size=80),
    st.sampled_from(["weights", "tokens", "layer_0", "mask"]),
)  # fmt: skip
def test_headers_of_arrays_that_are_made_up(text, version, content, name):
    encoded = text.encode("utf-8", "surrogatepass")
    length = struct.pack("<H", len(encoded) % 65536) if version == (1, 0) else struct.pack("<I", len(encoded))
    member = b"\x93NUMPY" + bytes(version) + length + encoded + content
    members = {"weights.npy": array(maps(1, 1, 4, 4)), "tokens.npy": array(np.array(TOKENS))}
    looked_at(rezipped(members | {f"{name}.npy": member}))


def array(values: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, values)
    return stream.getvalue()


SHAPES = st.lists(st.integers(0, 5), max_size=5).map(tuple)
KINDS = st.sampled_from(["<f4", "<f2", ">f8", "<i4", "<u8", "|b1", "<c8", "<f16", "<U2", "|S3", "<M8[s]", "V4"])


@given(
    SHAPES, KINDS, st.sampled_from([0.0, 1.0, 0.25, -1.0, 2.0, float("nan"), float("inf"), 1e300]), st.integers(0, 6)
)
def test_arrays_of_any_shape_type_and_number(shape, kind, value, tokens):
    with np.errstate(all="ignore"):
        try:
            weights = np.full(shape, value).astype(kind)
        except (ValueError, OverflowError, TypeError):
            return
    looked_at(npz(weights=weights, tokens=np.array(["t"] * tokens, dtype=str)))
    looked_at(npz(layer_0=weights, tokens=np.array(["t"] * tokens, dtype=str)), stack="encoder")
    for read in (
        lambda: trace_from_arrays(weights, ["t"] * tokens),
        lambda: trace_from_transformer_lens({"blocks.0.attn.hook_pattern": weights}, ["t"] * tokens),
        lambda: trace_from_transformers({"attentions": (weights,)}),
    ):
        read_or_refused(read)


@given(HOSTILE_VALUES, HOSTILE_VALUES)
def test_provenance_of_any_kind(model, stack):
    described = json.dumps({"model": model, "picture": {"stack": stack}})
    for text in (described, described[:-1], DEEP, "null", "[]", json.dumps({"picture": model})):
        looked_at(npz(weights=maps(1, 1, 4, 4), tokens=np.array(TOKENS), provenance=np.array(text)))


def lying_size(data: bytes, size: int) -> bytes:
    """Return an archive whose first member says of itself that it is so large, in the directory and before its content."""
    changed = bytearray(data)
    struct.pack_into("<I", changed, changed.index(b"PK\x03\x04") + 22, size)
    struct.pack_into("<I", changed, changed.index(b"PK\x01\x02") + 24, size)
    return bytes(changed)


def bomb(method: int, megabytes: int) -> bytes:
    stream = io.BytesIO()
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f4", "fortran_order": False, "shape": (1, 1, 1, megabytes * 250_000)}
    )
    with zipfile.ZipFile(stream, "w", method) as archive, archive.open("weights.npy", "w", force_zip64=True) as member:
        member.write(header.getvalue())
        for _ in range(megabytes):
            member.write(bytes(1_000_000))
    return stream.getvalue()


def declaring(shape: tuple[int, ...]) -> bytes:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return lying_size(rezipped({"weights.npy": header.getvalue()}), len(header.getvalue()) + 4 * int(np.prod(shape)))


BOMBS = {
    "deflate": lambda: bomb(zipfile.ZIP_DEFLATED, 120),
    "bzip2": lambda: bomb(zipfile.ZIP_BZIP2, 60),
    "lzma": lambda: bomb(zipfile.ZIP_LZMA, 60),
    "a size that lies": lambda: declaring((1, 1, 15_000, 15_000)),
    "many names": lambda: rezipped({f"layer_{number}.npy": b"" for number in range(5_000)}),
    "a zip in a zip": lambda: rezipped({"weights.npy": bomb(zipfile.ZIP_DEFLATED, 50)}),
}


@pytest.mark.parametrize("kind", BOMBS)
def test_bombs_are_refused_and_take_little_memory(kind):
    data = BOMBS[kind]()
    with bounded_memory(50), pytest.raises(ImportedDataError):
        read_npz(io.BytesIO(data), limit=100_000_000)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_names_twice_and_names_that_lead_elsewhere_are_never_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = ("../../escaped.npy", "/escaped.npy", "weights.npy", "weights.npy", "tokens.npy", "weights/", "C:\\x")
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in names:
            archive.writestr(name, array(np.array(TOKENS) if name.startswith("tokens") else maps(1, 1, 4, 4)))
    assert read_npz(io.BytesIO(stream.getvalue())).key_tokens(0)[:2] == ("The", "cat")
    assert list(tmp_path.iterdir()) == []


def test_text_that_is_none():
    """Four bytes that are no character of Unicode, where a character of a string stands."""
    tokens = np.array(TOKENS)
    tokens.view(np.uint32)[0] = 0x110000
    with pytest.raises(ImportedDataError, match="no text"):
        read_npz(io.BytesIO(npz(weights=maps(1, 1, 4, 4), tokens=tokens)))
