"""NPZ files from anywhere: what an archive declares is checked before anything in it is unpacked; nothing is unpickled."""

import math
import re
import struct
import sys
import tokenize
import zipfile
import zlib
from io import IOBase
from os import PathLike

import numpy as np

from model.errors import ImportedDataError

ONE_GIGABYTE = 10**9
# What zipfile and NumPy raise for files that were cut, changed or made up.
_BROKEN = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, TypeError, LookupError, AttributeError, OverflowError,
    MemoryError, RuntimeError, OSError, SyntaxError, tokenize.TokenError,
)  # fmt: skip
# What NumPy writes; other methods may unpack more at once than was asked for. Deflate packs no more than this into a byte.
_MOST_DEFLATED = 1032
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def read_arrays(
    file: str | PathLike[str] | IOBase, wanted: re.Pattern[str], limit: int = ONE_GIGABYTE
) -> dict[str, np.ndarray]:
    """Return the arrays of an NPZ whose whole name matches `wanted`; other entries are never unpacked.

    `limit` is in bytes, of these arrays unpacked, by what their headers declare. Raises ImportedDataError where the file
    is missing, no NPZ, broken, larger than the limit, or holds pickled objects.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            # NumPy names an entry after its array and adds .npy.
            entries = {entry.filename.removesuffix(".npy"): entry for entry in archive.infolist()}
            entries = {name: entry for name, entry in entries.items() if wanted.fullmatch(name)}
            declared = {name: _declared_bytes(archive, name, entry) for name, entry in entries.items()}
            if sum(declared.values()) > limit:
                raise ImportedDataError(
                    f"The arrays of this file take {sum(declared.values()) / 1e9:.3g} GB and the limit is {limit / 1e9:.3g} "
                    "GB. Save fewer layers, or save them as float16."
                )
            return {name: _read(archive, entry) for name, entry in entries.items()}
    except ImportedDataError:
        raise
    except FileNotFoundError as error:
        raise ImportedDataError("There is no such file. Choose an NPZ that numpy.savez wrote.") from error
    except _BROKEN as error:
        raise ImportedDataError(
            "This file is no whole NPZ (a zip of arrays). Write it again with numpy.savez, and copy all of it."
        ) from error


def _declared_bytes(archive: zipfile.ZipFile, name: str, entry: zipfile.ZipInfo) -> int:
    """Return how many bytes one array takes by its own header, which must agree with the archive's."""
    if entry.compress_type not in _METHODS:
        raise ValueError("a method that NumPy does not write")
    with archive.open(entry) as member:
        # Later versions allow headers of gigabytes; NumPy writes them only for structured types.
        if np.lib.format.read_magic(member) != (1, 0):
            raise ValueError("a header that plain arrays do not have")
        shape, _, dtype = np.lib.format.read_array_header_1_0(member)
        header_bytes = member.tell()
    if dtype.hasobject:
        raise ImportedDataError(
            f"“{name}” holds pickled Python objects, which Headscope never reads. Save numbers as float32 and tokens with "
            "numpy.array(tokens, dtype=str)."
        )
    if any(size < 0 for size in shape):
        raise ValueError("a size is negative")
    if entry.file_size > entry.compress_size * _MOST_DEFLATED + 1024:
        raise ValueError("more is declared than so few bytes can hold")
    size = math.prod(shape) * dtype.itemsize
    if size != entry.file_size - header_bytes:
        raise ImportedDataError(
            f"“{name}” declares {size} bytes and the file holds {entry.file_size - header_bytes}. Write it again with "
            "numpy.savez, and copy all of it."
        )
    return size


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> np.ndarray:
    with archive.open(entry) as member:
        array = np.lib.format.read_array(member, allow_pickle=False)
        # Reading to the end makes zipfile compare the checksum.
        if member.read(1):
            raise ValueError("more bytes than the array has")
    # NumPy makes strings of any four bytes, also of those beyond Unicode, at which Python itself breaks.
    codes = array.astype(array.dtype.newbyteorder("=")).reshape(-1).view(np.uint32) if array.dtype.kind == "U" else ()
    if len(codes) and max(codes) > sys.maxunicode:
        raise ImportedDataError(
            f"“{entry.filename}” holds what is no text. Save it with numpy.array(tokens, dtype=str)."
        )
    return array
