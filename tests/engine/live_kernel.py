"""A machine that has stopped for its kernel debugger: the kernel's side of the KD protocol, over TCP.

The machine is one of samples/builder; a debugger attaches with `-k com:ipport=PORT,port=127.0.0.1` and reads its
memory, registers and control registers. The machine never resumes, and nothing can be written to it.

Sources of the protocol: windbgkd.h as ReactOS publishes it (packets, DBGKD_WAIT_STATE_CHANGE, DBGKD_MANIPULATE_STATE64,
API numbers); Albert Almeida, "KD extension DLLs & KDCOM protocol"; the debugger client of rizin (`winkd`). What the
engine needs was found by attaching the engine, 10.0.15063.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from samples.builder.contexts import context_buffer
from samples.builder.physical import PAGE_SIZE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from samples.builder.crashed_machine import CrashedMachine

SECONDS_UNTIL_ALL_IS_LOST = 120
"""A debugger that is silent for this long is gone."""

PACKET = struct.Struct("<4sHHII")  # leader, type, bytes of data, id, sum of the bytes
DATA, CONTROL, END_OF_DATA = b"0000", b"iiii", b"\xaa"
STATE_MANIPULATE, ACKNOWLEDGE, RESEND, RESET, STATE_CHANGE = 2, 4, 5, 6, 7
FIRST_ID, SYNC = 0x80800000, 0x800
"""Packet ids alternate between this and the next number, on each side; the first one after a reset is marked."""

MANIPULATE_STATE = struct.Struct("<IHHI4x")  # API number, processor level, processor, status; 40 bytes follow
READ_VIRTUAL, RESTORE_BREAKPOINT, READ_CONTROL_SPACE = 0x3130, 0x3135, 0x3137
READ_PHYSICAL, GET_VERSION, SWITCH_PROCESSOR = 0x313D, 0x3146, 0x3150
CLEAR_ALL_INTERNAL_BREAKPOINTS, GET_CONTEXT_EX = 0x315A, 0x315F
SUCCESS, UNSUCCESSFUL, NOT_IMPLEMENTED = 0, 0xC0000001, 0xC0000002

READ_MEMORY = struct.Struct("<QII")  # address, bytes wanted, bytes read
CONTEXT_PART = struct.Struct("<III")  # offset, bytes wanted, bytes read
CONTROL_SPACE_KPCR, CONTROL_SPACE_KPRCB, CONTROL_SPACE_SPECIAL_REGISTERS, CONTROL_SPACE_KTHREAD = range(4)

VERSION = struct.Struct("<HHBBHHBBBBHQQQ")
FREE_BUILD, PROTOCOL_64_BIT, AMD64_CONTEXT, AMD64 = 0xF, 6, 2, 0x8664
SEVERAL_PROCESSORS, HAS_DEBUGGER_DATA, POINTERS_OF_64_BIT = 1, 2, 4
PACKET_TYPES, STATE_CHANGES = 12, 3

EXCEPTION_STATE_CHANGE = struct.Struct("<IHHI4xQQ")  # kind, level, processor, processors, thread, program counter
EXCEPTION = struct.Struct("<IIQQI4x15QI4x")  # EXCEPTION_RECORD64, first chance
CONTROL_REPORT = struct.Struct("<QQIHH16s4H")  # Dr6, Dr7, EFlags, bytes of code, flags, code, segments
BREAKPOINT, LEVEL, FLAGS_AND_SEGMENTS_ARE_TOLD = 0x80000003, 6, 3


class ResetError(Exception):
    """The debugger wants to start again."""


class Wire:
    """Packets to and from the debugger. Raises EOFError when the debugger is gone."""

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(SECONDS_UNTIL_ALL_IS_LOST)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connection = connection
        self._next_id, self._expected_id = FIRST_ID | SYNC, FIRST_ID

    def send(self, kind: int, data: bytes) -> None:
        """Send data until the debugger has it. Raise ResetError if it wants to start again instead."""
        while True:
            head = PACKET.pack(DATA, kind, len(data), self._next_id, sum(data))
            self._connection.sendall(head + data + END_OF_DATA)
            answer, _, _ = self._packet()
            while answer not in (ACKNOWLEDGE, RESEND, RESET):  # a request that came too early will be repeated
                answer, _, _ = self._packet()
            if answer == RESET:
                self._reset()
            if answer == ACKNOWLEDGE:
                self._next_id = (self._next_id & ~SYNC) ^ 1
                return

    def receive(self) -> bytes:
        """Return the data of the next request. Raise ResetError if the debugger wants to start again."""
        while True:
            kind, number, data = self._packet()
            if kind == RESET:
                self._reset()
            if kind == STATE_MANIPULATE:
                self._control(ACKNOWLEDGE, number & ~SYNC)
                if number & ~SYNC == self._expected_id:  # otherwise it is a repeated packet
                    self._expected_id ^= 1
                    return data

    def _reset(self) -> None:
        self._next_id, self._expected_id = FIRST_ID, FIRST_ID
        self._control(RESET, 0)
        raise ResetError

    def _control(self, kind: int, number: int) -> None:
        self._connection.sendall(PACKET.pack(CONTROL, kind, 0, number, 0))

    def _packet(self) -> tuple[int, int, bytes]:
        leader = b""
        while leader not in (DATA, CONTROL):  # requests to break in: the machine has already stopped
            leader = (leader + self._bytes(1))[-4:]
        _, kind, size, number, _ = PACKET.unpack(leader + self._bytes(PACKET.size - len(leader)))
        return kind, number, self._bytes(size + len(END_OF_DATA))[:size] if leader == DATA else b""

    def _bytes(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            piece = self._connection.recv(count - len(data))
            if not piece:
                raise EOFError
            data += piece
        return data


@dataclass
class StoppedKernel:
    """Answers a debugger's requests. current: the processor that the debugger looks at."""

    crashed: CrashedMachine
    wire: Wire
    current: int

    def serve(self) -> None:
        """Answer until the debugger is gone."""
        while True:
            with contextlib.suppress(ResetError):
                self.wire.send(STATE_CHANGE, self.state())
                while True:
                    self.answer(self.wire.receive())

    def state(self) -> bytes:
        """Return a state change: the current processor has stopped at a breakpoint."""
        machine = self.crashed.machine
        processor = machine.processors[self.current]
        at = processor.registers["Rip"]
        code = self.virtual(at, 16)
        change = (0x3030, LEVEL, self.current, len(machine.processors), processor.current_thread, at)
        exception = (BREAKPOINT, 0, 0, at, 1, *[0] * 15, True)
        segments = (0x10, 0x2B, 0x2B, 0x53)
        report = (0, 0x400, 0x246, len(code), FLAGS_AND_SEGMENTS_ARE_TOLD, code, *segments)
        return EXCEPTION_STATE_CHANGE.pack(*change) + EXCEPTION.pack(*exception) + CONTROL_REPORT.pack(*report)

    def answer(self, request: bytes) -> None:
        """Answer one request, unless it needs no answer."""
        api, level, processor, _ = MANIPULATE_STATE.unpack_from(request)
        body = request[MANIPULATE_STATE.size : MANIPULATE_STATE.size + 40]
        if api == SWITCH_PROCESSOR:
            self.current = processor
            self.wire.send(STATE_CHANGE, self.state())
        elif api != CLEAR_ALL_INTERNAL_BREAKPOINTS:
            status, body, data = self.outcome(api, processor, body)
            self.wire.send(STATE_MANIPULATE, MANIPULATE_STATE.pack(api, level, processor, status) + body + data)

    def outcome(self, api: int, processor: int, body: bytes) -> tuple[int, bytes, bytes]:
        """Return status, body and data of the answer."""
        if api == GET_VERSION:
            return SUCCESS, self.version(), b""
        if api == RESTORE_BREAKPOINT:  # there is none
            return SUCCESS, body, b""
        if api == GET_CONTEXT_EX:
            offset, size, _ = CONTEXT_PART.unpack_from(body)
            data = self.context(processor)[offset : offset + size]
            head = CONTEXT_PART.pack(offset, size, len(data))
        elif api in (READ_VIRTUAL, READ_PHYSICAL, READ_CONTROL_SPACE):
            address, size, _ = READ_MEMORY.unpack_from(body)
            if api == READ_CONTROL_SPACE:
                data = self.control_space(processor, address)[:size]
            else:
                data = self.virtual(address, size) if api == READ_VIRTUAL else self.physical(address, size)
            head = READ_MEMORY.pack(address, size, len(data))
        else:
            return NOT_IMPLEMENTED, body, b""
        return SUCCESS if data else UNSUCCESSFUL, head + body[len(head) :], data

    def version(self) -> bytes:
        """Return DBGKD_GET_VERSION64: where the kernel is, and what it can do."""
        crashed, machine = self.crashed, self.crashed.machine
        (debugger_data_list,) = struct.unpack("<Q", crashed.system.read(crashed.debugger_data, 8))
        flags = SEVERAL_PROCESSORS | HAS_DEBUGGER_DATA | POINTERS_OF_64_BIT
        apis = GET_CONTEXT_EX - READ_VIRTUAL + 1
        return VERSION.pack(
            *(FREE_BUILD, machine.version.build, PROTOCOL_64_BIT, AMD64_CONTEXT, flags, AMD64),
            *(PACKET_TYPES, STATE_CHANGES, apis, 0, 0),
            *(machine.kernel.base, crashed.variables["PsLoadedModuleList"], debugger_data_list),
        )

    def context(self, processor: int) -> bytes:
        """Return the CONTEXT of a processor from its registers, not from its buffer in memory."""
        return context_buffer(self.crashed.machine.processors[processor].registers)

    def control_space(self, processor: int, what: int) -> bytes:
        """Return control registers of a processor, or addresses of its structures."""
        version, described = self.crashed.machine.version, self.crashed.machine.processors[processor]
        prcb = described.pcr + version.number("OffsetPcrContainedPrcb")
        if what == CONTROL_SPACE_SPECIAL_REGISTERS:
            return self.virtual(prcb + version.number("OffsetPrcbProcStateSpecialReg"), PAGE_SIZE)
        places = {
            CONTROL_SPACE_KPCR: described.pcr,
            CONTROL_SPACE_KPRCB: prcb,
            CONTROL_SPACE_KTHREAD: described.current_thread,
        }
        return struct.pack("<Q", places[what])

    def virtual(self, address: int, size: int) -> bytes:
        """Return memory as the current processor sees it, up to the first byte that is not there."""
        space = self.crashed.space_of(self.crashed.machine.processors[self.current].current_thread)
        data = b""
        while len(data) < size:
            at = address + len(data)
            frame = space.frame(at)
            if frame is None or frame not in self.crashed.memory:
                break
            data += self.physical(frame * PAGE_SIZE + at % PAGE_SIZE, min(size - len(data), PAGE_SIZE - at % PAGE_SIZE))
        return data

    def physical(self, address: int, size: int) -> bytes:
        """Return RAM within one page; no bytes if there is none."""
        frame, offset = divmod(address, PAGE_SIZE)
        return self.crashed.memory.read(frame)[offset : offset + size] if frame in self.crashed.memory else b""


@contextlib.contextmanager
def live(crashed: CrashedMachine, kernel: type[StoppedKernel] = StoppedKernel) -> Iterator[str]:
    """Let a debugger attach to the machine while the block runs. Yield the connection string."""

    def serve() -> None:
        with contextlib.suppress(EOFError, OSError):  # the debugger left, or it never connected
            connection, _ = listener.accept()
            with connection:
                kernel(crashed, Wire(connection), crashed.machine.crashed).serve()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(SECONDS_UNTIL_ALL_IS_LOST)
        server = threading.Thread(target=serve, daemon=True)
        server.start()
        yield f"com:ipport={listener.getsockname()[1]},port=127.0.0.1"
