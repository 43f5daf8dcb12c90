"""A catalogue of dumps: the facts of each in a database, so that a run reads only what is new."""

from windbg_ext.commands.catalog.catalog import Catalog, open_catalog
from windbg_ext.commands.catalog.scanning import ScanReport, scan_dumps
from windbg_ext.commands.catalog.views import CatalogReport, Choice, Group, summarize_catalog

__all__ = [
    "Catalog",
    "CatalogReport",
    "Choice",
    "Group",
    "ScanReport",
    "open_catalog",
    "scan_dumps",
    "summarize_catalog",
]
