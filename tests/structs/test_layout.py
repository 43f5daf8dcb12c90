"""What a layout refuses, and what a record of one can do."""

from __future__ import annotations

import pytest

from windbg_ext.structs.layout import U8, U16, U32, U64, Layout, numbers, raw

PAIR = Layout("PAIR", 8, [(0, "First", U16), (4, "Second", U32)])


def test_fields_that_overlap_are_refused() -> None:
    with pytest.raises(ValueError, match=r"T\.Second at 0x3 overlaps the field before it"):
        Layout("T", 8, [(0, "First", U32), (3, "Second", U8)])


def test_fields_whose_offsets_fall_are_refused() -> None:
    with pytest.raises(ValueError, match=r"T\.Second at 0x0 overlaps"):
        Layout("T", 8, [(4, "First", U32), (0, "Second", U32)])


def test_a_field_that_goes_beyond_the_size_is_refused() -> None:
    with pytest.raises(ValueError, match=r"T\.size at 0x4 overlaps"):
        Layout("T", 4, [(2, "First", U32)])


def test_fields_that_touch_are_not_refused() -> None:
    touching = Layout("T", 4, [(0, "First", U16), (2, "Second", U16)])
    assert touching.parse(b"\1\0\2\0").all_numbers() == {"First": 1, "Second": 2}


def test_integers_are_little_endian() -> None:
    assert PAIR.parse(b"\x34\x12\0\0\x78\x56\x34\x12").number("Second") == 0x12345678


def test_too_few_bytes_are_a_value_error_that_tells_both_lengths() -> None:
    with pytest.raises(ValueError, match="PAIR takes 0x8 bytes, there are 0x7"):
        PAIR.parse(bytes(7))


def test_bytes_behind_the_structure_are_ignored() -> None:
    assert PAIR.parse(bytes(8) + b"\xff") == PAIR.parse(bytes(8))


def test_a_blank_structure_is_zeros_but_for_what_is_given() -> None:
    layout = Layout("T", 12, [(0, "Bytes", raw(2)), (4, "Numbers", numbers(2, U16)), (8, "Number", U16)])
    assert layout.blank().build() == bytes(12)
    assert layout.blank(Bytes=b"ab", Numbers=[1, 2], Number=3).build() == b"ab\0\0\1\0\2\0\3\0\0\0"


def test_bytes_between_the_fields_are_kept_and_count_for_equality() -> None:
    with_rest = PAIR.parse(b"\1\0\xaa\xbb\2\0\0\0")
    assert with_rest.replace(First=9).build() == b"\x09\0\xaa\xbb\2\0\0\0"
    assert with_rest != PAIR.parse(b"\1\0\0\0\2\0\0\0")


def test_replacing_leaves_the_original_as_it_was() -> None:
    record = PAIR.blank(First=1)
    assert record.replace(First=2).number("First") == 2
    assert record.number("First") == 1


def test_a_name_that_no_field_has_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        PAIR.blank(Third=3)
    with pytest.raises(KeyError):
        PAIR.blank().number("Third")


def test_records_of_different_layouts_are_never_equal() -> None:
    same_shape = Layout("OTHER", 8, [(0, "First", U16), (4, "Second", U32)])
    assert PAIR.blank() != same_shape.blank()
    assert PAIR.blank() == PAIR.blank()


def test_an_array_is_read_as_a_tuple() -> None:
    layout = Layout("T", 6, [(0, "Numbers", numbers(3, U16))])
    assert layout.parse(b"\1\0\2\0\3\0").numbers("Numbers") == (1, 2, 3)


def test_construct_reads_the_same_values() -> None:
    """What is built by construct and read by struct come from one definition; here they meet the other way round."""
    kinds = [(0, "Byte", U8), (2, "Word", U16), (4, "Words", numbers(3, U16)), (12, "Long", U32), (16, "Raw", raw(5))]
    layout = Layout("T", 32, [*kinds, (24, "Quad", U64)])
    data = bytes(range(0x80, 0xA0))
    by_construct = {name: value for name, value in layout.as_construct().parse(data).items() if name != "_io"}
    ours = layout.parse(data)
    assert {name: by_construct[name] for name in ("Byte", "Word", "Long", "Quad")} == ours.all_numbers()
    assert tuple(by_construct["Words"]) == ours.numbers("Words")
    assert by_construct["Raw"] == ours.raw("Raw")
    assert layout.as_construct().build(by_construct) == ours.build() == data
