"""The facts that `!pagefilefit` takes from the session, and the options of the user that take precedence."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import dataclass

import pytest

from windbg_ext.commands.pagefilefit.kernel_use import KernelUse
from windbg_ext.interface.pagefilefit import add_session_facts

GB = 1 << 30
IN_USE = KernelUse(GB, GB // 2, (), (), None, "this session")


@dataclass(frozen=True)
class Machine:
    """A machine with 4 GB of RAM and two paging files; the drive of the second is not known."""

    open_dump: str | None

    def physical_memory(self) -> int | None:
        return 4 * GB

    def kernel_use(self) -> KernelUse | None:
        return IN_USE

    def paging_files(self) -> list[tuple[str | None, int, int]]:
        return [("C:", 16 * GB, 48 * GB), (None, GB, 2 * GB)]


def options(**given: object) -> Namespace:
    nothing = dict.fromkeys(("source", "ram", "pagefile", "system_hive", "this_machine", "system_managed", "dedicated"))
    return Namespace(**{**nothing, **given})


def test_the_session_fills_in_what_the_user_did_not_say() -> None:
    asked = options(source="open.dmp")
    typed = add_session_facts(asked, Machine("open.dmp"))
    assert asked.pagefile == [("C:", 16 * GB, 48 * GB), (None, GB, 2 * GB)]
    assert typed == [f"/pagefile C:={16 * GB}..{48 * GB}", f"/pagefile {GB}..{2 * GB}"]


def test_the_ram_is_that_of_the_dump_where_there_is_one() -> None:
    asked = options(source="open.dmp")
    add_session_facts(asked, Machine("open.dmp"))
    assert asked.ram is None


def test_a_session_without_a_file_tells_its_ram_too() -> None:
    asked = options()
    assert add_session_facts(asked, Machine(None))[0] == f"/ram {4 * GB}"
    assert (asked.source, asked.ram) == (None, 4 * GB)


def test_ram_that_the_user_named_stays() -> None:
    asked = options(ram=8 * GB)
    assert add_session_facts(asked, Machine(None)) == [
        f"/pagefile C:={16 * GB}..{48 * GB}",
        f"/pagefile {GB}..{2 * GB}",
    ]
    assert asked.ram == 8 * GB


@pytest.mark.parametrize(
    "said", [{"pagefile": [("C:", 1, 1)]}, {"system_hive": "SYSTEM"}, {"system_managed": True}, {"source": "other.dmp"}]
)
def test_what_the_user_said_stays(said: dict[str, object]) -> None:
    asked = options(**{"source": "open.dmp", **said})
    before = asked.pagefile
    assert add_session_facts(asked, Machine("open.dmp")) == []
    assert asked.pagefile == before


def test_another_dump_than_one_in_a_session_without_a_file_is_none_of_its_business() -> None:
    asked = options(source="other.dmp")
    assert add_session_facts(asked, Machine(None)) == []
    assert (asked.ram, asked.pagefile) == (None, None)


def test_what_the_kernel_uses_is_that_of_a_session_without_a_file() -> None:
    live, dump, hive = options(), options(source="open.dmp"), options(system_hive=["SYSTEM"])
    add_session_facts(live, Machine(None))
    add_session_facts(dump, Machine("open.dmp"))
    add_session_facts(hive, Machine(None))
    assert live.kernel_use is IN_USE
    assert not hasattr(dump, "kernel_use")
    assert not hasattr(hive, "kernel_use")


def test_the_open_dump_has_nothing_to_do_with_several_hives() -> None:
    asked = options(source="open.dmp", system_hive=["A", "B"])
    assert add_session_facts(asked, Machine("open.dmp")) == []
    assert asked.source is None
