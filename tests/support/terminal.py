"""Runs of the command line with standard error on a terminal."""

from __future__ import annotations

import os
import struct
import subprocess

from support.command_line import command, environment


def open_terminal(width: int = 80) -> tuple[int, int]:
    """Return the two ends of a terminal with so many columns: the one that reads what it gets, the one to write to."""
    import fcntl
    import pty
    import termios

    main_end, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("<HHHH", 24, width, 0, 0))
    return main_end, terminal


def all_of(main_end: int) -> str:
    """Return what a terminal gets until its last user has closed it, and close it."""
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
    return shown.decode()


def run_on_terminal(*arguments: object) -> tuple[int, str, str]:
    """Run the command line with standard error on a terminal: exit status, standard output, what the terminal got."""
    main_end, terminal = open_terminal()
    process = subprocess.Popen(
        command(*arguments), env=environment(TERM="xterm"), stdout=subprocess.PIPE, stderr=terminal
    )
    os.close(terminal)
    shown = all_of(main_end)
    out, _ = process.communicate(timeout=60)
    return process.returncode, out.decode(), shown
