"""Inside WinDbg, kd and cdb: the bang commands, and the open session as a target. Only this package imports pykd."""
