"""What may be told of this machine: names instead of folders, hosts, addresses and keys."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path, PureWindowsPath
from typing import Any, Final

_SERVER: Final = "server"
_SECRET: Final = "***"
_PATH_SCHEMES: Final = ("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "hdfs", "nfs", "smb", "sftp", "scp")
_ABSOLUTE: Final = re.compile(
    rf"file:/|(?:{'|'.join(_PATH_SCHEMES)})://|~?//?[^/\s][^/]*/[^/]|~/|[A-Za-z]:[\\/]|\\\\", re.IGNORECASE
)
_FOLDER: Final = re.compile(r"(?:/[^/\s]+){2,}/")
_URL: Final = re.compile(r"(\b(?!file:)[A-Za-z][A-Za-z0-9+.-]{1,15}://[^\s'\"<>]+)", re.IGNORECASE)
_URL_PARTS: Final = re.compile(r"(?P<scheme>[^:]+)://(?:[^/@]*:[^@]*@|[^/@]*@)?[^/?#]*(?P<path>[^?#]*)")
_USERINFO: Final = re.compile(r"(://)(?:[^\s/@'\"]*:[^\s@'\"]*@|[^\s/@'\"]*@)")
_CLOSING: Final = ").,;:]}"

_SEGMENT: Final = r"[^\s'\":;,()<>/\\|]+"
_ROOT: Final = r"(?:file:/{1,3}|(?:~[\w-]*)?//?|[A-Za-z]:[\\/]{1,2})"
_QUOTED_FOLDERS: Final = re.compile(rf"(?<=['\"]){_ROOT}(?:[^'\"/\\\n]*[\\/]+)+(?=[^'\"/\\\n]*['\"])", re.IGNORECASE)
_HOMES: Final = re.compile(
    rf"(?<![\w.~/-])(?:file:(?://)?)?(?:[A-Za-z]:)?[\\/]{{1,2}}(?:home|Users)[\\/]{{1,2}}{_SEGMENT}"
)
_FOLDERS: Final = re.compile(
    rf"(?<![\w.~/#$-])(?:{_ROOT}(?:(?:{_SEGMENT}[\\/]+){{2,}}|{_SEGMENT}[\\/]+(?={_SEGMENT}))"
    rf"|(?:~[\w-]*[\\/]|file:/{{1,3}}|[A-Za-z]:[\\/]{{1,2}})(?={_SEGMENT}))",
    re.IGNORECASE,
)
_SHARES: Final = re.compile(rf"(?<![\w\\])\\{{2,4}}[\w.$-]{{2,}}(?:\\{{1,2}}{_SEGMENT})+")

_HOST_NAME: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9-]{1,63}){0,9}"
_HOSTS: Final = (
    # as aiohttp, urllib3 and the resolver name them
    re.compile(r"(?:(?<=\bconnect to host )|(?<=\btimeout to host ))[^\s'\",;]+"),
    re.compile(rf"(?<=\bhost=)(['\"]?){_HOST_NAME}\1"),
    re.compile(rf"(?<=\bvalid for )(['\"]){_HOST_NAME}\1"),
    re.compile(rf"(?<=\bresolve )(['\"]){_HOST_NAME}\1"),
    re.compile(rf"(?<=\bgetaddrinfo failed for )(['\"]?){_HOST_NAME}\1"),
    # user:password@host, user@host:/folder
    re.compile(rf"(?<![\w/])[\w.+-]{{1,64}}:[^\s@/'\"]{{1,200}}@{_HOST_NAME}(?::\d+)?"),
    re.compile(rf"(?<![\w/])[\w.+-]{{1,64}}@{_HOST_NAME}(?=:[/~])"),
    # names of no public domain, and names with a port
    re.compile(
        rf"\b{_HOST_NAME}\.(?:local|localdomain|lan|corp|internal|intra|intranet|private|home\.arpa)\b(?::\d{{2,5}}\b)?",
        re.IGNORECASE,
    ),
    re.compile(r"\b(?:[A-Za-z0-9-]{1,63}\.){1,9}[A-Za-z]{2,63}:(?:80|443|\d{4,5})\b(?![\w:.])"),
    re.compile(r"(?<![\w.-])(?:localhost|(?=[a-z0-9-]{0,62}[0-9-])[a-z][a-z0-9-]{0,62}):\d{4,5}\b(?![\w:.-])"),
    re.compile(rf"(?<=\b(?:to|at|on) ){_HOST_NAME}:\d{{4,5}}\b(?![\w:])"),
)
_ADDRESS: Final = re.compile(
    r"(?<![\w.:])\[?([0-9A-Fa-f]*[:.][0-9A-Fa-f:.]*[0-9A-Fa-f:])(?:%\w+)?\]?(?::\d{2,5})?(?![\w])"
)
_KEYS: Final = re.compile(
    r"(?P<name>\bapi[_-]?key['\"]?\s*[:=]\s*"
    r"|\b(?:access[_-]?|auth[_-]?)?(?:token|key|password|passwd|secret|signature|sig)=(?!\d{1,6}\b)"
    r"|\bBearer\s+)(?P<quote>['\"]?)[^\s'\"&,;)\]}]+(?P=quote)",
    re.IGNORECASE,
)
_TOKENS: Final = re.compile(r"\b(?:sk-|hf_|ghp_|AKIA)[A-Za-z0-9_-]{8,}")


def portable_name(value: str) -> str:
    """The last part of an absolute path, anything else as it is: a reader's machine has other folders."""
    if _HOMES.fullmatch(value.rstrip("\\/")):
        return "~"
    is_path = _FOLDER.fullmatch(value) or (_ABSOLUTE.match(value) and not value.endswith(("/", "\\")))
    return PureWindowsPath(value).name if is_path else value


