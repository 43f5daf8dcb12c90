"""SYSTEM registry hives for tests, written by hivexsh (hivex, Debian's libhivex-bin).

hivexsh only changes hives, so it starts from the smallest possible one, a root key and its security descriptor. The
layout is that of the regf specification of the libregf project.
"""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from functools import reduce
from typing import TYPE_CHECKING, Union

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

HIVEXSH = shutil.which("hivexsh")
Value = Union[int, str, "list[str]", bytes, "tuple[int, bytes]"]
"""An int becomes REG_DWORD, text REG_SZ, a list REG_MULTI_SZ, bytes REG_BINARY, (type, data) that type."""

CRASH_CONTROL = r"Control\CrashControl"
MEMORY_MANAGEMENT = r"Control\Session Manager\Memory Management"
ENVIRONMENT = r"Control\Session Manager\Environment"


def write_system_hive(path: Path, keys: Mapping[str, Mapping[str, Value]], control_set: int = 1) -> Path:
    """Write a SYSTEM hive. keys: paths below the current control set, with their values."""
    absolute = {f"ControlSet{control_set:03}\\{key}": values for key, values in keys.items()}
    return write_hive(path, {"Select": {"Current": control_set, "Default": control_set}, **absolute})


def write_hive(path: Path, keys: Mapping[str, Mapping[str, Value]]) -> Path:
    """Write a hive. Skip the test without hivexsh. keys: paths from the root, with their values."""
    path.write_bytes(smallest_hive())
    made: set[str] = set()
    script: list[str] = []
    for key, values in keys.items():
        script.append("cd \\")
        at = ""
        for name in key.split("\\"):
            at += f"\\{name}"
            script += [*([] if at in made else [f"add {name}"]), f"cd {name}"]
            made.add(at)
        script.append(f"setval {len(values)}")
        for name, value in values.items():
            script += [name, _typed(value)]
    _hivexsh(path, *script, "commit", "unload", write=True)
    return path


def read_value(hive: Path, key: str, name: str) -> str:
    """Return a value as hivexsh's lsval shows it. Skip the test without hivexsh. key: the path from the root."""
    return _hivexsh(hive, f"cd \\{key}", f"lsval {name}").strip()


def read_values(hive: Path, key: str) -> dict[str, int | str | list[str] | bytes]:
    """Return the values of a key as hivexsh lists them, by their names. key: the path from the root."""
    found: dict[str, int | str | list[str] | bytes] = {}
    for line in _hivexsh(hive, f"cd \\{key}", "lsval").splitlines():
        name, _, data = line.removeprefix('"').partition('"=')
        kind, _, rest = data.partition(":")
        if kind == "dword":
            found[name] = int(rest, 16)
        elif kind in ("hex(7)", "hex(3)"):
            raw = bytes.fromhex(rest.replace(",", ""))
            found[name] = raw if kind == "hex(3)" else [text for text in raw.decode("utf-16-le").split("\0") if text]
        else:  # text, with backslashes and quotes escaped; str(2): REG_EXPAND_SZ
            found[name] = data[data.index('"') + 1 : -1].replace('\\"', '"').replace("\\\\", "\\")
    return found


def _hivexsh(hive: Path, *lines: str, write: bool = False) -> str:
    """Run lines of hivexsh on a hive and return what it prints. Skip the test without hivexsh."""
    if HIVEXSH is None and "WINDBG_EXT_REQUIRE_HIVEXSH" not in os.environ:
        pytest.skip("hivexsh is not installed (Debian: libhivex-bin)")
    assert HIVEXSH is not None, "WINDBG_EXT_REQUIRE_HIVEXSH is set, and there is none"
    command = [HIVEXSH, *(["-w"] if write else []), str(hive)]
    done = subprocess.run(command, input="\n".join(["", *lines, ""]), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _typed(value: Value) -> str:
    if isinstance(value, int):
        return f"dword:{value}"
    if isinstance(value, str):
        number, data = 1, value.encode("utf-16-le") + b"\0\0"
    elif isinstance(value, list):
        number, data = 7, b"".join(line.encode("utf-16-le") + b"\0\0" for line in value) + b"\0\0"
    elif isinstance(value, bytes):
        number, data = 3, value
    else:
        number, data = value
    return f"hex:{number}:{','.join(f'{byte:02x}' for byte in data)}"


SECURITY_DESCRIPTOR = struct.pack("<BBHIIII", 1, 0, 0x8000, 0x14, 0x24, 0, 0) + 2 * bytes.fromhex(
    "01020000000000052000000020020000"
)
"""Owner and group: the administrators."""


def smallest_hive() -> bytes:
    """Build a hive that has only its root key."""
    name = b"ROOT"
    root_at = 0x20
    security_at = root_at + len(_cell(_root(name, 0)))
    security = struct.pack("<2sHIIII", b"sk", 0, security_at, security_at, 1, len(SECURITY_DESCRIPTOR))
    cells = _cell(_root(name, security_at)) + _cell(security + SECURITY_DESCRIPTOR)
    free = 0x1000 - root_at - len(cells)
    bin_header = struct.pack("<4sII8xQI", b"hbin", 0, 0x1000, 0, 0)
    hbin = (bin_header + cells + struct.pack("<i", free)).ljust(0x1000, b"\0")
    fields = struct.pack("<4sIIQ7I", b"regf", 1, 1, 0, 1, 3, 0, 1, root_at, 0x1000, 1)
    base = (fields + "SYSTEM".encode("utf-16-le")).ljust(508, b"\0")
    check_sum = reduce(lambda total, word: total ^ word[0], struct.iter_unpack("<I", base), 0)
    return (base + struct.pack("<I", check_sum)).ljust(0x1000, b"\0") + hbin


def _root(name: bytes, security_at: int) -> bytes:
    none = 0xFFFFFFFF
    fields = (0, none, 0, 0, none, none, 0, none, security_at, none, 0, 0, 0, 0, 0)
    return struct.pack("<2sHQ15IHH", b"nk", 0x2C, 0, *fields, len(name), 0) + name


def _cell(data: bytes) -> bytes:
    size = (len(data) + 4 + 7) // 8 * 8
    return struct.pack("<i", -size) + data.ljust(size - 4, b"\0")
