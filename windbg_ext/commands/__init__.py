"""The commands: each takes a target or a path and options, and gives a report. Prints nothing."""
