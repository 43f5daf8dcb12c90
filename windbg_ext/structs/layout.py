"""A structure written down as its documentation writes it: offset, name, type. Construct reads and builds it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Union

import construct

if TYPE_CHECKING:
    from collections.abc import Sequence

U8, U16, U32, U64 = construct.Int8ul, construct.Int16ul, construct.Int32ul, construct.Int64ul
Value = Union[int, bytes, "list[int]"]


def raw(size: int) -> construct.Construct:
    """Give the type of `size` bytes that are kept as they are."""
    return construct.Bytes(size)


def numbers(count: int, item: construct.Construct) -> construct.Construct:
    """Give the type of `count` integers of the type `item`."""
    return construct.Array(count, item)


class Record:
    """The values of one structure, by the names of its layout. The bytes between the named fields are kept too."""

    def __init__(self, layout: Layout, values: dict[str, Value]) -> None:
        self._layout = layout
        self._values = values

    def __eq__(self, other: object) -> bool:
        """Equal when layout and every byte are."""
        return isinstance(other, Record) and self._layout is other._layout and self._values == other._values

    __hash__ = None  # type: ignore[assignment]  # it may hold lists

    def number(self, name: str) -> int:
        """Give an integer field."""
        value = self._values[name]
        assert isinstance(value, int)
        return value

    def all_numbers(self) -> dict[str, int]:
        """Give every integer field, by offset."""
        return {name: value for name, value in self._values.items() if isinstance(value, int)}

    def raw(self, name: str) -> bytes:
        """Give a field of raw bytes."""
        value = self._values[name]
        assert isinstance(value, bytes)
        return value

    def numbers(self, name: str) -> tuple[int, ...]:
        """Give a field that is an array of integers."""
        value = self._values[name]
        assert isinstance(value, list)
        return tuple(value)

    def replace(self, **changes: Value) -> Record:
        """Give a copy with some fields changed; an unknown name is a KeyError."""
        for name in changes:
            self._layout.offset(name)
        return Record(self._layout, {**self._values, **changes})

    def build(self) -> bytes:
        """Give the bytes of the structure."""
        return self._layout.build(self._values)


class Layout:
    """A little-endian structure of a fixed size.

    fields: (offset, name, construct type), offsets rising; what lies between two fields is kept as raw bytes, so that
    a structure which is read and built again is the same to the byte.
    """

    def __init__(self, name: str, size: int, fields: Sequence[tuple[int, str, construct.Construct]]) -> None:
        self.name = name
        self.size = size
        self._offsets: dict[str, int] = {}
        self._blank: dict[str, Value] = {}
        parts: list[construct.Construct] = []
        end = 0
        for offset, field, kind in (*fields, (size, "", construct.Pass)):
            if offset < end:
                raise ValueError(f"{name}.{field or 'size'} at 0x{offset:x} overlaps the field before it")
            if offset > end:
                gap = f"_{end:x}"
                parts.append(gap / construct.Bytes(offset - end))
                self._blank[gap] = bytes(offset - end)
            if field:
                parts.append(field / kind)
                self._offsets[field] = offset
                end = offset + int(kind.sizeof())
                self._blank[field] = _blank(kind)
        self._struct = construct.Struct(*parts)

    def offset(self, name: str) -> int:
        """Give a field's offset in bytes."""
        return self._offsets[name]

    def parse(self, data: bytes) -> Record:
        """Read the structure from the first `size` bytes of data; fewer bytes are a ValueError."""
        if len(data) < self.size:
            raise ValueError(f"{self.name} takes 0x{self.size:x} bytes, there are 0x{len(data):x}")
        parsed = self._struct.parse(data[: self.size])
        values = {name: list(value) if isinstance(value, list) else value for name, value in parsed.items()}
        values.pop("_io", None)
        return Record(self, values)

    def blank(self, **values: Value) -> Record:
        """Give a structure whose fields are zero but for the given ones."""
        return Record(self, self._blank).replace(**values)

    def build(self, values: dict[str, Value]) -> bytes:
        """Give the bytes of the structure with these values, one for every field."""
        built: bytes = self._struct.build(values)
        return built


def _blank(kind: construct.Construct) -> Value:
    if isinstance(kind, construct.Bytes):
        return bytes(int(kind.sizeof()))
    if isinstance(kind, construct.Array):
        return [0] * int(kind.count)
    return 0
