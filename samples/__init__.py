"""Ready-made dumps (`*.dmp`) and the package that makes them, byte for byte: `python -m samples.builder`."""
