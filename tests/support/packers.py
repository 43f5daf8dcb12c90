"""Packed files of every supported format, made by the standard library or after the formats' specifications."""

from __future__ import annotations

import gzip
import io
import lzma
import sys
import zipfile
from functools import lru_cache
from typing import TYPE_CHECKING, Callable

from support.cab_bytes import ALIGNED, LZX, MSZIP, UNCOMPRESSED, VERBATIM, LzxPacker, cab

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from collections.abc import Mapping

LZX_WINDOW = 21
"""Bits; dbgeng.dll asks for LZX with this window (0x1503) when it makes a CAB file."""


def gzip_file(data: bytes) -> bytes:
    """Pack with no time in the header: the same bytes whenever a test runs."""
    return gzip.compress(data, mtime=0)


def zip_file(files: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def zstd_with_checksum(data: bytes) -> bytes:
    """Pack as the program `zstd` does; its library leaves out the checksum."""
    return zstd.compress(data, options={zstd.CompressionParameter.checksum_flag: 1})


@lru_cache(maxsize=8)
def lzx_cab(data: bytes) -> bytes:
    pack = LzxPacker(LZX_WINDOW, (VERBATIM, ALIGNED, UNCOMPRESSED), 50_001)
    return cab({"MEMORY.DMP": data}, LZX | LZX_WINDOW << 8, pack=pack)


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip_file,
    "xz": lzma.compress,
    "zstd": zstd.compress,
    "zip": lambda data: zip_file({"MEMORY.DMP": data}),
    "zip, stored": lambda data: zip_file({"MEMORY.DMP": data}, zipfile.ZIP_STORED),
    "CAB": lambda data: cab({"MEMORY.DMP": data}),
    "CAB, MSZIP": lambda data: cab({"MEMORY.DMP": data}, MSZIP),
    "CAB, LZX": lzx_cab,
}
"""By format, and method if there are several: the function that packs one file."""
