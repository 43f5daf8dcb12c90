"""A structure written down as its documentation writes it: offset, name, type. Construct builds it.

Reading goes through the standard library's struct, compiled from the same fields: construct takes 35 ms to import,
longer than dumpkind takes for a whole dump, and reads a structure 15 to 40 times as slowly. A test compares the two.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple, Union

if TYPE_CHECKING:
    from collections.abc import Sequence

    import construct

Value = Union[int, bytes, "list[int]"]


class Kind(NamedTuple):
    """The type of a field: an integer of `size` bytes, `items` of them in an array, or raw bytes.

    code: the struct module's letter, "s" for raw bytes, which are no array.
    """

    code: str
    size: int
    items: int | None = None

    @property
    def length(self) -> int:
        """Bytes of the field."""
        return self.size * (1 if self.items is None else self.items)


U8, U16, U32, U64 = Kind("B", 1), Kind("H", 2), Kind("I", 4), Kind("Q", 8)


def raw(size: int) -> Kind:
    """Give the type of `size` bytes that are kept as they are."""
    return Kind("s", size)


def numbers(count: int, item: Kind) -> Kind:
    """Give the type of `count` integers of the type `item`."""
    return item._replace(items=count)


class Record:
    """The values of one structure, by the names of its layout. The bytes between the named fields are kept too."""

    def __init__(self, layout: Layout, values: dict[str, Value]) -> None:
        self._layout = layout
        self._values = values

    @property
    def layout(self) -> Layout:
        """The structure that this is one of."""
        return self._layout

    def __eq__(self, other: object) -> bool:
        """Equal when layout and every byte are."""
        return isinstance(other, Record) and self._layout is other._layout and self._values == other._values

    __hash__ = None  # type: ignore[assignment]  # it may hold lists

    def value(self, name: str) -> Value:
        """Give a field of any type."""
        return self._values[name]

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

    fields: (offset, name, type), offsets rising; what lies between two fields is kept as raw bytes, so that a structure
    which is read and built again is the same to the byte.
    """

    def __init__(self, name: str, size: int, fields: Sequence[tuple[int, str, Kind]]) -> None:
        self.name = name
        self.size = size
        self._offsets: dict[str, int] = {}
        self._kinds: dict[str, Kind] = {}
        self._construct: construct.Struct | None = None
        end = 0
        for offset, field, kind in (*fields, (size, "", raw(0))):
            if offset < end:
                raise ValueError(f"{name}.{field or 'size'} at 0x{offset:x} overlaps the field before it")
            if offset > end:
                self._kinds[f"_{end:x}"] = raw(offset - end)
            if field:
                self._kinds[field] = kind
                self._offsets[field] = offset
                end = offset + kind.length
        self._arrays = [(field, _array(kind)) for field, kind in self._kinds.items() if kind.items is not None]
        # an array is taken as bytes first, so that there is one value for each field
        codes = (
            f"{kind.length}s" if kind.items is not None or kind.code == "s" else kind.code
            for kind in self._kinds.values()
        )
        self._struct = struct.Struct("<" + "".join(codes))

    def offset(self, name: str) -> int:
        """Give a field's offset in bytes."""
        return self._offsets[name]

    def fields(self) -> tuple[str, ...]:
        """Give the names of the fields, by offset."""
        return tuple(self._offsets)

    def length(self, name: str) -> int:
        """Give a field's length in bytes."""
        return self._kinds[name].length

    def parse(self, data: bytes) -> Record:
        """Read the structure from the first `size` bytes of data; fewer bytes are a ValueError."""
        if len(data) < self.size:
            raise ValueError(f"{self.name} takes 0x{self.size:x} bytes, there are 0x{len(data):x}")
        values: dict[str, Value] = dict(zip(self._kinds, self._struct.unpack_from(data)))
        for field, array in self._arrays:
            values[field] = list(array.unpack(values[field]))  # type: ignore[arg-type]  # bytes so far
        return Record(self, values)

    def blank(self, **values: Value) -> Record:
        """Give a structure whose fields are zero but for the given ones."""
        return self.parse(bytes(self.size)).replace(**values)

    def build(self, values: dict[str, Value]) -> bytes:
        """Give the bytes of the structure with these values, one for every field."""
        built: bytes = self.as_construct().build(values)
        return built

    def as_construct(self) -> construct.Struct:
        """Give the structure as construct's Struct; made when it is first asked for."""
        if self._construct is None:
            import construct  # only here: see the top of this module

            integers = {"B": construct.Int8ul, "H": construct.Int16ul, "I": construct.Int32ul, "Q": construct.Int64ul}
            parts = []
            for field, kind in self._kinds.items():
                item = construct.Bytes(kind.size) if kind.code == "s" else integers[kind.code]
                parts.append(field / (item if kind.items is None else construct.Array(kind.items, item)))
            self._construct = construct.Struct(*parts)
        return self._construct


def _array(kind: Kind) -> struct.Struct:
    return struct.Struct(f"<{kind.items}{kind.code}")
