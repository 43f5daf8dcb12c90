"""Build dumps of made-up machines, byte for byte: a description becomes memory, and memory becomes a file.

machine (what the kernel holds) -> kernel (structures, in an address space, in physical memory) -> writers (formats).
"""

from samples.builder.catalog import SAMPLES, Sample, Tweak, build, write

__all__ = ["SAMPLES", "Sample", "Tweak", "build", "write"]
