"""Samba: a share for everybody, one for a user, one that cannot be written."""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

from support.ports import free_port
from support.remote_servers.process import SECONDS_TO_START, program, started

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

USER, PASSWORD = "root", "Geheimnis-23"
"""The only user that is certain to exist; samba keeps a password of its own for it."""


@contextmanager
def samba(folder: Path, files: Path) -> Iterator[int]:
    """Serve a folder as the shares open (guests), private (USER, PASSWORD) and readonly (guests). Yield the port."""
    executable = program("smbd", "samba")
    port = free_port()
    for name in ("private", "lock", "state", "cache", "pid", "ncalrpc"):
        (folder / name).mkdir(exist_ok=True)
    configuration = folder / "smb.conf"
    configuration.write_text(
        f"""
[global]
  workgroup = TEST
  server role = standalone server
  interfaces = 127.0.0.1
  bind interfaces only = yes
  smb ports = {port}
  map to guest = Bad User
  guest account = {_account()}
  private dir = {folder}/private
  lock directory = {folder}/lock
  state directory = {folder}/state
  cache directory = {folder}/cache
  pid directory = {folder}/pid
  ncalrpc dir = {folder}/ncalrpc
  passdb backend = tdbsam:{folder}/private/passdb.tdb
  log file = {folder}/smbd.log
  load printers = no
  disable spoolss = yes
  server min protocol = SMB2
[open]
  path = {files}
  guest ok = yes
  read only = no
  force user = {_account()}
[private]
  path = {files}
  valid users = {USER}
  read only = no
[readonly]
  path = {files}
  guest ok = yes
  read only = yes
  force user = {_account()}
"""
    )
    subprocess.run(
        [program("smbpasswd", "samba-common-bin"), "-c", str(configuration), "-s", "-a", USER],
        input=f"{PASSWORD}\n{PASSWORD}\n".encode(),
        check=True,
        capture_output=True,
        timeout=SECONDS_TO_START,
    )
    command = [executable, "-F", "--no-process-group", "-s", str(configuration), "-d", "0"]
    with started(command, port, folder / "output.log"):
        yield port


def _account() -> str:
    import pwd

    return pwd.getpwuid(os.geteuid()).pw_name
