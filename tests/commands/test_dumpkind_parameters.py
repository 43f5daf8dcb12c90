"""Which parameters of a bug check are addresses. The meanings are those of Microsoft's bug check code reference."""

from __future__ import annotations

import pytest

from windbg_ext.commands.dumpkind.modules import LoadedModule, ModuleMap
from windbg_ext.commands.dumpkind.parameters import Sort, parameter_sorts
from windbg_ext.structs.architectures import ARCHITECTURES
from windbg_ext.structs.bug_check_pages import parameter_meanings
from windbg_ext.structs.header import Machine

CODE, DATA, NUMBER = Sort.CODE, Sort.DATA, Sort.NUMBER
DRIVER = 0xFFFFF805_12990000
POOL = 0xFFFFE000_10080000
COOKIE = 0x0000A1B2_C3D4E5F6


@pytest.mark.parametrize(
    ("code", "parameters", "sorts"),
    [
        (0xD1, (POOL, 2, 1, DRIVER + 0x1010), (DATA, NUMBER, NUMBER, CODE)),
        (0xD1, (POOL, 2, 8, POOL), (DATA, NUMBER, NUMBER, CODE)),  # code that runs outside of modules
        (0x7E, (0xFFFFFFFF_C0000005, DRIVER, POOL, POOL + 0x100), (NUMBER, CODE, DATA, DATA)),
        (0xF7, (COOKIE, COOKIE + 1, 0xFFFFFFFF_FFFFFFFF ^ COOKIE, 0), (NUMBER, NUMBER, NUMBER, NUMBER)),
        (0x101, (0x1800000, 0, POOL, 2), (NUMBER, NUMBER, DATA, NUMBER)),
        (0x9F, (3, POOL, POOL, POOL), (NUMBER, DATA, DATA, DATA)),
        (0xF4, (3, POOL, POOL, DRIVER), (NUMBER, DATA, DATA, CODE)),
        (0x124, (0, POOL, 0xBE000000, 0x800400), (NUMBER, DATA, NUMBER, NUMBER)),
        (0x133, (1, 0x1E00, POOL, 0), (NUMBER, NUMBER, DATA, NUMBER)),
        (0x12345, (POOL, 0x7FF70004_0780, 5, DRIVER), (DATA, NUMBER, NUMBER, CODE)),
    ],
    ids=["D1", "D1 in pool", "7E", "cookies", "ticks", "9F", "F4", "machine check", "watchdog", "undocumented"],
)
def test_a_parameter_is_what_it_means(code: int, parameters: tuple[int, ...], sorts: tuple[Sort, ...]) -> None:
    modules = ModuleMap([LoadedModule("faulty.sys", DRIVER, 0x10000)])
    assert parameter_sorts(code, parameters, modules, ARCHITECTURES[Machine.AMD64]) == sorts


def test_an_exception_code_of_32_bits_is_no_kernel_address() -> None:
    parameters = (0xC0000005, 0x88191010, 0x8C080000, 0)
    sorts = parameter_sorts(0x8E, parameters, ModuleMap([]), ARCHITECTURES[Machine.I386])
    assert sorts == (NUMBER, CODE, DATA, NUMBER)


def test_what_a_parameter_means_may_depend_on_the_first() -> None:
    of_a_blocked_irp = parameter_meanings(0x9F, (3, POOL, POOL, POOL))
    assert "TRIAGE_9F_POWER" in of_a_blocked_irp[2]
    assert of_a_blocked_irp[3] == "address of the blocked IRP"
    assert parameter_meanings(0x9F, (1, POOL, POOL, POOL))[1:] == ("", "", "")


@pytest.mark.parametrize(
    ("code", "first", "told"),
    [
        (0x124, 0, ("WHEA_ERROR_RECORD", "upper 32 bits of MCi_STATUS", "lower 32 bits")),
        (0x124, 4, ("WHEA_ERROR_RECORD", "", "")),
        (0x133, 0, ("ticks", "ticks", "DPC_WATCHDOG_GLOBAL_TRIAGE_BLOCK")),
        (0x133, 1, ("watchdog period", "DPC_WATCHDOG_GLOBAL_TRIAGE_BLOCK", "")),
        (0xF4, 3, ("object", "image file name", "explanation")),
        (0xC5, POOL, ("IRQL", "0 read, 1 write", "instruction")),
    ],
)
def test_the_other_parameters_mean_what_the_page_of_the_bug_check_says(
    code: int, first: int, told: tuple[str, ...]
) -> None:
    meanings = parameter_meanings(code, (first, POOL, POOL, POOL))[1:]
    for meaning, part in zip(meanings, told):
        assert part in meaning
        assert bool(part) == bool(meaning)
    assert "execute" not in "".join(parameter_meanings(0xC5, (POOL, 2, 1, DRIVER)))  # which 0xD1's page has


def test_what_is_not_known_of_a_parameter_is_left_open() -> None:
    assert parameter_meanings(0x12345, (1, 2, 3, 4)) == ("", "", "", "")
    assert parameter_meanings(0xD1, ()) == parameter_meanings(0xD1, (POOL, 2, 1, DRIVER))
