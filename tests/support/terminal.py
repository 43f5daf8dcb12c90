"""Runs of the command line with standard error on a terminal."""

from __future__ import annotations

import os
import struct
import subprocess

from support.command_line import command, environment


def run_on_terminal(*arguments: object) -> tuple[int, str, str]:
    """Run the command line with standard error on a terminal: exit status, standard output, what the terminal got."""
    import fcntl
    import pty
    import termios

    main_end, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("<HHHH", 24, 80, 0, 0))
    process = subprocess.Popen(
        command(*arguments), env=environment(TERM="xterm"), stdout=subprocess.PIPE, stderr=terminal
    )
    os.close(terminal)
    shown = b""
    while True:
        try:
            piece = os.read(main_end, 1 << 16)
        except OSError:  # Linux: the terminal's last user has closed it
            break
        if not piece:
            break
        shown += piece
    os.close(main_end)
    out, _ = process.communicate(timeout=60)
    return process.returncode, out.decode(), shown.decode()
