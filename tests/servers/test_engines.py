"""One process, two, a Dask cluster and four parts make the same catalogue and the same small dumps."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from support.command_line import Outcome, command, contents, environment, run_process
from support.fleet_dumps import made_crash, write_fleet

from samples.builder.writers import Bitmap, kernel_pages
from windbg_ext.commands.catalog import open_catalog
from windbg_ext.structs.header import DumpType

if TYPE_CHECKING:
    from pathlib import Path

    from support.servers import Cluster, Postgres

DUMPS, CRASHES, MACHINES = 240, 8, 5
LARGE = 12
FILES = "SELECT path, size, modified, reader, fingerprint, problem FROM catalog_files ORDER BY path"
ROWS = "SELECT * FROM catalog_dumps ORDER BY fingerprint"


@pytest.fixture(scope="module")
def dumps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fleet")
    write_fleet(folder, DUMPS, crashes=CRASHES, machines=MACHINES)
    (folder / "text.dmp").write_bytes(b"no dump")
    return folder


def rows(catalog: object) -> list[tuple[object, ...]]:
    with open_catalog(str(catalog), create=False) as opened:
        return [*opened.database.rows(ROWS), *opened.database.rows(FILES)]


def taken(*arguments: object) -> Outcome:
    outcome = run_process("dumpkind", *arguments, timeout=120)
    assert (outcome.status, outcome.err) == (1, ""), outcome  # text.dmp is no dump
    return outcome


def in_parts(dumps: Path, catalogs: list[object]) -> None:
    """Take in a part with each catalogue, all at once."""
    parts = [
        subprocess.Popen(
            command("dumpkind", dumps, "--catalog", catalog, "--shard", f"{number}/{len(catalogs)}", "--jobs", 1),
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        for number, catalog in enumerate(catalogs, 1)
    ]
    assert [part.communicate(timeout=120)[1] for part in parts] == [b""] * len(parts)


def test_every_engine_and_database_makes_the_same_catalogue(
    dumps: Path, tmp_path: Path, postgres_server: Postgres, dask_cluster: Cluster
) -> None:
    expected: list[tuple[object, ...]] = []
    for kind in ("sqlite", "postgres"):

        def new(name: str, kind: str = kind) -> object:
            return tmp_path / f"{name}.db" if kind == "sqlite" else postgres_server.new_database(f"engines-{name}")

        one, two, cluster, together = new("one"), new("two"), new("cluster"), new("together")
        taken(dumps, "--catalog", one, "--jobs", 1)
        taken(dumps, "--catalog", two, "--jobs", 2)
        taken(dumps, "--catalog", cluster, "--cluster", dask_cluster.address)
        in_parts(dumps, [together] * 4)
        parts = [new(f"part{number}") for number in range(4)]
        in_parts(dumps, parts)
        merged = new("merged")
        merges = [word for part in parts for word in ("--merge", part)]
        assert run_process("dumpkind", "--catalog", merged, *merges).status == 0
        expected = expected or rows(one)
        assert len(expected) == 2 * DUMPS + 1
        for catalog in (one, two, cluster, together, merged):
            assert rows(catalog) == expected
        shown = run_process("dumpkind", "--catalog", merged, "--json").out
        assert shown.replace(str(merged), "") == run_process("dumpkind", "--catalog", one, "--json").out.replace(
            str(one), ""
        )


def test_every_engine_makes_the_same_small_dumps_byte_for_byte(tmp_path: Path, dask_cluster: Cluster) -> None:
    write_fleet(tmp_path / "large", LARGE, crashes=4, machines=3, form=Bitmap(DumpType.BITMAP_KERNEL, kernel_pages))
    runs = {
        "one": [["--jobs", "1"]],
        "two": [["--jobs", "2"]],
        "cluster": [["--cluster", dask_cluster.address]],
        "parts": [["--shard", f"{number}/4", "--jobs", "1"] for number in range(1, 5)],
    }
    for name, commands in runs.items():
        for options in commands:
            outcome = run_process("minify", tmp_path / "large", tmp_path / name, *options, timeout=120)
            assert (outcome.status, outcome.err) == (0, ""), outcome
    made = [contents(tmp_path / name) for name in runs]
    assert sum(name.endswith("-small.dmp") for name in made[0]) == LARGE
    assert made == [made[0]] * len(made)


def test_a_cluster_takes_paths_that_are_relative_to_the_folder_of_the_client(
    tmp_path: Path, dask_cluster: Cluster
) -> None:
    write_fleet(tmp_path / "large", 2, crashes=2, form=Bitmap(DumpType.BITMAP_KERNEL, kernel_pages))
    for arguments in (
        ("dumpkind", "large"),
        ("dumpkind", "large", "--catalog", "c.db"),
        ("minify", "large", "small"),
    ):
        done = subprocess.run(
            command(*arguments, "--cluster", dask_cluster.address),
            env=environment(),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, ""), done
    assert made_crash(0)[1] in run_process("dumpkind", "--catalog", tmp_path / "c.db").out
    assert sum(name.endswith("-small.dmp") for name in contents(tmp_path / "small")) == 2


def test_the_library_takes_the_executor_of_a_client(tmp_path: Path, dask_cluster: Cluster) -> None:
    distributed = pytest.importorskip("distributed")
    from windbg_ext import minify_many

    write_fleet(tmp_path / "large", 2, crashes=2, form=Bitmap(DumpType.BITMAP_KERNEL, kernel_pages))
    with distributed.Client(dask_cluster.address, set_as_default=False) as client:
        report = minify_many(tmp_path / "large", tmp_path / "small", executor=client.get_executor(pure=False))
    assert report.complete


def test_a_cluster_that_does_not_see_the_files_is_told_at_the_start(tmp_path: Path, dask_cluster: Cluster) -> None:
    """The workers of the tests see all that this machine sees, so the path is one that nobody sees."""
    outcome = run_process(
        "dumpkind", tmp_path / "nowhere", "--catalog", tmp_path / "c.db", "--cluster", dask_cluster.address
    )
    assert outcome.status == 3
    assert f"does not see {tmp_path / 'nowhere'}; name a path or URL that all workers see" in outcome.err
    assert len(outcome.err.splitlines()) == 1


def test_a_cluster_that_is_not_there_is_told_with_a_line(tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    outcome = run_process("dumpkind", tmp_path, "--cluster", "tcp://127.0.0.1:1")
    assert outcome.status == 3
    assert "cluster: no scheduler answers" in outcome.err
    assert len(outcome.err.splitlines()) == 1
    assert "Traceback" not in outcome.err


def test_without_dask_a_line_says_what_to_install(tmp_path: Path) -> None:
    program = "import sys; sys.modules['distributed'] = None; from windbg_ext.cli import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", program, "dumpkind", str(tmp_path), "--cluster", "tcp://127.0.0.1:1"],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "python -m pip install 'windbg-ext[fleet]'" in done.stderr
