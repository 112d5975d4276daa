"""The report as one HTML file: everything it shows is text, drawings and pictures inside it."""

from __future__ import annotations

import base64
import hashlib
import time
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from vaemo_annotate.progress import duration_text
from vaemo_annotate.published.run import read_run
from vaemo_annotate.quality.checked import Checked
from vaemo_annotate.report import sections
from vaemo_annotate.report.collection import Candidate, Collection
from vaemo_annotate.report.cue_support import STATES, CueSupport, cue_support
from vaemo_annotate.report.examples import STATE_WORDS, Example, ExampleMaker
from vaemo_annotate.report.probe_records import ablation_of, canaries_of
from vaemo_annotate.report.step_tally import Prices
from vaemo_annotate.report.svg import plain

_MINUS = "−"


def render_page(checked: Checked, gathered: Collection, prices: Prices, examples: int) -> str:
    """Return the HTML of a report. Raises RunFolderError."""
    maker = ExampleMaker(checked)
    support = cue_support(checked, gathered.measured.kept)
    content = {
        **_headline(checked, gathered, support),
        **_findings(checked, gathered, maker),
        **_used(gathered, prices),
        "distributions": sections.distribution_figures(gathered),
        "labels": sections.label_table(gathered),
        "speakers": sections.speaker_figure(gathered),
        "support": support,
        "states": STATES,
        "state_words": STATE_WORDS,
        "drift": gathered.drift.figures(rejects_known=gathered.order.rejected is not None),
        "random": _examples(maker, sorted(gathered.random.kept, key=lambda one: one.number)),
        "risky": _examples(maker, gathered.at_risk(examples)),
    }
    return _environment().get_template("report.html").render(content)


def _headline(checked: Checked, gathered: Collection, support: CueSupport) -> dict[str, Any]:
    run = read_run(checked.out)
    seconds = checked.run.get("seconds")
    ablation, left_out = ablation_of(checked.out, run.engine.model)
    return {
        "name": checked.out.resolve().name,
        "run": run,
        "canaries": canaries_of(run.canaries, checked.out),
        "gathered": gathered,
        "judged": gathered.judged,
        "kept": gathered.captions - gathered.judged.words["drop"],
        "stale": checked.num_stale,
        "settings_note": checked.settings_note,
        "run_time": duration_text(seconds) if seconds else None,
        "ablation": ablation,
        "ablation_left_out": left_out,
        "contradicted_share": support.contradicted_share,
        "made_at": time.strftime("%Y-%m-%d %H:%M"),
    }


def _findings(checked: Checked, gathered: Collection, maker: ExampleMaker) -> dict[str, Any]:
    return {
        "is_checked": checked.record is not None,
        "flagged": (checked.record or {}).get("flagged", 0),
        "rules": checked.settings.sha256[:12],
        "rejects": sections.reject_rows(gathered),
        "reasons": sections.reason_rows(checked, gathered, maker),
        "people": sections.people_figure(gathered.judged),
    }


def _used(gathered: Collection, prices: Prices) -> dict[str, Any]:
    steps = gathered.steps
    cost = prices.of(steps.total("prompt_tokens"), steps.total("completion_tokens")) if prices.given else None
    kept = gathered.captions - gathered.judged.words["drop"]
    return {
        "steps": list(steps),
        "totals": steps,
        "endings": steps.endings.most_common(),
        "tokens_figure": steps.tokens_figure(),
        "prices": prices,
        "cost": cost,
        "cost_per_thousand": cost / kept * 1000 if cost is not None and kept else None,
    }


def _examples(maker: ExampleMaker, candidates: list[Candidate]) -> list[Example]:
    return [maker.example(candidate.row, candidate.verdicts) for candidate in candidates]


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("vaemo_annotate", "templates"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"signed": _signed, "plain": plain, "percent": _percent, "seconds": _seconds}
    style, script = _part("report.css"), _part("report.js")
    environment.globals |= {"style": Markup(style), "script": Markup(script), "policy": _policy(script)}
    return environment


def _part(name: str) -> str:
    return (files("vaemo_annotate") / "templates" / name).read_text(encoding="utf-8")


def _policy(script: str) -> str:
    """Return a content security policy: nothing is fetched, and no script runs but the page's own."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"


def _signed(value: float | None) -> str:
    return "–" if value is None else f"{value:+.2f}".replace("-", _MINUS)


def _percent(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.0%}" if value in (0, 1) else f"{value:.1%}"


def _seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}" if value < 0.1 else f"{value:.2f}" if value < 10 else f"{value:.0f}"