def without_secrets(text: str) -> str:
    """A text without passwords and keys, also those of addresses: `https://x.org/a` for `https://me:pw@x.org/a`."""
    text = _KEYS.sub(lambda found: f"{found['name']}{found['quote']}{_SECRET}{found['quote']}", text)
    return _TOKENS.sub(_SECRET, _USERINFO.sub(r"\1", text))


def without_folders(text: str) -> str:
    """A message without the folders, hosts, addresses and keys it names: `x.mp4` for `/home/me/x.mp4`."""
    text = _QUOTED_FOLDERS.sub("", text.replace(f"{Path.home()}/", "~/"))
    parts = _URL.split(text)
    # split by a pattern of one group: addresses stand at the odd places
    return "".join(_without_host(part) if place % 2 else _plain(part) for place, part in enumerate(parts))


def portable_text(value: str) -> str:
    """A value of a record: a path by its last part, and no folder, host, address or key in any text."""
    return without_folders(portable_name(value))


def portable_json(value: Any) -> Any:
    """A JSON value whose texts are portable; numbers that JSON lacks (NaN, infinity) become None."""
    if isinstance(value, str):
        return portable_text(value)
    if isinstance(value, Mapping):
        return {key: portable_json(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [portable_json(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _without_host(url: str) -> str:
    """An address without user, password, host, port and query; of a store's, the file's name alone."""
    bare = url.rstrip(_CLOSING)
    parts = _URL_PARTS.match(bare)
    if parts is None:
        return _SERVER
    scheme, path, rest = parts["scheme"], parts["path"], url[len(bare) :]
    if scheme.lower() in _PATH_SCHEMES:
        path = f"/{path.rpartition('/')[2]}"
    return f"{scheme}://{_SERVER}{path}{rest}"


def _plain(text: str) -> str:
    """A text between addresses, without folders, hosts and keys."""
    text = without_secrets(text)
    for hosts in _HOSTS:
        text = hosts.sub(_SERVER, text)
    text = _FOLDERS.sub("", _HOMES.sub("~", _SHARES.sub(_of_share, text)))
    return _ADDRESS.sub(_of_address, text)


def _of_share(found: re.Match[str]) -> str:
    """The file's name of `\\\\server\\share\\file`; of a share alone nothing."""
    parts = [part for part in found[0].split("\\") if part]
    return parts[-1] if len(parts) > 2 else _SERVER


def _of_address(found: re.Match[str]) -> str:
    try:
        address = ip_address(found[1])
    except ValueError:
        return found[0]
    # "::" and words such as dead::beef are no addresses
    return _SERVER if address.version == 4 or any(letter.isdigit() for letter in found[1]) else found[0]
