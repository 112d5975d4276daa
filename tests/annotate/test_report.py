"""`vaemo-annotate report`: what the page says of a run, that captions stay text, that the machine stays untold."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.run_folder import MADE_AT, caption_row, reject_row, verdict_row, write_run_folder
from vaemo_annotate.probes.ablation_row import ROW_SCHEMA
from vaemo_annotate.quality.checked import Checked
from vaemo_annotate.report.charts import Series as Part
from vaemo_annotate.report.charts import bars, grid, histogram, run_line, stacked_bars
from vaemo_annotate.report.collection import collect
from vaemo_annotate.report.marked_text import quote, stretches
from vaemo_annotate.report.report_command import report_with_summary, write_report
from vaemo_annotate.report.sections import label_table, speaker_figure
from vaemo_annotate.report.step_tally import Prices, StepTallies
from vaemo_annotate.report.svg import ticks
from vaemo_annotate.report.tallies import Draw, Grid, Histogram, LatencyQuantiles, NameCounts, WordCounts
from vaemo_clips.errors import CaptionError, RunFolderError

MODEL = "Qwen/Qwen2.5-Omni-7B"
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(2)>',
    "javascript:alert(3)",
    "' onmouseover='alert(4)",
    "</title></svg></style></script><b id=broken>",
    "{{ 7 * 7 }}<!-- ]]> &lt;",
)


class Page(HTMLParser):
    """A page taken apart: its elements with their attributes, and the text of each section."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, Mapping[str, str | None]]] = []
        self.sections: dict[str, str] = {}
        self._section = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag == "section":
            self._section = dict(attrs).get("id") or ""

    def handle_data(self, data: str) -> None:
        self.sections[self._section] = " ".join(f"{self.sections.get(self._section, '')} {data}".split())

    def named(self, tag: str) -> list[Mapping[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def page_of(out: Path, **options: Any) -> Page:
    write_report(out, out / "report.html", **options)
    return Page((out / "report.html").read_text(encoding="utf-8"))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Six captions and two rejects; software dropped one caption, people judged three."""
    sources = [caption_row(number, created_at=MADE_AT + timedelta(seconds=number)) for number in range(6)]
    rejects = [reject_row(6 + number, "truncated", "/home/alice/x.mp4: the reply was cut off") for number in range(2)]
    by_check = [verdict_row(f"clip_{number:03d}", "keep", by="check") for number in range(5)]
    by_check.append(verdict_row("clip_005", "drop", by="check", reasons=["form.too_short", "leak.name"]))
    by_people = [
        verdict_row("clip_005", "keep", by="ada"), verdict_row("clip_005", "keep", by="grace"),
        verdict_row("clip_004", "drop", by="ada"), verdict_row("clip_004", "drop", by="grace"),
        verdict_row("clip_003", "fixed", by="ada", fixed_description="Calm, at ease."),
    ]  # fmt: skip
    return write_run_folder(tmp_path / "run", accepted=sources, rejected=rejects, verdicts=[*by_check, *by_people])


def test_the_page_counts_captions_rejects_and_verdicts(run: Path) -> None:
    page = page_of(run)
    assert "5 of 6 captions kept" in page.sections[""]
    assert "2 rejected of 8 outcomes (25.0%)" in page.sections[""]
    assert "truncated 2 25.0% x.mp4: the reply was cut off" in page.sections["outcome"]
    assert "Qwen/Qwen2.5-Omni-7B" in page.sections[""]


def test_peoples_word_outranks_the_checks_and_both_are_compared(run: Path) -> None:
    gathered = collect(Checked.open(run), 4, 0)
    assert gathered.judged.words == {"keep": 4, "drop": 1, "fixed": 1}
    assert gathered.judged.software == {"keep": 5, "drop": 1}
    assert gathered.judged.software_people == {("drop", "keep"): 1, ("keep", "drop"): 1, ("keep", "keep"): 1}
    assert gathered.judged.agreement == pytest.approx(1.0)
    people = page_of(run).sections["people"]
    assert "3 captions were judged by people, 2 of them by two or more" in people
    assert "check kept 1 (50%) 1 (50%) check dropped 1 (100%) 0 (0%)" in people


def test_reasons_stand_with_their_action_and_captions_at_risk_are_shown_first(run: Path) -> None:
    page = page_of(run)
    assert re.search(r"form\.too_short drop 1 16\.7%", page.sections["checks"])
    examples = page.sections["examples"]
    at_risk = examples[examples.index("At risk") : examples.index("At random")]
    assert "clip_005" in at_risk
    assert "clip_000" not in at_risk


def test_a_run_without_a_check_says_so_and_still_has_a_page(tmp_path: Path) -> None:
    page = page_of(write_run_folder(tmp_path, accepted=[caption_row(0)]))
    assert "nothing was checked yet" in page.sections[""]
    assert "Not checked: run vaemo-annotate check , then the report again." in page.sections["checks"]
    assert "Nobody has judged a caption yet" in page.sections["people"]
    assert "a draw of 1 captions" in page.sections["cues"]


def test_a_run_of_rejects_alone_has_a_page(tmp_path: Path) -> None:
    page = page_of(write_run_folder(tmp_path, accepted=[], rejected=[reject_row(0, "schema", "no JSON")]))
    assert "0 of 0 captions kept" in page.sections[""]
    assert "There is no caption." in page.sections["content"]


def test_a_caption_that_says_nothing_has_a_page(tmp_path: Path) -> None:
    silent = caption_row(
        0, visual_description=None, acoustic_description="", affect_description=None, emotions=None, valence=None,
        arousal=None, confidence=None, cues=[], steps=[], created_at=None,
    )  # fmt: skip
    page = page_of(write_run_folder(tmp_path, accepted=[silent]))
    assert "no emotion named" in page.sections["examples"]
    assert "no caption gives both" in page.sections["content"]
    assert "No step was recorded." in page.sections["cost"]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_html_and_script_in_captions_stay_text(tmp_path: Path, hostile: str) -> None:
    text = f"The brows rise {hostile} and the pitch is high."
    steps = [{**caption_row(0)["steps"][0], "name": hostile, "reply": hostile, "finish_reason": hostile}]
    row = caption_row(
        0, visual_description=text, acoustic_description=text, affect_description=text, emotions=[hostile, "joy"],
        label=hostile, steps=steps, model=hostile,
    )  # fmt: skip
    verdicts = [
        verdict_row("clip_000", "drop", by="check", reasons=[hostile]),
        verdict_row("clip_000", "fixed", by=hostile, fixed_description=hostile, reasons=[hostile]),
    ]
    canary = {"outcome": hostile, "sent": hostile, "samples": [{"outcome": "passed", "quote": hostile}]}
    out = write_run_folder(
        tmp_path, accepted=[row], rejected=[reject_row(1, hostile, hostile)], verdicts=verdicts,
        canaries={"outcomes": {hostile: canary}},
    )  # fmt: skip
    page = page_of(out)
    assert len(page.named("script")) == 1, "the page's own"
    assert not page.named("b") or all(set(attributes) <= {"class"} for attributes in page.named("b"))
    assert all((attributes.get("src") or "").startswith("data:image/jpeg") for attributes in page.named("img"))
    names = {name for _, attributes in page.elements for name in attributes}
    assert not [name for name in names if name.startswith("on")]
    assert all((attributes.get("href") or "").startswith("#") for attributes in page.named("a"))
    assert "49" not in page.sections["examples"].split("brows rise")[1].split("pitch")[0]
    assert " ".join(text.split()) in page.sections["examples"].replace(
        " and the pitch is high .", " and the pitch is high."
    )


def test_nothing_of_the_machine_and_no_key_is_told(run: Path) -> None:
    write_report(run, run / "report.html", price_in=1.0)
    html = (run / "report.html").read_text(encoding="utf-8")
    for secret in ("/home/alice", "sk-very-secret", "gpu-07", str(run.parent)):
        assert secret not in html


def test_the_page_allows_no_request_and_no_script_but_its_own(run: Path) -> None:
    page = page_of(run)
    policies = [one["content"] or "" for one in page.named("meta") if one.get("http-equiv")]
    assert len(policies) == 1
    assert "default-src 'none'; img-src data:;" in policies[0]
    assert "script-src 'sha256-" in policies[0]
    assert not page.named("link")


def test_missing_media_are_named_in_the_example(run: Path) -> None:
    assert "no pictures: clips.parquet: there is no such manifest" in page_of(run).sections["examples"]


def test_stale_verdicts_do_not_count_and_are_told(tmp_path: Path) -> None:
    stale = verdict_row("clip_000", "drop", by="check", caption_sha256="0" * 64)
    page = page_of(write_run_folder(tmp_path, accepted=[caption_row(0)], verdicts=[stale]))
    assert "1 of 1 captions kept" in page.sections[""]
    assert "1 verdicts are on other words" in page.sections["outcome"]


def test_tokens_become_costs_where_prices_are_given(run: Path) -> None:
    assert "; cost" not in page_of(run).sections[""]
    with_prices = page_of(run, price_in=1000.0, price_out=2000.0).sections["cost"]
    # 6 captions of 900 to 905 prompt tokens and 60 generated ones
    assert "look 6 6 5,415 3,072 360" in with_prices
    assert f"all of it costs {5415 / 1000 + 2 * 360 / 1000:.2f}" in with_prices
    assert Prices(1000.0, 2000.0).of(5415, 360) == pytest.approx(6.135)


def test_the_same_seed_draws_the_same_examples(tmp_path: Path) -> None:
    out = write_run_folder(tmp_path, accepted=[caption_row(number) for number in range(30)])
    checked = Checked.open(out)
    drawn = [{one.number for one in collect(checked, 5, seed).random.kept} for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert len(drawn[0]) == 5


def test_drift_follows_the_time_and_not_the_order_of_the_rows(tmp_path: Path) -> None:
    rows = [
        caption_row(number, created_at=MADE_AT - timedelta(seconds=number), valence=-1 + number / 15)
        for number in range(30)
    ]
    drift = collect(Checked.open(write_run_folder(tmp_path, accepted=rows)), 0, 0).drift
    valence = next(figure for figure in drift.figures(rejects_known=True) if figure.title == "Mean valence")
    values = [float(row[1].replace("−", "-")) for row in valence.rows]
    assert len(values) == 10
    assert values == sorted(values, reverse=True)


def test_the_command_says_what_comes_next(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report_with_summary(run, None, None, None, 2, 0)
    said = capsys.readouterr().out
    assert "6 captions (5 kept) + 2 rejects = 8" in said
    assert f"next: vaemo-annotate check {run}" in said


def test_a_folder_without_a_run_is_an_error_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match=r"holds no finished run \(no run.json\); give the --out of a run"):
        write_report(tmp_path, tmp_path / "report.html")


def test_a_report_that_cannot_be_written_says_where(run: Path) -> None:
    (run / "file").write_text("", encoding="utf-8")
    with pytest.raises(RunFolderError, match=r"report .*file/report.html cannot be written .* give another place"):
        write_report(run, run / "file" / "report.html")


def test_broken_verdicts_are_an_error_in_one_line(run: Path) -> None:
    (run / "verdicts.parquet").write_bytes(b"no parquet")
    with pytest.raises(CaptionError, match=r"verdicts.parquet cannot be read"):
        write_report(run, run / "report.html")


def test_an_ablation_is_shown_with_its_intervals(run: Path) -> None:
    rate = {"reason": "ablation.sound_invented", "corpus": "all", "flagged": 3, "clips": 10, "share": 0.3}
    record = {"clips": 10, "model": MODEL, "rates": [{**rate, "low": 0.108, "high": 0.603}]}
    (run / "ablation.json").write_text(json.dumps(record), encoding="utf-8")
    assert "ablation.sound_invented all 3 10 30.0% 11% – 60%" in page_of(run).sections["probes"]


@pytest.mark.parametrize("model", [MODEL, "another/model"])
def test_an_ablation_of_other_captions_or_another_model_is_not_shown(run: Path, model: str) -> None:
    rate = {"reason": "ablation.sound_invented", "corpus": "all", "flagged": 3, "clips": 10, "share": 0.3}
    record = {"clips": 10, "model": model, "rates": [{**rate, "low": 0.108, "high": 0.603}]}
    (run / "ablation.json").write_text(json.dumps(record), encoding="utf-8")
    assert ("sound_invented" in page_of(run).sections["probes"]) == (model == MODEL)
    gone = dict.fromkeys(ROW_SCHEMA.names) | {"clip_id": "gone", "sample_index": 0, "flags": [], "caption_sha256": "0"}
    pq.write_table(pa.Table.from_pylist([gone], schema=ROW_SCHEMA), run / "ablation.parquet")
    probes = page_of(run).sections["probes"]
    assert "sound_invented" not in probes
    said = "of 1 clips whose captions changed since" if model == MODEL else "is of model another/model"
    assert said in probes
    assert "run vaemo-annotate check --ablate again" in probes


def test_the_quoted_reply_to_a_canary_is_one_of_those_that_decided(tmp_path: Path) -> None:
    samples = [{"outcome": "passed", "quote": "A loud voice."}, *[{"outcome": "ignored", "quote": "No sound."}] * 2]
    canary = {"outcome": "ignored", "sent": "a tone", "samples": samples}
    page = page_of(write_run_folder(tmp_path, accepted=[caption_row(0)], canaries={"outcomes": {"tone": canary}}))
    assert "tone ignored 3 No sound. sent: a tone" in page.sections["probes"]


def test_a_report_without_examples_has_its_reasons_all_the_same(run: Path) -> None:
    page = page_of(run, examples=0)
    assert "form.too_short drop 1" in page.sections["checks"]
    assert "None were asked for" in page.sections["examples"]


@pytest.mark.parametrize("lost", [["clip_000"], ["clip_002", "clip_004"], ["clip_005"]])
def test_captions_that_went_or_came_take_no_verdict_from_others(run: Path, lost: list[str]) -> None:
    names = [name for name in (f"clip_{number:03d}" for number in range(6)) if name not in lost]
    rows = [caption_row(9, clip_id="new_0"), *(caption_row(int(name[-1])) for name in names)]
    (run / "dataset").rename(run / "before")
    verdicts = pq.read_table(run / "verdicts.parquet").to_pylist()
    changed = write_run_folder(
        run / "changed", accepted=rows, verdicts=[one for one in verdicts if one["by"] == "check"]
    )
    checked = Checked.open(changed)
    found = {row["clip_id"]: [one.verdict for one in verdicts] for row, verdicts in checked}
    assert found == {"new_0": []} | {name: ["drop" if name == "clip_005" else "keep"] for name in names}
    assert checked.num_stale == len(lost)


def test_names_are_counted_on_after_the_last_new_one_and_the_cut_is_told(tmp_path: Path) -> None:
    counts = NameCounts(most=2)
    for name in ("ada", "bo", "cy", "ada", "dee"):
        counts.add(name, True)
    assert {name: counted.total() for name, counted in counts.by_kind.items()} == {"ada": 2, "bo": 1}
    assert counts.cut == "only the first 2 names are told apart: 2 captions have others"
    gathered = collect(Checked.open(write_run_folder(tmp_path, accepted=[caption_row(0)])), 0, 0)
    gathered.says.speakers = gathered.says.labels = counts
    figure, table = speaker_figure(gathered), label_table(gathered)
    assert figure is not None
    assert table is not None
    assert figure.note == table.cut == counts.cut


@pytest.mark.parametrize("valence", [math.nan, math.inf])
def test_a_value_that_is_no_number_leaves_a_gap_and_no_nan_in_the_drawing(tmp_path: Path, valence: float) -> None:
    rows = [caption_row(number, valence=valence if number < 3 else 0.5) for number in range(9)]
    write_report(write_run_folder(tmp_path, accepted=rows), tmp_path / "report.html")
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    drawings = "".join(re.findall(r"<svg.*?</svg>", html, re.DOTALL))
    assert drawings
    assert not re.search(r"\b(nan|inf)\b", drawings)


def test_charts_are_named_for_those_who_do_not_see_them_and_have_their_numbers_as_a_table() -> None:
    counted = Histogram(0.0, 1.0, 4)
    plane = Grid(4)
    for value in (0.1, 0.1, 0.9, 7.0, None):
        counted.add(value)
        plane.add(value, value)
    figures = [
        bars("Words", [("<b>joy</b>", 3.0), ("fear", 1.0)], "captions", whole=4),
        stacked_bars("Claims", [("pitch", (3, 1))], [Part("supported", "supported"), Part("unclear", "unclear")]),
        histogram("Confidence", counted, "confidence"),
        grid("Plane", plane, "valence", "arousal"),
        run_line("Length", [1.0, 2.0, 3.0], [4.0, None, 6.0], "words"),
    ]
    for figure in figures:
        drawn = Page(str(figure.svg))
        assert (drawn.named("svg")[0]["aria-label"] or "").startswith(figure.title)
        assert drawn.named("svg")[0]["role"] == "img"
        assert figure.rows
        assert all(len(row) == len(figure.columns) for row in figure.rows)
        assert not drawn.named("b")


def test_a_chart_of_nothing_says_so() -> None:
    assert bars("Words", [], "captions").svg is None
    assert run_line("Length", [1.0], [None], "words").note == "not known of this run"


def test_the_words_of_a_finding_are_marked_in_their_sentence() -> None:
    text = "The woman named Sarah smiles broadly."
    assert [(one.text, one.class_) for one in quote(text, (16, 21))] == [
        ("The woman named ", ""),
        ("Sarah", "fault"),
        (" smiles broadly.", ""),
    ]


def test_marks_cut_a_text_without_losing_a_character() -> None:
    text = "The brows rise and the pitch falls."
    pieces = stretches(text, [(19, 34, "unclear", ""), (4, 14, "supported", "tip"), (6, 9, "contradicted", "inside")])
    assert "".join(piece.text for piece in pieces) == text
    assert [piece.text for piece in pieces if piece.class_] == ["brows rise", "the pitch falls"]
    assert "".join(piece.text for piece in stretches("a" * 5000, [])).endswith("a … 1,000 more characters")


def test_quantiles_of_latencies_are_right_to_a_percent() -> None:
    counted = LatencyQuantiles()
    for number in range(1, 1001):
        counted.add(number / 100)
    assert counted.quantile(0.5) == pytest.approx(5.0, rel=0.011)
    assert counted.quantile(0.95) == pytest.approx(9.5, rel=0.011)
    assert LatencyQuantiles().quantile(0.5) is None


def test_a_draw_is_fair_and_word_counts_have_a_bound() -> None:
    hits = [0] * 10
    for seed in range(2000):
        draw = Draw(3, seed)
        for number in range(10):
            draw.offer(number)
        for number in draw.kept:
            hits[number] += 1
    assert all(abs(count - 600) < 90 for count in hits)
    words = WordCounts()
    for number in range(50_000):
        words.add("joy")
        words.add(f"word {number}")
    assert len(words) <= 20_001
    assert words.most_common(1) == [("joy", 50_000)]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0.0, 1.0, [0.0, 0.5, 1.0]), (0.0, 87.0, [0, 50]), (-0.3, 0.3, [-0.2, 0.0, 0.2]), (5.0, 5.0, [5.0])],
)
def test_ticks_are_round_numbers(low: float, high: float, expected: list[float]) -> None:
    assert ticks(low, high, 3) == pytest.approx(expected)


def test_steps_without_numbers_count_as_none() -> None:
    steps = StepTallies()
    empty = dict.fromkeys(("prompt_tokens", "cached_tokens", "completion_tokens", "latency_s", "attempts"))
    assert steps.add([{**empty, "name": None, "finish_reason": None}]) == 0.0
    assert steps.total("prompt_tokens") == 0
    assert steps.endings == {"unknown": 1}


@pytest.mark.parametrize(
    ("name", "content"),
    [("ablation.json", f'{{"clips": "many", "model": "{MODEL}"}}'), ("ablation.json", "[]"), ("ablation.json", "{")],
)
def test_a_broken_ablation_is_an_error_in_one_line(run: Path, name: str, content: str) -> None:
    (run / name).write_text(content, encoding="utf-8")
    with pytest.raises(RunFolderError, match=r"ablation\.json (holds|cannot be read)"):
        write_report(run, run / "report.html")


def test_broken_canaries_are_an_error_in_one_line(tmp_path: Path) -> None:
    out = write_run_folder(tmp_path, accepted=[caption_row(0)], canaries={"outcomes": {"face": {"sent": 1}}})
    with pytest.raises(RunFolderError, match=r"run.json holds no canaries: outcomes.face.outcome: Field required"):
        write_report(out, out / "report.html")
