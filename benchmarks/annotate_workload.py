"""What annotate_overhead.py pumps: manifests of made-up clips, media without decoding, and the real engine."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa

from vaemo_annotate.concurrency import ConcurrencyLimit, FixedConcurrency
from vaemo_annotate.engines.base import ModelIdentity, Outcome
from vaemo_annotate.engines.chat import ChatEngine
from vaemo_annotate.engines.endpoint import EndpointBackend, EndpointKeeper
from vaemo_annotate.engines.transport import ChatTransport, Endpoint
from vaemo_annotate.ledger import Ledger
from vaemo_annotate.media import AudioFacts, EncodedMedia, MediaDecoder, MediaFacts, VideoFacts
from vaemo_annotate.progress import RunCounts
from vaemo_annotate.prompt import Prompt, load_prompt
from vaemo_annotate.run import ClipPump
from vaemo_clips.clip import Clip
from vaemo_clips.manifest import MANIFEST_FIELDS, Manifest, ParquetWriter, manifest_schema

PROMPT = Path(__file__).parent.parent / "prompts" / "cot_v2.yaml"
IDENTITY = ModelIdentity("endpoint", "fake-omni", None, None)
SEED = 0
_NUM_FRAMES = 6
_COLUMNS = [field.name for field in MANIFEST_FIELDS]


def prompt_of(num_steps: int = 3) -> Prompt:
    """The shipped three-step prompt, or its last step without what it uses (a third of the requests)."""
    prompt = load_prompt(PROMPT)
    if num_steps == 3:
        return prompt
    last = prompt.steps[-1].model_copy(update={"uses": [], "template": "Describe the affect that is expressed."})
    return prompt.model_copy(update={"steps": [last], "output": {"affect_description": "reason.description"}})


def write_manifest(path: Path, num_clips: int, files: list[Clip] | None = None) -> Manifest:
    """Write `num_clips` rows with ids and digests of their own; with `files`, their media take turns."""
    made_up = Clip("x", "x.mp4", "", None, None, 3.0, 320, 240, 25.0, 75, True, 16000, 1, 1, 1)
    schema = manifest_schema([], path.parent, path)
    with ParquetWriter(path, schema) as writer:
        for first in range(0, num_clips, 8192):
            rows = [
                replace(
                    files[number % len(files)] if files else made_up,
                    clip_id=f"clip-{number:07d}",
                    sha256=hashlib.sha256(b"%d" % number).hexdigest(),
                )
                for number in range(first, min(first + 8192, num_clips))
            ]
            writer.write(
                pa.Table.from_pylist([{name: getattr(clip, name) for name in _COLUMNS} for clip in rows], schema=schema)
            )
    return Manifest.open(path)


class CannedDecoder:
    """MediaDecoder without decoding: the same `kilobytes` of base64 each of picture and sound, digests of their own."""

    def __init__(self, kilobytes: float) -> None:
        bytes_of_base64 = round(kilobytes * 1000)
        raw = random.Random(SEED).randbytes(bytes_of_base64)
        encoded = base64.b64encode(raw)[:bytes_of_base64]
        step = -(-bytes_of_base64 // _NUM_FRAMES)
        self._frames = [encoded[first : first + step] for first in range(0, bytes_of_base64, step)]
        self._wav = encoded

    def memo_key(self, clip: Clip) -> bytes:
        return bytes.fromhex(clip.sha256)

    async def decode(self, clip: Clip) -> EncodedMedia:
        video = VideoFacts(f"v{clip.sha256}", len(self._frames), 2.0, clip.duration_s)
        return EncodedMedia(
            MediaFacts(video, AudioFacts(f"a{clip.sha256}", clip.duration_s, False)), self._frames, self._wav
        )


@dataclass(frozen=True, slots=True)
class Measured:
    """What a run of a client took; `cpu_seconds` is that of its process, all threads."""

    requests: int
    seconds: float
    cpu_seconds: float

    @property
    def rate(self) -> float:
        """Requests a second by the clock."""
        return self.requests / self.seconds

    @property
    def cpu_rate(self) -> float:
        """Requests a second of processor time: what the client could do had it the core to itself."""
        return self.requests / self.cpu_seconds


@contextmanager
def stopwatch(requests: int) -> Iterator[Callable[[], Measured]]:
    """Yield a function that tells what passed since the block began."""
    began, cpu_began = time.perf_counter(), time.process_time()
    yield lambda: Measured(requests, time.perf_counter() - began, time.process_time() - cpu_began)


async def annotate(
    url: str,
    manifest: Manifest,
    ledger_path: Path,
    decoder: MediaDecoder,
    limit: ConcurrencyLimit | None = None,
    prompt: Prompt | None = None,
    on_outcomes: Callable[[int], None] = lambda done: None,
) -> Measured:
    """Caption a manifest with the real engine, endpoint, ledger and pump; the time is that of the pump."""
    prompt = prompt or prompt_of()
    limit = limit or FixedConcurrency(64)
    counts = _WatchedCounts(manifest.num_clips, on_outcomes)
    with Ledger(ledger_path) as ledger:
        async with ChatTransport(Endpoint.parse(url, None), 60.0) as transport:
            backend = EndpointBackend(transport, IDENTITY.model, "vllm", limit, EndpointKeeper(transport, 10.0))
            engine = ChatEngine(prompt, backend, ledger, IDENTITY, "vllm", None, on_reply=counts.note_reply)
            pump = ClipPump(engine, decoder, ledger, counts, samples=1)
            with stopwatch(manifest.num_clips * len(prompt.steps)) as taken:
                await pump.run(enumerate(manifest.clips()), lambda: limit.limit + 4)
                measured = taken()
    assert counts.accepted == manifest.num_clips, counts.rejects
    assert counts.replies == measured.requests, counts.replies
    return measured


def annotate_in(folder: Path, url: str, manifest: Manifest, decoder: MediaDecoder, limit: ConcurrencyLimit) -> Measured:
    """`annotate` with a fresh ledger in `folder`."""
    ledger_path = folder / f"ledger-{time.monotonic_ns()}.sqlite"
    return asyncio.run(annotate(url, manifest, ledger_path, decoder, limit))


class _WatchedCounts(RunCounts):
    """RunCounts that tells how many outcomes there are after each one."""

    def __init__(self, total: int, on_outcomes: Callable[[int], None]) -> None:
        super().__init__(total)
        self._on_outcomes = on_outcomes

    def note_outcome(self, outcome: Outcome) -> None:
        super().note_outcome(outcome)
        self._on_outcomes(self.done)
