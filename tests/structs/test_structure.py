"""What a structure's declaration refuses, and what a structure can do."""

from __future__ import annotations

import pytest

from windbg_ext.structs.structure import Structure, raw, u8, u16, u32, u32_array, u64, u64_array


class Pair(Structure, name="PAIR", size=8):
    first = u16(0, "First")
    second = u32(4, "SecondOne")


class EveryType(Structure, name="EVERY_TYPE", size=40):
    byte = u8(0, "Byte")
    word = u16(2, "Word")
    longs = u32_array(4, "Longs", 2)
    long = u32(12, "Long")
    some_bytes = raw(16, "Bytes", 5)
    quad = u64(24, "Quad")
    quads = u64_array(32, "Quads", 1)


def test_fields_that_overlap_are_refused() -> None:
    class Refused(Structure, name="T", size=8):
        first = u32(0, "First")
        second = u8(3, "Second")

    with pytest.raises(ValueError, match=r"T\.Second at 0x3 overlaps the field before it"):
        Refused.lay_out()


def test_fields_whose_offsets_fall_are_refused() -> None:
    class Refused(Structure, name="T", size=8):
        first = u32(4, "First")
        second = u32(0, "Second")

    with pytest.raises(ValueError, match=r"T\.Second at 0x0 overlaps"):
        Refused.lay_out()


def test_a_field_that_goes_beyond_the_size_is_refused() -> None:
    class Refused(Structure, name="T", size=4):
        first = u32(2, "First")

    with pytest.raises(ValueError, match=r"T\.size at 0x4 overlaps"):
        Refused.lay_out()


def test_fields_that_touch_are_not_refused() -> None:
    class Touching(Structure, name="T", size=4):
        first = u16(0, "First")
        second = u16(2, "Second")

    touching = Touching.parse(b"\1\0\2\0")
    assert (touching.first, touching.second) == (1, 2)


def test_a_field_of_the_class_tells_where_it_lies_and_what_windows_calls_it() -> None:
    assert (Pair.second.offset, Pair.second.length, Pair.second.name) == (4, 4, "SecondOne")
    assert (EveryType.longs.offset, EveryType.longs.length) == (4, 8)
    assert ((Pair.first, Pair.second), "PAIR", 8) == (Pair.FIELDS, Pair.NAME, Pair.SIZE)


def test_a_field_is_found_by_the_name_that_windows_has_for_it() -> None:
    assert Pair.field("SecondOne") is Pair.second
    assert Pair.by_attribute({"SecondOne": 2}) == {"second": 2}
    with pytest.raises(KeyError):
        Pair.field("second")


def test_integers_are_little_endian() -> None:
    assert Pair.parse(b"\x34\x12\0\0\x78\x56\x34\x12").second == 0x12345678


def test_too_few_bytes_are_a_value_error_that_tells_both_lengths() -> None:
    with pytest.raises(ValueError, match="PAIR takes 0x8 bytes, there are 0x7"):
        Pair.parse(bytes(7))


def test_bytes_behind_the_structure_are_ignored() -> None:
    assert Pair.parse(bytes(8) + b"\xff") == Pair.parse(bytes(8))


def test_a_blank_structure_is_zeros_but_for_what_is_given() -> None:
    assert EveryType.blank().build() == bytes(40)
    filled = EveryType.blank(byte=1, longs=[2, 3], some_bytes=b"bytes")
    assert filled.build() == b"\1\0\0\0\2\0\0\0\3\0\0\0\0\0\0\0bytes".ljust(40, b"\0")


def test_bytes_between_the_fields_are_kept_and_count_for_equality() -> None:
    with_rest = Pair.parse(b"\1\0\xaa\xbb\2\0\0\0")
    assert with_rest.replace(first=9).build() == b"\x09\0\xaa\xbb\2\0\0\0"
    assert with_rest != Pair.parse(b"\1\0\0\0\2\0\0\0")


def test_replacing_leaves_the_original_as_it_was() -> None:
    pair = Pair.blank(first=1)
    assert pair.replace(first=2).first == 2
    assert pair.first == 1


def test_a_structure_does_not_change() -> None:
    with pytest.raises(AttributeError, match="a PAIR does not change"):
        setattr(Pair.blank(), "first", 2)  # noqa: B010  # mypy forbids the assignment


@pytest.mark.parametrize("name", ["third", "build", "NAME"])
def test_an_attribute_that_no_field_has_is_a_type_error(name: str) -> None:
    with pytest.raises(TypeError, match=f"PAIR has no field {name}"):
        Pair.blank(**{name: 3})


def test_different_structures_are_never_equal() -> None:
    class Other(Structure, name="OTHER", size=8):
        first = u16(0, "First")
        second = u32(4, "SecondOne")

    assert Pair.blank() != Other.blank()
    assert Pair.blank() == Pair.blank()
    assert hash(Pair.blank()) == hash(Pair.blank())


def test_an_array_is_a_tuple_also_where_a_list_was_given() -> None:
    read = EveryType.parse(bytes(4) + b"\1\0\0\0\2\0\0\0" + bytes(28))
    assert read.longs == (1, 2)
    assert read == EveryType.blank(longs=[1, 2])


def test_construct_reads_the_same_values() -> None:
    """construct builds and struct reads, from one definition; here construct reads, too."""
    data = bytes(range(0x80, 0xA8))
    by_construct = {name: value for name, value in EveryType.as_construct().parse(data).items() if name != "_io"}
    ours = EveryType.parse(data)
    assert {field.attribute: by_construct[field.attribute] for field, _ in ours.integers()} == {
        field.attribute: value for field, value in ours.integers()
    }
    assert [field.name for field, _ in ours.integers()] == ["Byte", "Word", "Long", "Quad"]
    assert (tuple(by_construct["longs"]), tuple(by_construct["quads"])) == (ours.longs, ours.quads)
    assert by_construct["some_bytes"] == ours.some_bytes
    assert EveryType.as_construct().build(by_construct) == ours.build() == data
