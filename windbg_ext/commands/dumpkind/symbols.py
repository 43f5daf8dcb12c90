"""What a symbol server needs to find the image and the PDB of each loaded module.

Source of the keys: "SSQP Key Conventions" of the .NET symbol store, which are those of symsrv: TimeDateStamp in eight
digits and SizeOfImage for an image, GUID (or signature) and age for a PDB.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from windbg_ext.dump.opener import open_dump
from windbg_ext.errors import DumpError, MemoryReadError
from windbg_ext.kernel.kernel import read_kernel
from windbg_ext.kernel.target import DumpTarget
from windbg_ext.limits import MAX_PDB_NAMES
from windbg_ext.memory.virtual import read_run, read_structure
from windbg_ext.structs.images import (
    CODEVIEW_NB10,
    CODEVIEW_RSDS,
    DATA_DIRECTORIES,
    DEBUG_DIRECTORY,
    IMAGE_DEBUG_TYPE_CODEVIEW,
    MAX_CODEVIEW,
    MAX_DEBUG_ENTRIES,
    OPTIONAL_HEADER,
    CodeViewNb10,
    CodeViewRsds,
    ImageDataDirectory,
    ImageDebugDirectory,
    ImageOptionalHeader,
)
from windbg_ext.structs.kernel import IMAGE_DOS_SIGNATURE, IMAGE_NT_SIGNATURE, ImageDosHeader, ImageNtHeaders
from windbg_ext.values import NamedTuple

if TYPE_CHECKING:
    from windbg_ext.kernel.modules import Module
    from windbg_ext.limits import Budget
    from windbg_ext.memory.virtual import VirtualMemory
    from windbg_ext.sources import SourceLike

MAX_HEADER_OFFSET = 0x1000
"""Where the NT headers of an image are at most; as for the time stamps of modules."""


class Pdb(NamedTuple):
    """The symbols of an image. name: without a folder; guid: as GUIDs are written, or the signature of an old PDB."""

    name: str
    guid: str
    age: int

    @property
    def key(self) -> str:
        """Return the folder that a symbol server has it in."""
        return f"{self.guid.replace('-', '').upper()}{self.age:X}"


class ModuleKeys(NamedTuple):
    """A loaded module. time_date_stamp: None where it is not in the dump; problem: why there is no PDB, else ""."""

    name: str
    base: int
    size: int
    time_date_stamp: int | None
    pdb: Pdb | None
    problem: str = ""

    @property
    def key(self) -> str | None:
        """Return the folder that a symbol server has the image in, None without the time stamp."""
        return None if self.time_date_stamp is None else f"{self.time_date_stamp:08X}{self.size:x}"


class SymbolsReport(NamedTuple):
    """The keys of the modules of a dump. problem: why there are none, or not all, else ""."""

    path: str
    modules: tuple[ModuleKeys, ...] = ()
    problem: str = ""

    @property
    def complete(self) -> bool:
        """Whether the image of every module can be asked for, and from it its symbols."""
        return not self.problem and all(module.key is not None for module in self.modules)


def symbols(source: SourceLike) -> SymbolsReport:
    """Report what a symbol server needs for each module of a kernel dump. Raise DumpError where it has no modules."""
    with open_dump(source, unpack=False) as dump:
        dump.check()
        target = DumpTarget(dump)
        if target.listed is not None:
            modules, problem = target.listed.modules, None
        else:
            listed = read_kernel(target, crash_only=True).modules
            modules, problem = listed.modules, listed.problem
        keys = tuple([_keys(target.memory, module, dump.budget) for module in modules])
        return SymbolsReport(dump.source.name, keys, "" if problem is None else f"PsLoadedModuleList: {problem}")


def _keys(memory: VirtualMemory, module: Module, budget: Budget) -> ModuleKeys:
    """Return the keys of a module; the image in memory goes before what a list says of it."""
    stamp, size, pdb, problem = module.time_date_stamp, module.size, None, ""
    try:
        headers_at = _nt_headers(memory, module.base)
        headers = read_structure(memory, headers_at, ImageNtHeaders)
        stamp, size = headers.time_date_stamp, headers.size_of_image
        found = _pdb(memory, module.base, headers_at, size)
        budget.draw(MAX_PDB_NAMES, len(found.name) if found else 0, "CodeView record")
        pdb = found
        problem = "" if pdb else "the image has no debug directory with a PDB"
    except MemoryReadError as error:
        problem = str(error)
    except DumpError as error:
        problem = f"{error.field}: {error.why}"
    return ModuleKeys(module.name, module.base, size, stamp, pdb, problem)


def _nt_headers(memory: VirtualMemory, base: int) -> int:
    dos = read_structure(memory, base, ImageDosHeader)
    at = base + dos.e_lfanew
    if dos.e_magic != IMAGE_DOS_SIGNATURE or dos.e_lfanew > MAX_HEADER_OFFSET:
        raise DumpError("e_magic", "there is no image at its base any more")
    if read_structure(memory, at, ImageNtHeaders).signature != IMAGE_NT_SIGNATURE:
        raise DumpError("IMAGE_NT_HEADERS", "its signature is wrong")
    return at


def _pdb(memory: VirtualMemory, base: int, headers_at: int, size: int) -> Pdb | None:
    optional = headers_at + OPTIONAL_HEADER
    magic = read_structure(memory, optional, ImageOptionalHeader).magic
    if magic not in DATA_DIRECTORIES:
        raise DumpError("Magic", f"0x{magic:x} is that of no image")
    at = optional + DATA_DIRECTORIES[magic] + DEBUG_DIRECTORY * ImageDataDirectory.SIZE
    directory = read_structure(memory, at, ImageDataDirectory)
    for number in range(min(directory.size // ImageDebugDirectory.SIZE, MAX_DEBUG_ENTRIES)):
        entry_at = directory.virtual_address + number * ImageDebugDirectory.SIZE
        if entry_at >= size:
            break
        entry = read_structure(memory, base + entry_at, ImageDebugDirectory)
        if entry.type == IMAGE_DEBUG_TYPE_CODEVIEW and 0 < entry.address_of_raw_data < size:
            length = min(entry.size_of_data, MAX_CODEVIEW)
            return _code_view(
                read_run(memory, base + entry.address_of_raw_data, length), base + entry.address_of_raw_data
            )
    return None


def _code_view(record: bytes, address: int) -> Pdb:
    """Parse a CodeView record. Raise DumpError where it is none, or not all of it is in the dump."""
    if record.startswith(CODEVIEW_RSDS) and len(record) > CodeViewRsds.SIZE:
        rsds = CodeViewRsds.parse(record[: CodeViewRsds.SIZE])
        return Pdb(_file_name(record[CodeViewRsds.SIZE :]), str(UUID(bytes_le=rsds.signature)), rsds.age)
    if record.startswith(CODEVIEW_NB10) and len(record) > CodeViewNb10.SIZE:
        nb10 = CodeViewNb10.parse(record[: CodeViewNb10.SIZE])
        return Pdb(_file_name(record[CodeViewNb10.SIZE :]), f"{nb10.signature:08X}", nb10.age)
    raise DumpError("CodeView record", f"at 0x{address:x} is not in this dump, or is none")


def _file_name(path: bytes) -> str:
    """Return the last part of a path that a zero ends: linkers write that of the machine that built the image."""
    text = path.partition(b"\0")[0].decode("utf-8", "replace")
    return text.replace("/", "\\").rpartition("\\")[2]
