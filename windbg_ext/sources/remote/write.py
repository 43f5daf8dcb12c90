"""Writing a file to another machine so that it is either whole or not there."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from windbg_ext.errors import DestinationError, DumpError
from windbg_ext.sources.remote.address import HTTP, parse_address
from windbg_ext.sources.remote.find import at_place

if TYPE_CHECKING:
    from typing import Callable

    from windbg_ext.sources.remote.address import Address
    from windbg_ext.sources.remote.places import Place

Result = TypeVar("Result")
PORTS = {"https": 443, "http": 80, "smb": 445, "sftp": 22}
EXISTS = "give another name or --overwrite (/o in WinDbg)"


def check_url(url: str, source: str | None, *, overwrite: bool) -> None:
    """Refuse, before any work is done, a URL that cannot be written. source: the URL or path that is read, if any."""
    address = _destination(url)
    if source is not None and is_same(url, source):
        raise DestinationError("destination", "is the source itself", "name another file", address.shown)

    def look(place: Place) -> None:
        if place.is_folder(address):
            raise DestinationError("destination", "is a folder", "name the file to write", address.shown)
        if not overwrite and place.exists(address):
            raise DestinationError("destination", "exists", EXISTS, address.shown)

    _told(url, look)


def url_exists(url: str) -> bool:
    """Tell whether there is a file or a folder under a URL that can be written."""
    address = _destination(url)
    return _told(url, lambda place: place.exists(address))


def put_file(url: str, data: bytes, *, overwrite: bool) -> None:
    """Write a file. Raise DestinationError where it cannot be, or exists and may not be replaced."""
    address = _destination(url)

    def put(place: Place) -> None:
        try:
            place.put(address, data, overwrite=overwrite)
        except FileExistsError:
            raise DestinationError("destination", "exists", EXISTS, address.shown) from None

    _told(url, put)


def make_folder(url: str) -> None:
    """Make a folder, with those above it, where there are such. Raise DestinationError where it cannot be made."""
    address = _destination(url.rstrip("/") + "/x")
    folder = address.with_path(address.path.rpartition("/")[0])
    _told(url, lambda place: place.make_folder(folder))


def unused_url(url: str) -> str:
    """Return a URL that no file has yet: itself, or one with a number behind the name."""
    address = _destination(url)
    folder, _, name = address.path.rpartition("/")
    stem, dot, ending = name.rpartition(".") if "." in name else (name, "", "")

    def find(place: Place) -> str:
        for number in range(1, 10_000):
            path = f"{folder}/{stem}{'' if number == 1 else number}{dot}{ending}"
            if not place.exists(address.with_path(path)):
                return address.with_path(path).url
        raise DestinationError("destination", "exists, with all numbers, too", EXISTS, address.shown)

    return _told(url, find)


def is_same(url: str, other: str) -> bool:
    """Tell whether two URLs name the same file."""
    try:
        first, second = parse_address(url), parse_address(other)
    except DumpError:
        return False
    return _place_of(first) == _place_of(second)


def _place_of(address: Address) -> tuple[object, ...]:
    return address.scheme, address.host.lower(), address.port or PORTS.get(address.scheme), address.path


def _destination(url: str) -> Address:
    address = parse_address(url)
    if address.scheme in HTTP:
        why = "is on a web server, which takes no files"
        raise DestinationError("destination", why, "name a file, a share or a bucket", address.shown)
    if not address.base_name:
        raise DestinationError("destination", "is a folder", "name the file to write", address.shown)
    return address


def _told(url: str, ask: Callable[[Place], Result]) -> Result:
    """Return what a function finds; raise what goes wrong as a DestinationError with the URL."""
    address = parse_address(url)
    try:
        return at_place(address, ask)
    except DestinationError:
        raise
    except DumpError as error:
        why = f"cannot be written ({error.field}: {error.why})"
        raise DestinationError("destination", why, error.advice, address.shown) from None
