"""Named tuples whose definition costs little: the values that every run of a command is made of.

`typing.NamedTuple` compiles the annotation of each field when a class is defined, and `collections.namedtuple` the
constructor of each class. For the 60 classes that `dumpkind` of one file loads, that took a tenth of its time. Here
annotations stay text, and classes with as many fields share the code of their constructors. Type checkers see
`typing.NamedTuple`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import NamedTuple
else:
    from functools import cache
    from types import FunctionType

    try:
        from _collections import _tuplegetter  # what collections.namedtuple itself uses
    except ImportError:  # an interpreter other than CPython
        from operator import itemgetter

        def _tuplegetter(index: int, doc: str) -> property:
            return property(itemgetter(index), doc=doc)

    class _Tuple(tuple):
        """What all named tuples have."""

        __slots__ = ()
        _fields = ()
        _field_defaults = {}  # noqa: RUF012 - no subclass changes it

        @classmethod
        def _make(cls, values):
            """Return a tuple of this class with the values of an iterable."""
            return cls(*values)

        def _replace(self, **changes):
            """Return a copy with some fields changed."""
            values = [changes.pop(name, value) for name, value in zip(self._fields, self)]
            if changes:
                raise ValueError(f"{type(self).__name__} has no field {next(iter(changes))}")
            return tuple.__new__(type(self), values)

        def _asdict(self):
            """Return the values by the names of their fields."""
            return dict(zip(self._fields, self))

        def __repr__(self):
            values = ", ".join(f"{name}={value!r}" for name, value in zip(self._fields, self))
            return f"{type(self).__name__}({values})"

        def __getnewargs__(self):
            return tuple(self)

    @cache
    def _constructor(count):
        """Return the code of a constructor that takes so many values."""
        values = ", ".join(f"_{number}" for number in range(count))
        return eval(f"lambda _cls, {values}: _new(_cls, ({values},))").__code__

    class _Definition(type):
        def __new__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, object]) -> type:
            if not bases:
                return super().__new__(cls, name, bases, namespace)
            fields = tuple(namespace.get("__annotations__", ()))
            defaults = {field: namespace[field] for field in fields if field in namespace}
            code = _constructor(len(fields)).replace(co_varnames=("_cls", *fields))
            new = FunctionType(code, {"_new": tuple.__new__}, "__new__", tuple(defaults.values()))
            attributes = {field: _tuplegetter(index, "") for index, field in enumerate(fields)}
            own = {"__slots__": (), "__new__": new, "_fields": fields, "_field_defaults": defaults}
            return type(name, (_Tuple,), {**namespace, **own, "__match_args__": fields, **attributes})

    class NamedTuple(metaclass=_Definition):
        """A tuple whose items are attributes, too; see `typing.NamedTuple`."""


__all__ = ["NamedTuple"]
