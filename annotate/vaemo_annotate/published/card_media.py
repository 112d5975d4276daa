"""The card's parts on licences and media: what goes along, under which terms, whom to name, what stayed behind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from vaemo_annotate.published.markdown import code, inline, table
from vaemo_annotate.published.media import MediaChoice

_MOST_CREDITS: Final = 200


def media_section(media: MediaChoice) -> str:
    """Files by licence with what it asks for, whom to name, and why others are not here."""
    return "\n\n".join(_parts(media))


def _parts(media: MediaChoice) -> Iterator[str]:
    size = sum(file.size_bytes for file in media.files)
    yield (
        f"{len(media.files):,} files ({size:,} bytes) of the captioned clips lie below `media/`, whole and byte for "
        "byte as they were indexed, also where a caption is of a segment (`start_s`, `end_s`). Each stays under its "
        "own licence, which the config `media` names file by file:"
    )
    yield table(["Licence", "Files", "It asks for"], _licence_rows(media))
    credits = list(dict.fromkeys("; ".join(file.credit.values()) for file in media.files if file.credit))
    if credits:
        yield "Whom to name, as the source's own table says it (file by file in `media`):"
        yield "\n".join(f"- {inline(credit)}" for credit in credits[:_MOST_CREDITS])
        if len(credits) > _MOST_CREDITS:
            yield f"… and {len(credits) - _MOST_CREDITS:,} more in `media`."
    if media.left_out:
        yield f"{len(media.left_out):,} files of captioned clips are not here:"
        counts = Counter(file.reason for file in media.left_out)
        yield table(["Why", "Files"], ([inline(reason), f"{count:,}"] for reason, count in counts.most_common()))


def _licence_rows(media: MediaChoice) -> Iterator[list[str]]:
    counts = Counter(file.licence for file in media.files)
    for licence, count in sorted(counts.items(), key=lambda pair: pair[0].name):
        yield [f"[{inline(licence.name)}]({licence.url})", f"{count:,}", inline(licence.asks)]


def licence_section(license_id: str | None, media: MediaChoice | None) -> str:
    """The licence of the captions, and that of the clips."""
    if license_id is None:
        text = (
            "No licence was chosen for these captions when they were pushed, so the card says `other`: ask the "
            "owner of this repository. Terms of the model that wrote them and of the clips may apply as well."
        )
    else:
        text = f"The captions are published under {code(license_id)}. The clips have licences of their own."
    return text if media is None or not media.files else f"{text} Those of the media files are under Media."


def license_tags(license_id: str | None, media: MediaChoice | None) -> str | list[str]:
    """What the front matter says: the captions' licence, with media those of the files too, as the Hub knows them."""
    own = license_id or "other"
    tags = dict.fromkeys([own, *sorted(file.licence.hub for file in (media.files if media else ()))])
    return own if len(tags) == 1 else list(tags)


def licence_notes(license_id: str | None, media: MediaChoice) -> Iterator[str]:
    """What --license does not say of the media."""
    others = Counter(file.licence for file in media.files if file.licence.name != license_id)
    if license_id is None or not others:
        return
    told = ", ".join(f"{licence.name} ({count:,} files: {licence.asks})" for licence, count in others.items())
    yield f"--license {license_id} is the captions' alone; media keep their own: {told}"
