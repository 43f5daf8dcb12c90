"""A catalogue in a file: what it takes in, what it knows again, and what never goes into it."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from concurrent.futures import Executor, Future
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

import pytest
from support.command_line import command, environment
from support.fleet_dumps import DRIVERS, machine_uuid, made_crash, smbios, template, write_fleet
from support.made_crashes import MORE_RAM, crashed_machine

from samples.builder.machine import Placement
from samples.builder.plausible import USER_PROCESS
from samples.builder.writers import Bitmap, Complete, kernel_pages
from windbg_ext.commands.catalog import Choice, ScanReport, open_catalog, scan_dumps, scanning, summarize_catalog
from windbg_ext.commands.catalog import read_file as read_file_module
from windbg_ext.commands.catalog.database import DatabaseError
from windbg_ext.commands.catalog.schema import MIGRATIONS, VERSION
from windbg_ext.commands.catalog.views import list_dumps, read_since
from windbg_ext.commands.shard import Shard
from windbg_ext.commands.workers import WorkerLostError
from windbg_ext.errors import UsageError
from windbg_ext.render.catalog import catalog_json
from windbg_ext.render.pages import catalog as catalog_pages
from windbg_ext.structs.header import DumpType

if TYPE_CHECKING:
    from collections.abc import Iterator

    from windbg_ext.commands.catalog import CatalogReport, Group

CRASHES, MACHINES = 4, 3


def take(folder: Path, catalog: Path, **options: Any) -> ScanReport:
    with open_catalog(str(catalog)) as opened:
        return scan_dumps([str(folder)], opened, **options)


def look(catalog: Path, **choice: str) -> CatalogReport:
    with open_catalog(str(catalog), create=False) as opened:
        return summarize_catalog(opened, Choice(**choice))


def facts(catalog: Path) -> set[tuple[object, ...]]:
    with open_catalog(str(catalog), create=False) as opened:
        return set(list_dumps(opened))


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    write_fleet(tmp_path / "dumps", 24, crashes=CRASHES, machines=MACHINES)
    return tmp_path / "dumps"


def test_a_catalogue_counts_what_crashed_where_and_when(fleet: Path, tmp_path: Path) -> None:
    take(fleet, tmp_path / "c.db")
    report = look(tmp_path / "c.db")
    assert (report.crashes, report.dumps, report.machines, report.signatures) == (24, 24, MACHINES, CRASHES)
    assert (report.first, report.last) == ("2024-01-01T00:00:00Z", "2024-01-01T00:23:00Z")
    assert {group.name: (group.crashes, group.machines) for group in report.groups["signature"]} == {
        made_crash(number)[1]: (6, 3) for number in range(CRASHES)
    }
    assert [group.crashes for group in report.groups["machine"]] == [8, 8, 8]
    assert {group.name: group.crashes for group in report.groups["driver"]} == dict.fromkeys(DRIVERS[:CRASHES], 6)
    assert [(group.name, group.crashes) for group in report.groups["build"]] == [("19041", 24)]
    assert [(group.name, group.crashes) for group in report.groups["week"]] == [("2024-W01", 24)]


def test_rows_that_are_left_out_are_counted_and_a_page_of_few_rows_has_the_same_sums(
    fleet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(fleet, tmp_path / "c.db")
    with closing(sqlite3.connect(tmp_path / "c.db")) as database, database:
        database.execute("UPDATE catalog_dumps SET signature = NULL WHERE signature = ?", [made_crash(0)[1]])
    with open_catalog(str(tmp_path / "c.db"), create=False) as opened:
        none, few, every = (summarize_catalog(opened, most=most) for most in (0, 2, None))
    assert (none.groups["signature"], none.more["signature"], none.more_named["signature"]) == ((), CRASHES, (3, 18))
    assert (none.more["machine"], none.more_named["machine"]) == (MACHINES, (MACHINES, 24))
    assert (every.more["signature"], every.more_named["signature"]) == (0, (0, 0))
    monkeypatch.setattr(catalog_pages, "MOST", 1)
    pages = [catalog_pages.catalog_page(report, (), ()) for report in (few, every)]
    ranked = [next(section for section in page.sections if section.title == "Most frequent") for page in pages]
    assert ranked[0] == ranked[1]


def test_json_of_a_catalogue_begins_before_its_last_row_is_known(fleet: Path, tmp_path: Path) -> None:
    take(fleet, tmp_path / "c.db")
    report = look(tmp_path / "c.db")
    given = [0]

    def rows() -> Iterator[Group]:
        for given[0] in range(5_000):
            yield report.groups["signature"][0]

    assert next(catalog_json(report, None, {"signature": rows()}, None)).startswith('{\n  "catalog"')
    assert 0 < given[0] < 1_000


def test_a_second_run_reads_nothing_that_has_not_changed(
    fleet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert take(fleet, tmp_path / "c.db").new == 24
    before = facts(tmp_path / "c.db")
    with monkeypatch.context() as patch:
        patch.setattr(scanning, "read_files", lambda tasks, **_: pytest.fail(f"{tasks} are read"))
        second = take(fleet, tmp_path / "c.db")
    assert (second.known, second.new, second.found) == (24, 0, 24)
    assert facts(tmp_path / "c.db") == before


def test_a_file_that_has_changed_is_read_again_and_the_older_crash_is_kept(tmp_path: Path) -> None:
    (tmp_path / "dumps").mkdir()
    path = tmp_path / "dumps" / "MEMORY.DMP"
    path.write_bytes(template(0))
    take(tmp_path / "dumps", tmp_path / "c.db")
    path.write_bytes(template(1))
    os.utime(path, ns=(1, 1))
    assert take(tmp_path / "dumps", tmp_path / "c.db").new == 1
    names = {group.name for group in look(tmp_path / "c.db").groups["signature"]}
    assert names == {made_crash(0)[1], made_crash(1)[1]}


def test_a_file_that_was_moved_is_known_again_by_its_first_bytes(
    fleet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(fleet, tmp_path / "c.db")
    before = facts(tmp_path / "c.db")
    shutil.copytree(fleet, tmp_path / "elsewhere")  # keeps the times, as mv between disks and robocopy do
    shutil.rmtree(fleet)
    with monkeypatch.context() as patch:
        patch.setattr(read_file_module, "dumpkind", None)
        moved = take(tmp_path / "elsewhere", tmp_path / "c.db")
    assert (moved.moved, moved.new, moved.failed) == (24, 0, 0)
    assert {row[:-1] for row in facts(tmp_path / "c.db")} == {row[:-1] for row in before}
    assert take(tmp_path / "elsewhere", tmp_path / "c.db").known == 24


def test_a_copy_with_another_time_is_no_second_dump(fleet: Path, tmp_path: Path) -> None:
    take(fleet, tmp_path / "c.db")
    for path in fleet.rglob("*.dmp"):
        shutil.copyfile(path, path.with_name(f"copy-{path.name}"))
    assert take(fleet, tmp_path / "c.db").new == 24
    assert look(tmp_path / "c.db").dumps == 24


def test_the_large_and_the_small_dump_of_a_crash_are_one_crash(tmp_path: Path) -> None:
    (tmp_path / "dumps").mkdir()
    (tmp_path / "dumps" / "small.dmp").write_bytes(template(0))
    (tmp_path / "dumps" / "MEMORY.DMP").write_bytes(template(0, Bitmap(DumpType.BITMAP_KERNEL, kernel_pages)))
    take(tmp_path / "dumps", tmp_path / "c.db")
    report = look(tmp_path / "c.db")
    assert (report.crashes, report.dumps) == (1, 2)


def test_what_is_no_dump_and_what_cannot_be_read_is_told_and_only_the_latter_is_tried_again(tmp_path: Path) -> None:
    folder = tmp_path / "dumps"
    folder.mkdir()
    (folder / "a.dmp").write_bytes(template(0))
    (folder / "b.dmp").write_bytes(b"MDMP")
    (folder / "c.dmp").symlink_to(folder / "nowhere")
    first = take(folder, tmp_path / "c.db")
    assert (first.new, first.others, first.failed, first.complete) == (1, 1, 1, False)
    assert [Path(path).name for path, _ in first.problems] == ["c.dmp", "b.dmp"]
    second = take(folder, tmp_path / "c.db")
    assert (second.known, second.others, second.failed) == (2, 0, 1)
    (folder / "nowhere").write_bytes(template(1))
    assert take(folder, tmp_path / "c.db").new == 1


def test_a_run_that_was_ended_goes_on_with_what_is_left(
    fleet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scanning, "MAX_UNSAVED", 5)

    def stop(_doing: str, done: int, _total: int) -> None:
        if done == 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        take(fleet, tmp_path / "c.db", progress=stop)
    rest = take(fleet, tmp_path / "c.db")
    assert (rest.known, rest.new) == (10, 14)
    assert look(tmp_path / "c.db").crashes == 24


def test_two_runs_at_once_lose_nothing_and_count_nothing_twice(
    fleet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WINDBG_EXT_CATALOG_KEY", "the same for both catalogues")
    runs = [
        subprocess.Popen(
            command("dumpkind", fleet, "--catalog", tmp_path / "c.db", "--jobs", 1),
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for _ in range(2)
    ]
    assert [(run.communicate(timeout=60)[1], run.returncode) for run in runs] == [(b"", 0)] * 2
    take(fleet, tmp_path / "one.db")
    with closing(sqlite3.connect(tmp_path / "c.db")) as both, closing(sqlite3.connect(tmp_path / "one.db")) as one:
        for sql in (
            "SELECT fingerprint, crash, signature, crashed_at FROM catalog_dumps ORDER BY 1",
            "SELECT * FROM catalog_files ORDER BY path",
        ):
            assert both.execute(sql).fetchall() == one.execute(sql).fetchall()


def test_parts_of_a_list_are_all_of_it_and_share_nothing(fleet: Path, tmp_path: Path) -> None:
    runs = [take(fleet, tmp_path / "c.db", shard=Shard(number, 4)) for number in range(1, 5)]
    assert sum(run.found for run in runs) == sum(run.new for run in runs) == 24
    assert look(tmp_path / "c.db").crashes == 24


@pytest.mark.parametrize(("name", "parts"), [("C:\\dumps\\a.dmp", 7), ("s3://b/a.dmp", 3), ("a.dmp", 1), ("\udc80", 5)])
def test_a_name_belongs_to_one_part_whatever_separates_its_folders(name: str, parts: int) -> None:
    taking = [number for number in range(1, parts + 1) if Shard(number, parts).takes(name)]
    assert len(taking) == 1
    assert Shard(taking[0], parts).takes(name.replace("\\", "/"))


def test_machines_are_counted_by_a_hash_that_only_this_catalogue_makes(fleet: Path, tmp_path: Path) -> None:
    take(fleet, tmp_path / "a.db")
    take(fleet, tmp_path / "b.db")
    machines = [{str(group.name) for group in look(tmp_path / name).groups["machine"]} for name in ("a.db", "b.db")]
    assert [len(found) for found in machines] == [MACHINES, MACHINES]
    assert not machines[0] & machines[1]
    data = (tmp_path / "a.db").read_bytes()
    for number in range(MACHINES):
        uuid = machine_uuid(number)
        assert not any(form in data for form in (uuid.bytes, uuid.bytes_le, uuid.hex.encode(), str(uuid).encode()))


@pytest.mark.parametrize("uuid", [bytes(16), b"\xff" * 16])
def test_a_uuid_that_was_never_set_names_no_machine(tmp_path: Path, uuid: bytes) -> None:
    data = template(0).replace(machine_uuid(0).bytes_le, uuid)
    (tmp_path / "a.dmp").write_bytes(data)
    take(tmp_path, tmp_path / "c.db")
    assert look(tmp_path / "c.db").machines == 0


def test_smbios_tables_that_are_cut_anywhere_are_read_without_an_error(tmp_path: Path) -> None:
    tables = smbios(machine_uuid(0))
    for end in range(0, len(tables), 17):
        data = template(0)
        at = data.rindex(tables)
        (tmp_path / f"{end}.dmp").write_bytes(data[: at + end] + bytes(len(tables) - end) + data[at + len(tables) :])
    assert take(tmp_path, tmp_path / "c.db").complete


@pytest.mark.parametrize("process", [pytest.param(USER_PROCESS, marks=pytest.mark.slow), "System"])
def test_the_computers_name_is_found_in_the_environment_of_any_process(tmp_path: Path, process: str) -> None:
    """PEB.ProcessParameters and RTL_USER_PROCESS_PARAMETERS.Environment: public symbols of x64 Windows."""
    from dataclasses import replace

    import samples.builder
    from samples.builder import Sample

    machine = crashed_machine(made_crash(0)[0], ram=MORE_RAM)
    peb = next(found.peb for found in machine.processes if found.name == USER_PROCESS)
    parameters, block = peb + 0x4000, peb + 0x5000
    text = "ALLUSERSPROFILE=C:\\ProgramData\0computername=PC-17\0Path=C:\\\0\0".encode("utf-16-le")
    placements = (
        Placement(peb + 0x20, parameters.to_bytes(8, "little"), process=USER_PROCESS),
        Placement(parameters + 0x80, block.to_bytes(8, "little"), process=USER_PROCESS),
        Placement(block, text, process=USER_PROCESS),
    )
    crashed = machine.threads[0]
    threads = tuple(replace(thread, process=process) if thread is crashed else thread for thread in machine.threads)
    machine = replace(machine, placements=(*machine.placements, *placements), threads=threads)
    for name, form in (("complete", Complete()), ("kernel", Bitmap(DumpType.BITMAP_KERNEL, kernel_pages))):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.dmp").write_bytes(samples.builder.build(Sample("named", "", machine, form)))
        take(tmp_path / name, tmp_path / f"{name}.db")
    assert [(group.name, group.about) for group in look(tmp_path / "complete.db").groups["machine"]] == [
        ("PC-17", "PC-17")
    ]
    assert [group.name for group in look(tmp_path / "kernel.db").groups["machine"]] == [None]


def test_nothing_of_the_memory_of_a_dump_is_in_the_database(tmp_path: Path) -> None:
    (tmp_path / "MEMORY.DMP").write_bytes(template(0, Complete()))
    take(tmp_path, tmp_path / "c.db")
    data = (tmp_path / "c.db").read_bytes()
    for text in (b"first object", b"on the user stack", b"first blob of the sample", b"paged pool, in transition"):
        assert text not in data
        assert text.decode().encode("utf-16-le") not in data


def test_hostile_text_of_a_dump_is_taken_in_without_control_characters(tmp_path: Path) -> None:
    from support.made_crashes import MadeCrash, dump_of

    name = "\x1b[2J\u202e" + "x" * 400 + ".sys"
    crash = MadeCrash(0x133, (1, 0, 0, 0), ((name, 0x25),), ((name, 0x9000),))
    (tmp_path / "a.dmp").write_bytes(dump_of(crash, Complete()))
    take(tmp_path, tmp_path / "c.db")
    (group,) = look(tmp_path / "c.db").groups["driver"]
    assert group.name is not None
    assert group.name.isprintable()
    assert len(group.name) <= 300


def test_a_catalogue_of_an_older_version_is_brought_to_the_newest_and_keeps_its_dumps(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "c.db")) as old:
        for statement in MIGRATIONS[0]:
            old.execute(statement)
        old.execute("INSERT INTO catalog_facts VALUES ('schema_version', '1')")
        old.execute("INSERT INTO catalog_dumps (fingerprint, crash, kind) VALUES ('f', 'c', 'small')")
        old.commit()
    assert look(tmp_path / "c.db").crashes == 1
    with closing(sqlite3.connect(tmp_path / "c.db")) as new:
        assert new.execute("SELECT value FROM catalog_facts").fetchall() == [(str(VERSION),)]
        indexes = new.execute("SELECT COUNT(*) FROM sqlite_master WHERE type = 'index' AND name LIKE 'catalog_%'")
        assert indexes.fetchone() == (4,)


def test_a_newer_catalogue_is_refused_with_a_line_and_stays_as_it_is(fleet: Path, tmp_path: Path) -> None:
    take(fleet, tmp_path / "c.db")
    with closing(sqlite3.connect(tmp_path / "c.db")) as newer:
        newer.execute("UPDATE catalog_facts SET value = '99' WHERE name = 'schema_version'")
        newer.commit()
    before = (tmp_path / "c.db").read_bytes()
    with pytest.raises(DatabaseError, match=f"has version 99 of its tables, this windbg-ext knows {VERSION}; update"):
        take(fleet, tmp_path / "c.db")
    assert (tmp_path / "c.db").read_bytes() == before


def test_files_and_databases_of_others_are_refused_and_stay_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no database" * 100)
    with closing(sqlite3.connect(tmp_path / "other.db")) as other:
        other.execute("CREATE TABLE theirs (name TEXT)")
        other.commit()
    for name, why in (("text", "is a file of another kind"), ("other.db", "is a database of another program")):
        before = (tmp_path / name).read_bytes()
        with pytest.raises(DatabaseError, match=why):
            look(tmp_path / name)
        with pytest.raises(DatabaseError, match=why), open_catalog(str(tmp_path / name)):
            pass
        assert (tmp_path / name).read_bytes() == before
    with pytest.raises(DatabaseError, match="is not there"):
        look(tmp_path / "nowhere.db")
    assert not (tmp_path / "nowhere.db").exists()


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("mysql://h/n", "no database that is known"),
        ("postgresql://u:secret@h/n", "leave the password out"),
        ("postgresql://h/n?password=secret", "leave the password out"),
    ],
)
def test_addresses_that_are_no_database_and_those_with_a_password_are_refused(name: str, why: str) -> None:
    with pytest.raises(UsageError, match=why) as refused, open_catalog(name):
        pass
    assert "secret" not in str(refused.value)


@pytest.mark.skipif(os.name == "nt", reason="there are no permission bits")
def test_a_new_catalogue_can_be_read_by_its_owner_only(fleet: Path, tmp_path: Path) -> None:
    take(fleet, tmp_path / "c.db")
    assert (tmp_path / "c.db").stat().st_mode & 0o777 == 0o600


def test_catalogues_with_one_key_are_merged_into_what_one_run_makes(
    fleet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WINDBG_EXT_CATALOG_KEY", "a secret that all parts share")
    for number in (1, 2, 3):
        take(fleet, tmp_path / f"{number}.db", shard=Shard(number, 3))
    take(fleet, tmp_path / "one.db")
    with open_catalog(str(tmp_path / "all.db")) as everything:
        for number in (1, 2, 3):
            with open_catalog(str(tmp_path / f"{number}.db"), create=False) as part:
                everything.merge(part)
                everything.merge(part)  # twice is once
    assert facts(tmp_path / "all.db") == facts(tmp_path / "one.db")


def test_catalogues_with_different_keys_are_not_merged(fleet: Path, tmp_path: Path) -> None:
    for name in ("a.db", "b.db"):
        take(fleet, tmp_path / name)
    with (
        open_catalog(str(tmp_path / "a.db")) as ours,
        open_catalog(str(tmp_path / "b.db")) as theirs,
        pytest.raises(DatabaseError, match="hashes machines with another key"),
    ):
        ours.merge(theirs)


def test_views_show_what_was_chosen(fleet: Path, tmp_path: Path) -> None:
    take(fleet, tmp_path / "c.db")
    text = made_crash(1)[1]
    (group,) = look(tmp_path / "c.db", signature=text[:5].upper()).groups["signature"]
    assert (group.name, group.crashes) == (text, 6)
    assert look(tmp_path / "c.db", signature=str(group.hash)).crashes == 6
    assert look(tmp_path / "c.db", signature="%").crashes == 0
    assert look(tmp_path / "c.db", since="2024-01-01T00:20:00Z").crashes == 4
    assert look(tmp_path / "c.db", since="2024-01-02T00:00:00Z").crashes == 0


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-01-31", "2024-01-31T00:00:00Z"),
        ("2024-01-31T12:30:00+02:00", "2024-01-31T10:30:00Z"),
        ("2024-01-31T12:30:00Z", "2024-01-31T12:30:00Z"),
    ],
)
def test_a_time_to_begin_with_is_read_as_utc(text: str, moment: str) -> None:
    assert read_since(text) == moment


@pytest.mark.parametrize("text", ["", "yesterday", "99999d", "-3d", "2024-13-01"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no date such as"):
        read_since(text)


class Losing(Executor):
    """Loses the worker of every task with a certain file in it, as `LocalWorkers` tells it."""

    def __init__(self, poisoned: str, times: int) -> None:
        self.poisoned, self.times = poisoned, times
        self.tries: list[int] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        if any(task.stamp.path.endswith(self.poisoned) for task in args[0]) and self.times:
            self.times -= 1
            self.tries.append(len(args[0]))
            future.set_exception(WorkerLostError("was ended by signal 9"))
        else:
            future.set_result(fn(*args, **kwargs))
        return future


def test_a_file_that_ends_its_worker_is_tried_once_more_alone_and_costs_only_itself(
    fleet: Path, tmp_path: Path
) -> None:
    poisoned = sorted(fleet.rglob("*.dmp"))[7].name
    executor = Losing(poisoned, times=9)
    run = take(fleet, tmp_path / "c.db", executor=executor)
    assert (run.new, run.failed) == (23, 1)
    assert executor.tries == [16, 1]
    assert "worker process: was ended by signal 9" in run.problems[0][1]
    again = take(fleet, tmp_path / "c.db", executor=Losing(poisoned, times=2))
    assert (again.known, again.new, again.failed) == (23, 0, 1)
    assert take(fleet, tmp_path / "c.db").new == 1
    assert look(tmp_path / "c.db").crashes == 24


def test_a_worker_that_dies_once_costs_nothing(fleet: Path, tmp_path: Path) -> None:
    run = take(fleet, tmp_path / "c.db", executor=Losing(sorted(fleet.rglob("*.dmp"))[7].name, times=1))
    assert (run.new, run.failed) == (24, 0)
