"""Files for dumps: bytes as an open file, and a dump with as much secondary data as a test needs."""

from __future__ import annotations

import shutil
import struct
import tempfile
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from windbg_ext.sources.local import LocalFile

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def file_of(data: bytes) -> Iterator[LocalFile]:
    """Yield an open file with these bytes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "test.dmp"
        path.write_bytes(data)
        with closing(LocalFile(path)) as file:
            yield file


def copy_with_blob(sample: Path, folder: Path, size: int) -> Path:
    """Copy a sample as MEMORY.DMP with one more secondary blob of `size` bytes, all of it a hole."""
    path = folder / "MEMORY.DMP"
    shutil.copy(sample, path)
    with path.open("ab") as file:
        file.write(struct.pack("<I16sIII", 0x20, b"sixteen bytes id", size, 0, 0))
        file.truncate(file.tell() + size)
    return path
