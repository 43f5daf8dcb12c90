"""`python -m samples.builder [FOLDER]`: write every sample to a folder, by default `samples/`."""

from __future__ import annotations

import sys
from pathlib import Path

from samples.builder.catalog import SAMPLES, write


def main() -> None:
    """Write the samples."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1]
    folder.mkdir(parents=True, exist_ok=True)
    for sample in SAMPLES:
        write(sample, folder / sample.file_name)


main()
