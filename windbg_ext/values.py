"""Named tuples whose definition costs little: the values that every run of a command is made of.

`typing.NamedTuple` compiles the annotation of each field when a class is defined. For the 50 classes that `dumpkind` of
one file loads, that took a twentieth of its time. Here annotations stay text; type checkers see `typing.NamedTuple`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import NamedTuple
else:
    from collections import namedtuple

    class _Definition(type):
        def __new__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, object]) -> type:
            if not bases:
                return super().__new__(cls, name, bases, namespace)
            annotations = namespace.get("__annotations__", {})
            defaults = [namespace[field] for field in annotations if field in namespace]
            defined = namedtuple(name, annotations, defaults=defaults, module=namespace["__module__"])
            for attribute, value in namespace.items():
                if attribute not in defined._fields:
                    setattr(defined, attribute, value)
            return defined

    class NamedTuple(metaclass=_Definition):
        """A tuple whose items are attributes, too; see `typing.NamedTuple`."""


__all__ = ["NamedTuple"]
