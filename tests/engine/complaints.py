"""Complaints of the engine about a dump that it does not print for dumps that Windows wrote itself."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.engine import Answer, Session

# Not about the dump: the engine has neither symbols, images nor its extension DLLs here, and says so for every dump.
WITHOUT_SYMBOLS = (
    r"Unable to load image .+, Win32 error 0n2",
    r"\*\*\* WARNING: Unable to verify timestamp for .+",
    r"\*\*\* ERROR: Module load completed but symbols could not be loaded for .+",
    r"\*+ Symbol Path validation summary \*+",
    r"Response +Time \(ms\) +Location",
    r"OK +\S.*",
    r"Unable to add extension DLL: (kdexts|kext|exts)",
    r"The call to LoadLibrary\(ext\) failed, Win32 error 0n2",
    r' +"File not found\."',
    r"Please check your debugger configuration and/or network access\.",
    # on x86, where only symbols tell how to unwind
    r"WARNING: (Stack unwind information not available|Frame IP not in any known module)\. "
    r"Following frames may be wrong\.",
)
# What the engine prints when it opens any kernel dump.
OPENING = (
    r"Microsoft \(R\) Windows Debugger Version .+",
    r"Copyright \(c\) Microsoft Corporation\. All rights reserved\.",
    r"Loading Dump File \[.+\]",
    r"(Mini Kernel|Kernel Bitmap|Kernel Complete|Kernel Summary) Dump File: .+",
    r"(Symbol|Executable) search path is:.*",
    r"Windows .+ Kernel Version \d+ .+",
    r"Product: .+",
    r"Built by: .+",
    r"Machine Name:",
    r"Kernel base = 0x[0-9a-f`]+ PsLoadedModuleList = 0x[0-9a-f`]+",
    r"Debug session time: .+",
    r"System Uptime: .+",
    r"Loading (Kernel Symbols|User Symbols|unloaded module list)",
    r"\.+",
    r"\*+|\* +(Bugcheck Analysis +)?\*",
    r"Bugcheck code [0-9A-F]{8}",
    r"Arguments [0-9a-f` ]+",
    r"RetAddr +: Args to Child +: Call Site",
    r"[0-9a-f`]{17} : [0-9a-f` ]+ : \S.*",
    r"ChildEBP RetAddr +Args to Child",
    r"[0-9a-f]{8} [0-9a-f]{8} [0-9a-f ]+ \S.*",
)


def complaints(session: Session) -> list[str]:
    """Return the lines that the engine prints for no dump written by Windows, in order."""
    found = _unusual_lines(session.opening, ("Normal", "Error", "Warning"), (*WITHOUT_SYMBOLS, *OPENING))
    for answer in session.answers:  # other tests check the normal output
        found += _unusual_lines(answer, ("Error", "Warning"), WITHOUT_SYMBOLS)
    return found


def _unusual_lines(answer: Answer, kinds: tuple[str, ...], usual: tuple[str, ...]) -> list[str]:
    # kind by kind: the engine may begin a line of one kind before it has ended one of another
    lines = [line.rstrip() for kind in kinds for line in answer.of_kinds(kind).split("\n")]
    return [line for line in lines if line and not any(re.fullmatch(pattern, line) for pattern in usual)]
