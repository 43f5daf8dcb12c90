"""A sample whose kernel has symbols: an image and a PDB of it, compiled and linked here from nt.c.

Microsoft's own symbols come only from its server. For the engine there is no difference: it finds the PDB by the debug
directory of the image in the dump, and reads it with Microsoft's dbghelp and msdia140.
"""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Callable

from samples.builder import SAMPLES, write
from samples.builder.physical import PAGE_SIZE

if TYPE_CHECKING:
    from samples.builder.crashed_machine import CrashedMachine
    from samples.builder.machine import Module

    Objects = tuple[tuple[str, ...], ...]  # what is linked: an object file is nt.c compiled with these options
    WriteDump = Callable[..., tuple[Path, int]]

TOOLS = ("clang", "lld-link")
SOURCE = Path(__file__).with_name("nt.c")
COMPILE = ("clang", "--target=x86_64-pc-windows-msvc", "-c", SOURCE)
LINK = ("lld-link", "/nologo", "/driver", "/nodefaultlib", "/entry:KiSystemStartup", "/subsystem:native", "/fixed")
DEBUG = ("-g", "-gcodeview", "-fno-eliminate-unused-debug-types")

PRIVATE: Objects = (DEBUG,)
PUBLIC: Objects = ((), ("-DTYPES_ONLY", *DEBUG))
"""Symbols as Microsoft publishes them: types, and variables without their types."""
WITHOUT_TYPES: Objects = ((),)

SECTION_ALIGNMENT = 0x40000
"""The alignment in memory and in the file: the file is the image as loaded, and spares the sample's own data."""
PLACE_OF_DEBUGGER_DATA = b"the debugger data block goes here"


def write_dump_with_symbols(folder: Path, objects: Objects, *definitions: str) -> tuple[Path, int]:
    """Write the kernel's PDB and a dump into a folder. Return the dump and the address of KdDebuggerDataBlock.

    That block is a second one; the header of the dump has the address of the first. definitions: macros for nt.c;
    `Size=Renamed` makes a kernel with another name for it.
    """
    sample = next(sample for sample in SAMPLES if sample.name == "kernel")
    kernel = sample.machine.kernel
    image = _link(folder, kernel, objects, definitions)
    pages = {at: image[at : at + PAGE_SIZE] for at in range(0, len(image), PAGE_SIZE)}
    code = {**kernel.code, **{at: page for at, page in pages.items() if any(page)}}
    modules = (replace(kernel, size=len(image), check_sum=0, code=code), *sample.machine.modules[1:])
    block = kernel.base + image.index(PLACE_OF_DEBUGGER_DATA)

    def write_second_block(crashed: CrashedMachine) -> None:
        size = crashed.machine.version.debugger_data_size
        crashed.write(block, crashed.system.read(crashed.debugger_data, size))

    dump = folder / "symbols.dmp"
    write(replace(sample, machine=replace(sample.machine, modules=modules)), dump, tweak=write_second_block)
    return dump, block


def _link(folder: Path, kernel: Module, objects: Objects, definitions: tuple[str, ...]) -> bytes:
    """Return the image; its PDB is in the folder."""
    files = [folder / f"{number}.obj" for number in range(len(objects))]
    for options, file in zip(objects, files):
        subprocess.run([*COMPILE, *options, *(f"-D{name}" for name in definitions), "-o", file], check=True)
    image, pdb = folder / "ntkrnlmp.exe", folder / "ntkrnlmp.pdb"
    place = (f"/base:{kernel.base:#x}", f"/align:{SECTION_ALIGNMENT}", f"/filealign:{SECTION_ALIGNMENT}")
    debug = ("/debug", f"/pdb:{pdb}", f"/pdbaltpath:{pdb.name}", f"/timestamp:{kernel.time_date_stamp}")
    subprocess.run([*LINK, *place, *debug, f"/out:{image}", *files], check=True)
    data = image.read_bytes()
    image.unlink()  # the engine must read the image from the dump
    return data
