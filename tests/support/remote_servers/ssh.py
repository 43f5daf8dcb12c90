"""OpenSSH with its SFTP server, for whoever runs the tests, by key; and rclone's, by password."""

from __future__ import annotations

import getpass
import os
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from support.ports import free_port
from support.remote_servers.process import SECONDS_TO_START, program, started

if TYPE_CHECKING:
    from collections.abc import Iterator

PASSWORD = "Geheimnis-42"


class SshServer(NamedTuple):
    """home: a home folder whose .ssh has the key of the user and knows that of the server."""

    port: int
    user: str
    home: Path


@contextmanager
def openssh(folder: Path) -> Iterator[SshServer]:
    """Serve all files of this machine that the user may read. folder: where keys and settings go."""
    executable = program("sshd", "openssh-server")
    port, user = free_port(), getpass.getuser()
    ssh = folder / "home" / ".ssh"
    ssh.mkdir(parents=True, mode=0o700)
    for name in (folder / "host_key", ssh / "id_ed25519"):
        subprocess.run(
            [program("ssh-keygen", "openssh-client"), "-q", "-t", "ed25519", "-N", "", "-f", str(name)],
            check=True,
            timeout=SECONDS_TO_START,
        )
    (folder / "authorized").write_bytes((ssh / "id_ed25519.pub").read_bytes())
    (ssh / "known_hosts").write_text(f"[127.0.0.1]:{port} {(folder / 'host_key.pub').read_text()}")
    (folder / "sshd_config").write_text(
        f"""
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized
PidFile {folder}/sshd.pid
StrictModes no
PermitRootLogin yes
PasswordAuthentication no
UsePAM no
Subsystem sftp internal-sftp
"""
    )
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    with started([executable, "-D", "-e", "-f", str(folder / "sshd_config")], port, folder / "output.log"):
        yield SshServer(port, user, folder / "home")


def know(home: Path, port: int, folder: Path) -> None:
    """Let a user know the key of a server under another port, that of a proxy."""
    with (home / ".ssh" / "known_hosts").open("a") as known:
        known.write(f"[127.0.0.1]:{port} {(folder / 'host_key.pub').read_text()}")


@contextmanager
def rclone_sftp(folder: Path, files: Path) -> Iterator[SshServer]:
    """Serve a folder to the user "reader" with PASSWORD."""
    executable = program("rclone", "rclone")
    port = free_port()
    ssh = folder / "home" / ".ssh"
    ssh.mkdir(parents=True, mode=0o700)
    key = folder / "host_key"
    subprocess.run(
        [program("ssh-keygen", "openssh-client"), "-q", "-t", "ed25519", "-N", "", "-f", str(key)],
        check=True,
        timeout=SECONDS_TO_START,
    )
    (ssh / "known_hosts").write_text(f"[127.0.0.1]:{port} {(folder / 'host_key.pub').read_text()}")
    command = [executable, "serve", "sftp", str(files), "--addr", f"127.0.0.1:{port}", "--user", "reader"]
    command += ["--pass", PASSWORD, "--key", str(key), "--config", str(folder / "none.conf")]
    with started(command, port, folder / "output.log", {"HOME": str(folder)}):
        yield SshServer(port, "reader", folder / "home")
