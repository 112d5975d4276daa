"""The phrase bank and the rules as files: large enough, well formed, every cue of the rules has its words."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from tests.annotate.wording_clips import FACE_NAMES, REASONS, VOICE_NAMES
from vaemo_annotate.prompt import load_prompt
from vaemo_annotate.wording.cue_text import HEADER
from vaemo_annotate.wording.measures import CUE_NAMES, DETAILS, TOLD, human_name, modality
from vaemo_annotate.wording.phrasing import Phrasing, load_bank
from vaemo_annotate.wording.rules import Rules, load_rules
from vaemo_annotate.wording.sentence import clauses, listed, percent, seconds, sentence

BANK = load_bank()
PARTS = {
    "visual.orders": {"scene", "observed", "still", "pose", "weak", "limits"},
    "acoustic.orders": {"observed", "still", "values", "weak", "limits"},
    "affect.orders": {"lead", "evidence", "against", "agreement", "place", "sure"},
}


def test_the_bank_is_large_and_its_phrases_are_distinct() -> None:
    assert sum(len(phrases) for phrases in BANK.values()) >= 800
    for slot, phrases in BANK.items():
        assert len(set(phrases)) == len(phrases), slot
        assert len(phrases) >= 2, slot


@pytest.mark.parametrize("slot", [slot for slot in BANK if ".clause." in slot])
def test_clauses_have_six_wordings_with_one_adverb_and_no_article_before_it(slot: str) -> None:
    assert len(BANK[slot]) >= 6
    for phrase in BANK[slot]:
        assert len(re.findall(r"\{(degree|much)\}", phrase)) == 1
        assert not re.search(r"\b(a|an) \{", phrase)
        assert phrase[0].islower() or phrase[0] == "{"
        assert not phrase.endswith(".")
        assert not re.search(r"\{much\} (?!(less|more|farther|wider|narrower|\w+er)\b)", phrase), phrase


@pytest.mark.parametrize("slot", PARTS)
def test_every_order_names_every_part_once(slot: str) -> None:
    for order in BANK[slot]:
        assert sorted(order.split()) == sorted(PARTS[slot])


def test_every_cue_of_the_rules_has_a_noun_a_clause_and_a_name() -> None:
    for term in load_rules().terms():
        for direction in ("up", "down"):
            where = "visual" if modality(term.cue) == "face" else "acoustic"
            assert BANK[f"noun.{term.cue}.{direction}"]
            assert BANK[f"{where}.clause.{term.cue}.{direction}"]
    assert len(set(TOLD)) == len(TOLD)
    assert set(TOLD) - set(DETAILS) == {"face_motion"}
    assert set(FACE_NAMES) <= set(TOLD) <= set(CUE_NAMES)
    clauses_of = {slot.split(".")[2] for slot in BANK if ".clause." in slot}
    assert clauses_of == set(TOLD) - {"head_roll"}


def test_every_cue_has_one_short_name_and_belongs_to_the_face_or_the_voice() -> None:
    assert tuple(CUE_NAMES) == (*FACE_NAMES, *VOICE_NAMES)
    assert len(set(CUE_NAMES.values())) == len(CUE_NAMES)
    assert max(map(len, CUE_NAMES.values())) <= 20
    assert {modality(name) for name in FACE_NAMES} == {"face"}
    assert {modality(name) for name in VOICE_NAMES} == {"voice"}
    assert human_name("glottal_quotient") == "glottal quotient"


def test_every_reason_has_its_words() -> None:
    assert {slot.removeprefix("because.") for slot in BANK if slot.startswith("because.")} == {*REASONS, "unknown"}


@pytest.mark.parametrize(
    "words",
    [r"digital", r"no signal", r"\bmesh\b", r"most (faces|voices|people)", r"average (face|voice)",
     r"usual in (faces|voices)", r"drawn apart|held apart", r"lids blink", r"head looks", r"vocal folds",
     r"half of the", r"out of the ordinary", r"of the time (is|nothing|passes)", r"(less|more) breath\b"],
)  # fmt: skip
def test_nothing_is_claimed_that_is_not_measured(words: str) -> None:
    prompt = Path("prompts/cot_v2_grounded.yaml").read_text(encoding="utf-8").split("steps:")[1]
    said = [*(phrase for phrases in BANK.values() for phrase in phrases), HEADER, prompt]
    assert [phrase for phrase in said if re.search(words, phrase)] == []


def test_the_first_two_harmonics_are_named_where_breath_is_read_from_them() -> None:
    for direction in ("up", "down"):
        assert all(re.search("H1-H2|harmonic", phrase) for phrase in BANK[f"acoustic.clause.h1_h2.{direction}"])


def test_rules_with_an_unknown_key_or_source_are_refused() -> None:
    content = yaml.safe_load(files("vaemo_annotate.wording").joinpath("rules.yaml").read_text(encoding="utf-8"))
    with pytest.raises(ValidationError, match="Extra inputs"):
        Rules.model_validate({**content, "colour": 1})
    content["valence"]["terms"][0]["source"] = "hearsay: somebody said so"
    with pytest.raises(ValidationError, match="hearsay"):
        Rules.model_validate(content)


def test_the_grounded_prompt_loads_and_its_steps_get_their_cues() -> None:
    prompt = load_prompt(Path("prompts/cot_v2_grounded.yaml"))
    assert [step.name for step in prompt.steps] == ["look", "listen", "reason"]
    assert all("cues" in step.inputs for step in prompt.steps)
    assert "cues.voice" not in prompt.step("look").template
    assert "cues.face" not in prompt.step("listen").template


def test_a_slot_is_used_up_before_a_phrase_comes_back() -> None:
    phrasing = Phrasing(b"key")
    drawn = [phrasing.pick("also") for _ in range(2 * len(BANK["also"]))]
    assert sorted(drawn[: len(BANK["also"])]) == sorted(BANK["also"])
    assert sorted(drawn[len(BANK["also"]) :]) == sorted(BANK["also"])


def test_sentences_lists_and_numbers() -> None:
    assert sentence(" lips part. ") == "Lips part."
    assert [listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"])] == ["a", "a and b", "a, b and c"]
    assert clauses(["a", "b", "c"], Phrasing(b"")) == "a, b, and c"
    assert (seconds(0.44), percent(0.404)) == ("0.4 s", "40")
