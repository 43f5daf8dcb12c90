"""Reports of the commands as text and as JSON, a module each. Knows no dumps."""
