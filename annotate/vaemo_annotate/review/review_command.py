"""The command `review`: a local page on which people judge captions, until Ctrl-C; then what came of it."""

from __future__ import annotations

import asyncio
import shlex
import signal
import threading
import webbrowser
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from vaemo_annotate.run_folder import RunFolder
from vaemo_clips.errors import ManifestError, MissingExtraError
from vaemo_clips.workers import decoding_pool, num_cores

if TYPE_CHECKING:
    from vaemo_annotate.review.queue import Order
    from vaemo_annotate.review.session import ReviewSession
    from vaemo_clips.manifest import Manifest

_MOST_WORKERS = 4  # one person looks at one clip at a time


def review_with_summary(
    out: Path,
    port: int | None = None,
    annotator: str | None = None,
    order: Order = "risk",
    count: int | None = None,
    seed: int = 0,
    open_browser: bool = False,
) -> None:
    """Serve the review page of the run folder `out` until Ctrl-C, then print the summary.

    `port` None takes the first free one from 8765 on. `annotator` None lets the page ask. `count` asks about the first
    captions of the order only. Raises RunFolderError, CaptionError for a name that cannot be used, UserError.
    """
    try:
        import aiohttp  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("aiohttp", "annotate") from error
    from vaemo_annotate.review.decision import person
    from vaemo_annotate.review.session import ReviewSession

    given = None if annotator is None else person(annotator)
    session = ReviewSession(out, order=order, count=count, seed=seed)
    name = None if given is None else session.annotator(given)
    asyncio.run(serve(session, port, name, open_browser))
    for line in summary_lines(session):
        typer.echo(line)


async def serve(session: ReviewSession, port: int | None, annotator: str | None, open_browser: bool) -> None:
    """Serve the page of a session until Ctrl-C, then write the verdict table. Raises UserError, RunFolderError."""
    from vaemo_annotate.review.media import CACHE_FOLDER, ClipMedia
    from vaemo_annotate.review.renewal import Renewal
    from vaemo_annotate.review.server import ReviewServer
    from vaemo_annotate.verdict_table import write_verdicts

    interrupted = _interruption()
    manifest = open_manifest(session.out, session.captions.record)
    renewal = Renewal(partial(write_verdicts, session.out, None))
    workers = min(max(num_cores(), 2), _MOST_WORKERS)
    with decoding_pool(workers, preload="vaemo_annotate.review.media") as pool:
        media = manifest if isinstance(manifest, str) else ClipMedia(manifest, session.out / CACHE_FOLDER, pool)
        server = ReviewServer(session, media, renewal, annotator)
        url = await server.start(port)
        _say_hello(session, manifest, url)
        if open_browser:
            _open_browser(url)
        try:
            await interrupted.wait()
        finally:
            await server.stop()
            if isinstance(media, ClipMedia):
                await media.close()
            await renewal.close()


def open_manifest(out: Path, record: dict[str, Any]) -> Manifest | str:
    """Return the manifest that a run kept; or, where its clips cannot be reached, why, in words."""
    from vaemo_clips.manifest import Manifest

    root = Path((record.get("manifest") or {}).get("root") or "")
    try:
        return Manifest.open(RunFolder(out).manifest, root=root if root.is_absolute() and root.is_dir() else None)
    except (ManifestError, OSError) as error:
        return f"the clips cannot be shown: {error}"


def _interruption() -> asyncio.Event:
    """What Ctrl-C sets, from now on."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(sign, stop.set)
    return stop


def _open_browser(url: str) -> None:
    """Open the page in a thread that nobody waits for: a browser in the terminal returns when it is left."""

    def open_page() -> None:
        with suppress(webbrowser.Error, OSError):  # the address stands in the terminal
            webbrowser.open(url)

    threading.Thread(target=open_page, daemon=True).start()


def _say_hello(session: ReviewSession, manifest: Manifest | str, url: str) -> None:
    what = {"risk": "likely faults first, 30 % at random", "random": "in random order", "dataset": "in order"}
    typer.echo(f"{len(session.queue.rows):,} captions of {session.out}, {what[session.order]}")
    if isinstance(manifest, str):
        typer.echo(manifest, err=True)
    typer.echo(f"review them at {url}  (this machine only, and only by this address; Ctrl-C ends)")


def summary_lines(session: ReviewSession) -> Iterator[str]:
    """Yield what was judged, how far people agree, the estimate, and what to do next."""
    results = session.results()
    people, out = results["people"], shlex.quote(str(session.out))
    new = session.store.num_events() - session.began_after
    judged = len({verdict.key for verdict in session.standing()})
    yield f"{judged:,} of {len(session.captions):,} captions judged by people; {new:,} decisions now"
    for one in people:
        yield f"  {one['name']}: {one['keep']:,} accepted, {one['fixed']:,} fixed, {one['drop']:,} rejected"
    if results["captions"]:
        yield f"agreement on {results['captions']:,} captions judged by several: {_agreement(results)}"
    guess = results["estimate"]
    if guess["share"] is not None:
        yield (
            f"good as they are: {guess['share']:.0%} (95 % interval {guess['low']:.0%} to {guess['high']:.0%}, "
            f"from {guess['captions']:,} captions drawn at random)"
        )
    if people:
        yield f"verdicts: {session.out / 'verdicts.parquet'}"
        yield f"next: vaemo-annotate report {out}, then vaemo-annotate push {out} --repo USER/NAME"
    else:
        yield f"next: vaemo-annotate review {out}"


def _agreement(results: dict[str, Any]) -> str:
    alpha = results["alpha"]
    told = "alpha not defined (all said the same)" if alpha is None else f"Krippendorff's alpha {alpha:.2f}"
    return f"{told}, the same word on {results['agreed']:,}"
