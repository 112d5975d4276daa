"""One HTTP request to an OpenAI-compatible server, over aiohttp; every way it can fail has its type."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any

import aiohttp
import orjson

from vaemo_annotate.reply import Reply
from vaemo_clips.errors import ServerError

_MESSAGE_CHARS = 400
_REJECTING = frozenset({400, 413, 415, 422})
_THROTTLING = frozenset({429, 503})


class TransientFailure(Exception):  # noqa: N818 (what a retry can mend)
    """No reply this time; `kind` is rate_limited, server_error, timeout or connection."""

    def __init__(self, kind: str, detail: str, retry_after_s: float | None = None) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind = kind
        self.detail = detail
        self.retry_after_s = retry_after_s


class Refused(ServerError):  # noqa: N818 (it reads as what the server did)
    """The server will never answer this client: wrong key, unknown model or path."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a server is and what it calls itself. `url` ends before `/v1`; `key` is never shown."""

    url: str
    key: str | None = None

    def __repr__(self) -> str:
        return f"Endpoint({self.url!r})"

    @classmethod
    def parse(cls, url: str, key: str | None) -> Endpoint:
        """Read a URL with or without the trailing /v1. Raises ServerError."""
        key = (key or "").strip() or None
        base = url.strip().rstrip("/").removesuffix("/chat/completions").removesuffix("/v1")
        if not base.startswith(("http://", "https://")) or {"@", "?", "#"} & set(base):
            raise ServerError(
                f"endpoint {_without_secrets(url)!r} is no plain URL: it must be like http://localhost:8000/v1; "
                "a key goes into VAEMO_API_KEY"
            )
        return cls(base, key)


def _without_secrets(url: str) -> str:
    url = url.partition("?")[0].partition("#")[0]
    scheme = f"{url.partition('://')[0]}://" if "://" in url else ""
    return f"{scheme}***@{url.rpartition('@')[2]}" if "@" in url else url


class ChatTransport:
    """An open connection pool to one server; use as an async context manager."""

    def __init__(self, endpoint: Endpoint, timeout_s: float) -> None:
        """`timeout_s` bounds one request from sending to the last byte."""
        self.endpoint = endpoint
        self._timeout_s = timeout_s
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> ChatTransport:
        headers = {"Content-Type": "application/json"}
        if self.endpoint.key:
            headers["Authorization"] = f"Bearer {self.endpoint.key}"
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=30),
            timeout=aiohttp.ClientTimeout(total=self._timeout_s, sock_connect=min(30.0, self._timeout_s)),
            headers=headers,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session:
            await self._session.close()

    @property
    def session(self) -> aiohttp.ClientSession:
        """The open session."""
        assert self._session is not None, "use the transport as an async context manager"
        return self._session

    async def chat(self, body: bytes, tries: int) -> Reply:
        """Send one chat request. Raises TransientFailure, or Refused where no request can succeed."""
        began = time.perf_counter()
        try:
            async with self.session.post(f"{self.endpoint.url}/v1/chat/completions", data=body) as response:
                payload = await response.read()
        except aiohttp.ConnectionTimeoutError as error:
            raise TransientFailure("connection", f"no connection to {self.endpoint.url} in time") from error
        except TimeoutError as error:
            raise TransientFailure("timeout", f"no reply within {self._timeout_s:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise TransientFailure("connection", f"{type(error).__name__}: {error}") from error
        latency_s = time.perf_counter() - began
        if response.status == 200:
            return self._read_completion(payload, latency_s, tries)
        return self._read_error(response, payload, latency_s, tries)

    async def get(self, path: str, timeout_s: float = 10.0) -> tuple[int, bytes]:
        """GET a path of the server. Raises TransientFailure."""
        try:
            limit = aiohttp.ClientTimeout(total=timeout_s)
            async with self.session.get(f"{self.endpoint.url}{path}", timeout=limit) as response:
                return response.status, await response.read()
        except TimeoutError as error:
            raise TransientFailure("timeout", f"no reply within {timeout_s:.0f} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise TransientFailure("connection", f"{type(error).__name__}: {error}") from error

    def _read_error(self, response: aiohttp.ClientResponse, payload: bytes, latency_s: float, tries: int) -> Reply:
        status, message = response.status, _shorten(self.without_key(_error_message(payload)))
        if status in _REJECTING:
            return Reply(status, message, "error", None, None, None, latency_s, tries, _now())
        if status in _THROTTLING:
            kind = "rate_limited" if status == 429 else "server_error"
            raise TransientFailure(kind, f"HTTP {status}: {message}", _retry_after(response.headers.get("Retry-After")))
        if status in (401, 403):
            raise Refused(f"{self.endpoint.url} refuses the key (HTTP {status}: {message}); set VAEMO_API_KEY")
        if status in (404, 405):
            raise Refused(
                f"{self.endpoint.url} has no such model or path (HTTP {status}: {message}); "
                "correct --endpoint or --model"
            )
        raise TransientFailure("server_error", f"HTTP {status}: {message}")

    def without_key(self, text: str) -> str:
        """Return text of a server without the API key that it may echo."""
        return text.replace(self.endpoint.key, "***") if self.endpoint.key else text

    def _read_completion(self, payload: bytes, latency_s: float, tries: int) -> Reply:
        try:
            answer = orjson.loads(payload)
            choice = answer["choices"][0]
            message = choice["message"]
            refusal = message.get("refusal")
            usage = answer.get("usage") or {}
            text = refusal or message.get("content") or ""
            if not isinstance(text, str):
                raise TypeError(f"the content is a {type(text).__name__}")
            return Reply(
                status=200,
                text=text,
                finish_reason="content_filter" if refusal else str(choice.get("finish_reason") or "stop"),
                prompt_tokens=_count(usage.get("prompt_tokens")),
                cached_tokens=_count((usage.get("prompt_tokens_details") or {}).get("cached_tokens")),
                completion_tokens=_count(usage.get("completion_tokens")),
                latency_s=latency_s,
                tries=tries,
                created_at=_now(),
            )
        except (orjson.JSONDecodeError, LookupError, TypeError, AttributeError) as error:
            shown = self.without_key(payload.decode("utf-8", "replace"))[:80]
            raise TransientFailure("server_error", f"HTTP 200 without a completion: {shown!r}") from error


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) else None


def _error_message(payload: bytes) -> str:
    text = payload.decode("utf-8", "replace")
    try:
        content: Any = orjson.loads(payload)
        error = content.get("error", content)
        text = str(error.get("message", error) if isinstance(error, dict) else error)
    except (orjson.JSONDecodeError, AttributeError):
        pass
    return text


def _shorten(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _MESSAGE_CHARS else f"{flat[:_MESSAGE_CHARS]}…"


def _retry_after(header: str | None) -> float | None:
    """Read Retry-After: seconds, or an HTTP date."""
    if not header:
        return None
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(header) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return None


def _now() -> str:
    return datetime.now(UTC).isoformat()


async def answers(transport: ChatTransport) -> bool:
    """Return whether the server answers at all."""
    for path in ("/health", "/v1/models"):
        try:
            status, _ = await transport.get(path, timeout_s=5.0)
        except TransientFailure:
            return False
        if status == 200:
            return True
        if status >= 500:
            return False
    return True
