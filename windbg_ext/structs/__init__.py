"""Byte layouts of kernel dump files, and of the kernel structures that are read from a dump.

This package knows no files and no memory. Sources: the public Windows SDK headers (WDBGEXTS.H, mindumpdef.h as
published in the windows-rs metadata), public parsers, and measurements on real dumps; each module names its own.
"""
