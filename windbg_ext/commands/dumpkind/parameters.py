"""Which parameters of a bug check are addresses: of code, of data, or none, such as a cookie or a count."""

from __future__ import annotations

import enum
import re
from typing import TYPE_CHECKING

from windbg_ext.structs.bug_check_pages import parameter_meanings
from windbg_ext.structs.bug_check_parameters import KIND_PARAMETER, PLACE_PARAMETER, STATUS_PARAMETER

if TYPE_CHECKING:
    from windbg_ext.commands.dumpkind.modules import ModuleMap
    from windbg_ext.structs.architectures import Architecture

LOWEST_ADDRESS = 0x10000
"""Windows maps nothing below (MM_LOWEST_USER_ADDRESS in ntddk.h)."""
ADDRESS = re.compile(r"\b(address|object|record|context)\b")
"""In the meaning of a parameter that is an address."""


class Sort(enum.Enum):
    """What a number is."""

    CODE = enum.auto()
    DATA = enum.auto()
    NUMBER = enum.auto()


def parameter_sorts(
    code: int, parameters: tuple[int, ...], modules: ModuleMap, architecture: Architecture
) -> tuple[Sort, ...]:
    """Return what each parameter of a bug check is: by its meaning if Microsoft documents it, else by where it points.

    code: without the flag bit.
    """
    meanings = parameter_meanings(code, parameters)
    return tuple(
        [
            _sort(code, number, value, meanings[number - 1], modules, architecture)
            for number, value in enumerate(parameters, 1)
        ]
    )


def _sort(code: int, number: int, value: int, meaning: str, modules: ModuleMap, architecture: Architecture) -> Sort:
    if value < LOWEST_ADDRESS or number in (KIND_PARAMETER.get(code), STATUS_PARAMETER.get(code)):
        return Sort.NUMBER
    if number == PLACE_PARAMETER.get(code) or modules.at(value) is not None:
        return Sort.CODE
    if meaning:
        return Sort.DATA if ADDRESS.search(meaning) else Sort.NUMBER
    return Sort.DATA if value >= architecture.lowest_kernel else Sort.NUMBER
