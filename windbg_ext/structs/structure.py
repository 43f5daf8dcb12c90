"""Structures declared as their documentation describes them: a class with one line for each field.

construct builds the bytes. The standard library's struct reads them, compiled from the same fields: importing construct
takes 35 ms, longer than dumpkind takes for a whole dump, and it reads 15 to 40 times as slowly. A test compares the
two.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NoReturn, TypeVar, Union, overload

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import construct

    Value = Union[int, bytes, Sequence[int]]

T = TypeVar("T")
S = TypeVar("S", bound="Structure")


class Field(Generic[T]):
    """A field of a structure: an integer, an array of integers or raw bytes.

    On the class, the attribute is this description; on an instance, it is the value: `DumpHeader64.dump_type.offset` is
    0xF98, and the `dump_type` of a header that was read is a number.

    offset, length: in bytes from the start of the structure; name: as Windows' headers have it; code: the struct
    module's letter, "s" for raw bytes; items: of an array, else None; attribute: the name on the class.
    """

    attribute: str

    def __init__(self, offset: int, name: str, code: str, size: int, items: int | None = None) -> None:
        self.offset, self.name, self.code, self.items = offset, name, code, items
        self.item_size = size
        self.length = size if items is None else size * items

    def __set_name__(self, owner: type, attribute: str) -> None:
        self.attribute = attribute

    @overload
    def __get__(self, instance: None, owner: type) -> Field[T]: ...
    @overload
    def __get__(self, instance: Structure, owner: type) -> T: ...
    def __get__(self, instance: Structure | None, owner: type) -> Field[T] | T:
        # only reached on the class: an instance has its values in its own dictionary, which is searched first
        return self

    def of(self, structure: Structure) -> T:
        """Return the value of this field in a structure that has it."""
        value: T = structure.__dict__[self.attribute]
        return value

    @property
    def is_number(self) -> bool:
        """Whether the field is one integer."""
        return self.items is None and self.code != "s"


def u8(offset: int, name: str) -> Field[int]:
    """Declare an integer of 1 byte."""
    return Field(offset, name, "B", 1)


def u16(offset: int, name: str) -> Field[int]:
    """Declare an integer of 2 bytes."""
    return Field(offset, name, "H", 2)


def u32(offset: int, name: str) -> Field[int]:
    """Declare an integer of 4 bytes."""
    return Field(offset, name, "I", 4)


def u64(offset: int, name: str) -> Field[int]:
    """Declare an integer of 8 bytes."""
    return Field(offset, name, "Q", 8)


def u32_array(offset: int, name: str, items: int) -> Field[tuple[int, ...]]:
    """Declare an array of 4-byte integers."""
    return Field(offset, name, "I", 4, items)


def u64_array(offset: int, name: str, items: int) -> Field[tuple[int, ...]]:
    """Declare an array of 8-byte integers."""
    return Field(offset, name, "Q", 8, items)


def raw(offset: int, name: str, size: int) -> Field[bytes]:
    """Declare bytes that are kept as they are."""
    return Field(offset, name, "s", size)


class _OfLayout:
    """What follows from the fields of a structure: made when it is first asked for, which most never are in a run."""

    def __set_name__(self, owner: type, attribute: str) -> None:
        self._attribute = attribute

    def __get__(self, instance: object, owner: type[Structure]) -> Any:
        owner.lay_out()
        return owner.__dict__[self._attribute]


class Structure:
    """A little-endian structure of a fixed size. Subclasses declare the fields, in the order of their offsets.

    A subclass without a name declares no structure: it holds the fields with which several begin.

    Bytes between two fields are kept, so a structure that is read and built again is the same to the byte.

    NAME: in Windows' headers; SIZE: in bytes; FIELDS: in the order of their offsets.
    """

    NAME: ClassVar[str]
    SIZE: ClassVar[int]
    if TYPE_CHECKING:
        FIELDS: ClassVar[tuple[Field[Any], ...]]
        _by_name: ClassVar[dict[str, Field[Any]]]
        _names: ClassVar[tuple[str, ...]]
        _gaps: ClassVar[dict[str, int]]
        _arrays: ClassVar[tuple[tuple[str, struct.Struct], ...]]
        _struct: ClassVar[struct.Struct]
    else:
        FIELDS, _by_name, _names, _gaps, _arrays, _struct = (_OfLayout() for _ in range(6))
    _construct: ClassVar[construct.Struct | None]

    def __init_subclass__(cls, *, name: str = "", size: int = 0) -> None:
        if not name:
            return
        cls.NAME, cls.SIZE, cls._construct = name, size, None

    @classmethod
    def lay_out(cls) -> None:
        """Find out where the fields lie, and how they are read. Raise ValueError for one that overlaps another."""
        name, size = cls.NAME, cls.SIZE
        declared = (field for part in reversed(cls.__mro__) for field in vars(part).values())
        cls.FIELDS = tuple(field for field in declared if isinstance(field, Field))
        cls._by_name = {field.name: field for field in cls.FIELDS}
        names, codes, gaps, end = [], ["<"], {}, 0
        for field in (*cls.FIELDS, None):
            offset, label = (field.offset, field.name) if field is not None else (size, "size")
            if offset < end:
                raise ValueError(f"{name}.{label} at 0x{offset:x} overlaps the field before it")
            if offset > end:
                gap = f"_{end:x}"
                names.append(gap)
                codes.append(f"{offset - end}s")
                gaps[gap] = offset - end
            if field is not None:
                names.append(field.attribute)
                # an array is unpacked as bytes first, so that there is one value for each name
                codes.append(field.code if field.is_number else f"{field.length}s")
                end = offset + field.length
        cls._names, cls._gaps = tuple(names), gaps
        cls._struct = struct.Struct("".join(codes))
        cls._arrays = tuple(
            (field.attribute, struct.Struct(f"<{field.items}{field.code}"))
            for field in cls.FIELDS
            if field.items is not None
        )

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a {self.NAME} does not change: replace returns another one")

    def __eq__(self, other: object) -> bool:
        """Tell whether the other is the same structure with the same bytes."""
        return type(self) is type(other) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash((self.NAME, *self.__dict__.values()))

    def __repr__(self) -> str:
        values = (f"{field.attribute}={field.of(self)!r}" for field in self.FIELDS)
        return f"{type(self).__name__}({', '.join(values)})"

    @classmethod
    def parse(cls: type[S], data: bytes) -> S:
        """Read the structure from the first SIZE bytes of data. Raise ValueError if there are fewer."""
        if len(data) < cls.SIZE:
            raise ValueError(f"{cls.NAME} takes 0x{cls.SIZE:x} bytes, there are 0x{len(data):x}")
        structure = cls.__new__(cls)
        values = structure.__dict__
        values.update(zip(cls._names, cls._struct.unpack_from(data)))
        for attribute, array in cls._arrays:
            values[attribute] = array.unpack(values[attribute])
        return structure

    @classmethod
    def blank(cls: type[S], **values: Value) -> S:
        """Return a structure with the given fields; all others are zero."""
        return cls.parse(bytes(cls.SIZE)).replace(**values)

    def replace(self: S, **changes: Value) -> S:
        """Return a copy with some fields changed, by attribute. Raise TypeError if there is no such field."""
        structure = self.__new__(type(self))
        structure.__dict__.update(self.__dict__)
        for attribute, value in changes.items():
            field = getattr(type(self), attribute, None)
            if not isinstance(field, Field):
                raise TypeError(f"{self.NAME} has no field {attribute}")
            structure.__dict__[attribute] = value if field.items is None else tuple(value)  # type: ignore[arg-type]
        return structure

    def build(self) -> bytes:
        """Return the bytes of the structure."""
        built: bytes = self.as_construct().build(self.__dict__)
        return built

    def integers(self) -> Iterator[tuple[Field[int], int]]:
        """Yield every field that is one integer, and its value."""
        return ((field, field.of(self)) for field in self.FIELDS if field.is_number)

    @classmethod
    def field(cls, name: str) -> Field[Any]:
        """Return the field with this name in Windows' headers. Raise KeyError if there is none."""
        return cls._by_name[name]

    @classmethod
    def by_attribute(cls, values: Mapping[str, Value]) -> dict[str, Value]:
        """Convert keys from names in Windows' headers to attributes, as `blank` and `replace` take them."""
        return {cls.field(name).attribute: value for name, value in values.items()}

    @classmethod
    def as_construct(cls) -> construct.Struct:
        """Return the structure as construct's Struct, which is made on first use."""
        if cls._construct is None:
            import construct  # only here: see the top of this module

            integers = {"B": construct.Int8ul, "H": construct.Int16ul, "I": construct.Int32ul, "Q": construct.Int64ul}
            fields = {field.attribute: field for field in cls.FIELDS}
            parts = []
            for name in cls._names:
                field = fields.get(name)
                if field is None or field.code == "s":
                    parts.append(name / construct.Bytes(cls._gaps[name] if field is None else field.length))
                else:
                    item = integers[field.code]
                    parts.append(name / (item if field.items is None else construct.Array(field.items, item)))
            cls._construct = construct.Struct(*parts)
        return cls._construct
