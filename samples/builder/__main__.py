"""`python -m samples.builder [FOLDER]`: write every sample to a folder, by default `samples/`."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

from samples.builder.catalog import SAMPLES, write


def main() -> None:
    """Write the samples."""
    parser = ArgumentParser(prog="python -m samples.builder", description="Write every sample.")
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).parents[1], help="by default samples/")
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    for sample in SAMPLES:
        write(sample, folder / sample.file_name)


main()
