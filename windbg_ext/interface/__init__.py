"""The commands as values: their options, how they run, and what they need of the command line or the debugger."""
