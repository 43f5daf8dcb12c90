"""Arguments and options as argparse takes them."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from windbg_ext.interface.command import Argument

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Callable

    from windbg_ext.interface.command import Option

ARITY = {(False, False): "?", (False, True): None, (True, False): "*", (True, True): "+"}
"""Whether an argument takes several values, and whether it is required: how many, in argparse's signs."""


def keywords(declared: Argument | Option) -> dict[str, Any]:
    """Return the keyword arguments of `add_argument` for an argument or an option."""
    if isinstance(declared, Argument):
        arity = ARITY[declared.several, declared.required]
        return {"help": declared.help, "metavar": declared.metavar, "nargs": arity}
    if declared.action == "store_true":
        return {"help": declared.help, "action": declared.action}
    return {
        "help": declared.help,
        "action": declared.action,
        "type": _checked(declared.type),
        "default": declared.default,
        "choices": declared.choices,
        "metavar": declared.metavar,
    }


def examples_text(prog: str, examples: Sequence[tuple[str, str]]) -> str:
    """Return examples as lines that stand below the help of a command; nothing without examples."""
    lines = [line for words, does in examples for line in (f"  {prog} {words}", f"      {does}")]
    return "\n".join(("\nexamples:", *lines, "")) if lines else ""


def _checked(read: Callable[[str], object]) -> Callable[[str], object]:
    """Return `read` with its errors in the words of the ValueError; argparse has words of its own for one."""

    def checked(text: str) -> object:
        try:
            return read(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return checked
