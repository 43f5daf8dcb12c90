"""pagefilefit: will the next crash leave a dump? For every kind of dump, from whatever is at hand."""

from windbg_ext.commands.pagefilefit.advice import Advice, Setting
from windbg_ext.commands.pagefilefit.by_hand import HandFigures
from windbg_ext.commands.pagefilefit.checks import Check
from windbg_ext.commands.pagefilefit.command import PagefileFitReport, pagefilefit
from windbg_ext.commands.pagefilefit.judge import KindReport, Source, Verdict
from windbg_ext.commands.pagefilefit.machine_row import MachineRow
from windbg_ext.commands.pagefilefit.machines import MachinesReport, is_one_machine, pagefilefit_machines
from windbg_ext.commands.pagefilefit.settings import PagingFile
from windbg_ext.commands.pagefilefit.space import Place, Space, Volume
from windbg_ext.dump.kinds import DumpKind

__all__ = [
    "Advice",
    "Check",
    "DumpKind",
    "HandFigures",
    "KindReport",
    "MachineRow",
    "MachinesReport",
    "PagefileFitReport",
    "PagingFile",
    "Place",
    "Setting",
    "Source",
    "Space",
    "Verdict",
    "Volume",
    "is_one_machine",
    "pagefilefit",
    "pagefilefit_machines",
]
