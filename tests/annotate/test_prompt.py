"""Prompt files: the shipped ones, and what every fault of one is answered with."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from vaemo_annotate.json_schema import unbounded_fields
from vaemo_annotate.prompt import Prompt, load_prompt, sample_variables
from vaemo_annotate.template import render
from vaemo_clips.errors import PromptError

PROMPTS = Path(__file__).resolve().parents[2] / "prompts"
SHIPPED = sorted(PROMPTS.glob("*.yaml"))
EMOTION_WORDS = re.compile(r"\b(happy|sad|angry|afraid|joy|fear|anger)\b", re.IGNORECASE)

Content = dict[str, Any]


def good_prompt() -> Content:
    """A prompt of two steps without a fault."""
    return {
        "name": "small",
        "version": "1.0",
        "description": "Look, then tell.",
        "system": "You observe.",
        "media": {"fps": 2.0, "max_frames": 8},
        "sampling": {"temperature": 0.2, "max_tokens": 256},
        "steps": [
            {
                "name": "look",
                "inputs": ["video"],
                "template": "{{ video.num_frames }} frames of {{ clip.duration_s }} s.",
                "schema": {
                    "type": "object",
                    "required": ["seen", "face"],
                    "properties": {
                        "seen": {"type": "string", "maxLength": 100},
                        "face": {"enum": ["clear", "hidden"]},
                        "hands": {"type": "string", "maxLength": 50},
                        "names": {"type": "array", "items": {"type": "string"}},
                        "pairs": {"type": "array", "items": {"type": "object", "properties": {"a": {}}}},
                        "score": {"type": "number"},
                    },
                },
            },
            {"name": "tell", "inputs": ["audio"], "uses": ["look"], "template": "{{ look.seen }}"},
        ],
        "output": {"affect_description": "tell", "visual_description": "look.seen"},
    }


def write(folder: Path, content: Any) -> Path:
    path = folder / "small.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content), encoding="utf-8")
    return path


def faults_of(folder: Path, change: Callable[[Content], object]) -> list[str]:
    """Return the lines with which a changed prompt is refused, without the file's name before each."""
    content = good_prompt()
    change(content)
    path = write(folder, content)
    with pytest.raises(PromptError) as caught:
        load_prompt(path)
    lines = str(caught.value).splitlines()
    assert all(line.startswith(f"{path}: ") for line in lines), lines
    return [line.removeprefix(f"{path}: ") for line in lines]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_prompt_loads_and_bounds_every_string_and_list(path: Path) -> None:
    prompt = load_prompt(path)
    assert prompt.name == path.stem
    assert [list(unbounded_fields(step.reply_schema or {})) for step in prompt.steps] == [[] for _ in prompt.steps]
    assert set(prompt.output) >= {"visual_description", "acoustic_description", "affect_description", "emotions"}


def test_both_prompts_of_the_paper_are_shipped() -> None:
    assert {path.stem for path in SHIPPED} >= {"cot_v1", "cot_v2"}


def test_each_step_of_cot_v2_gets_the_inputs_its_name_promises() -> None:
    prompt = load_prompt(PROMPTS / "cot_v2.yaml")
    inputs = {step.name: (step.inputs, step.uses) for step in prompt.steps}
    assert inputs == {
        "look": (["video"], []),
        "listen": (["audio"], []),
        "reason": (["video", "audio"], ["look", "listen"]),
    }


def test_listen_never_asks_for_a_transcript_and_forbids_writing_words_down() -> None:
    listen = load_prompt(PROMPTS / "cot_v2.yaml").step("listen")
    assert "transcri" not in listen.template.lower()
    assert "do not write down, translate or paraphrase any words" in listen.template
    assert not {"transcript", "words", "text", "speech_text"} & set((listen.reply_schema or {})["properties"])


def test_look_and_listen_offer_no_emotion_word_as_an_answer() -> None:
    prompt = load_prompt(PROMPTS / "cot_v2.yaml")
    for name in ("look", "listen"):
        assert EMOTION_WORDS.search(str(prompt.step(name).reply_schema)) is None


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
@pytest.mark.parametrize(("has_video", "has_audio"), [(True, True), (True, False), (False, True)])
def test_shipped_templates_tell_the_model_which_track_is_missing(path: Path, has_video: bool, has_audio: bool) -> None:
    prompt = load_prompt(path)
    texts = [
        render(step.template, sample_variables(prompt, step, has_video, has_audio, False)) for step in prompt.steps
    ]
    whole = " ".join(texts)
    assert ("no picture" in whole) == (not has_video)
    assert ("no sound track" in whole) == (not has_audio)


FAULTS: dict[str, tuple[Callable[[Content], object], str]] = {
    "unknown key at the top": (
        lambda p: p.update(sytem="x"),
        r"^sytem: unknown key; remove it or correct its spelling$",
    ),
    "unknown key in a step": (lambda p: p["steps"][1].update(input=[]), r"^steps\[1\]\.input: unknown key; remove"),
    "unknown key in media": (lambda p: p["media"].update(frames=3), r"^media\.frames: unknown key; remove"),
    "unknown key in sampling": (lambda p: p["sampling"].update(top_k=3), r"^sampling\.top_k: unknown key; remove"),
    "missing key": (lambda p: p.pop("system"), r"^system: missing; every prompt file needs it$"),
    "missing template": (lambda p: p["steps"][0].pop("template"), r"^steps\[0\]\.template: missing"),
    "no steps": (lambda p: p.update(steps=[]), r"^steps: List should have at least 1 item .*\(it is \[\]\)$"),
    "unknown input": (
        lambda p: p["steps"][0].update(inputs=["vidoe"]),
        r"^steps\[0\]\.inputs\[0\]: Input should be 'video', 'audio', 'text' or 'cues' \(it is 'vidoe'\)$",
    ),
    "input twice": (
        lambda p: p["steps"][0].update(inputs=["video", "video"]),
        r"^steps\[0\]\.inputs: \['video', 'video'\] names an input twice$",
    ),
    "number out of range": (
        lambda p: p["media"].update(fps=0),
        r"^media\.fps: Input should be greater than 0 \(it is 0\)$",
    ),
    "bad step name": (
        lambda p: p["steps"][0].update(name="Look Up"),
        r"^steps\[0\]\.name: String should match pattern .* \(it is 'Look Up'\)$",
    ),
    "reserved step name": (
        lambda p: (p["steps"][1].update(name="clip"), p["output"].update(affect_description="look.seen")),
        r"^steps\[1\]\.name: 'clip' is the name of a template variable; choose another$",
    ),
    "unknown step in uses": (
        lambda p: p["steps"][1].update(uses=["lok"]),
        r"^steps\[1\]\.uses: unknown step 'lok'; it may use earlier steps only \(look\)$",
    ),
    "later step in uses": (
        lambda p: p["steps"][0].update(uses=["tell"]),
        r"^steps\[0\]\.uses: unknown step 'tell'; it may use earlier steps only \(none: this is the first step\)$",
    ),
    "itself in uses": (
        lambda p: p["steps"][1].update(uses=["tell"], template="x"),
        r"^steps\[1\]\.uses: unknown step 'tell'; it may use earlier steps only \(look\)$",
    ),
    "two steps of one name": (
        lambda p: p["steps"].append({"name": "tell", "inputs": [], "template": "x"}),
        r"^steps\[2\]\.name: 'tell' is used twice; step names are unique$",
    ),
    "template syntax": (
        lambda p: p["steps"][0].update(template="a\n{% if clip %}"),
        r"^steps\[0\]\.template: line 2: Unexpected end of template.*; it may use clip, video$",
    ),
    "unknown template variable": (
        lambda p: p["steps"][1].update(template="{{ lok.seen }}"),
        r"^steps\[1\]\.template: 'lok' is undefined; it may use clip, video, look$",
    ),
    "unknown field of a reply": (
        lambda p: p["steps"][1].update(template="{{ look.sen }}"),
        r"^steps\[1\]\.template: .*no attribute 'sen'; it may use clip, video, look$",
    ),
    "variable that only clips with sound have": (
        lambda p: p["steps"][0].update(template="{% if clip.has_audio %}ok{% else %}{{ pitch }}{% endif %}"),
        r"^steps\[0\]\.template: 'pitch' is undefined; it may use",
    ),
    "division that clips without picture break": (
        lambda p: p["steps"][0].update(template="{{ 1 / video.fps }}"),
        r"^steps\[0\]\.template: ZeroDivisionError: .*; it may use",
    ),
    "field that a reply may leave out": (
        lambda p: p["steps"][1].update(template="{{ look.hands }}"),
        r"^steps\[1\]\.template: .*no attribute 'hands'; it may use",
    ),
    "text without asking for it": (
        lambda p: p["steps"][0].update(template="{{ text }}"),
        r"^steps\[0\]\.template: 'text' is undefined; it may use clip, video$",
    ),
    "invalid JSON schema": (
        lambda p: p["steps"][0]["schema"]["properties"].update(seen={"type": "strng"}),
        r"^steps\[0\]\.schema: not a valid JSON Schema at properties\.seen\.type: 'strng' is not valid",
    ),
    "schema whose properties are a list": (
        lambda p: p["steps"][0].update(schema={"type": "object", "properties": ["seen"]}),
        r"^steps\[0\]\.schema: not a valid JSON Schema at properties: ",
    ),
    "schema that is no object": (
        lambda p: p["steps"][0].update(schema={"type": "string"}),
        r"^steps\[0\]\.schema: must be of type 'object' and have 'properties': chat servers",
    ),
    "schema key that YAML reads as true": (
        lambda p: p["steps"][0]["schema"]["properties"].update({True: {"type": "string"}}),
        r"^steps\[0\]\.schema: not a valid JSON Schema: a key is no string; put quotes around yes, no, on, off",
    ),
    "schema reference to nothing": (
        lambda p: p["steps"][0]["schema"]["properties"].update(seen={"$ref": "#/$defs/text"}),
        r"^steps\[0\]\.schema: not a valid JSON Schema: '/\$defs/text' is defined nowhere in it$",
    ),
    "schema reference to the network": (
        lambda p: p["steps"][0]["schema"]["properties"].update(seen={"$ref": "http://127.0.0.1:9/s.json"}),
        r"^steps\[0\]\.schema: not a valid JSON Schema: 'http://127\.0\.0\.1:9/s\.json' is defined nowhere in it$",
    ),
    "schema pattern that is no regular expression": (
        lambda p: p["steps"][0]["schema"]["properties"].update(seen={"type": "string", "pattern": "("}),
        r"^steps\[0\]\.schema: not a valid JSON Schema at properties\.seen\.pattern: '\(' is not a 'regex'$",
    ),
    "output to an unknown field": (
        lambda p: p["output"].update(mood="look.seen"),
        r"^output\.mood: unknown caption field; known are visual_description, ",
    ),
    "output from an unknown step": (
        lambda p: p["output"].update(visual_description="loook.seen"),
        r"^output\.visual_description: 'loook\.seen' names unknown step 'loook'; steps are look, tell$",
    ),
    "output from a missing schema field": (
        lambda p: p["output"].update(visual_description="look.brows"),
        r"^output\.visual_description: step 'look' has no field 'brows' of a known type in its schema$",
    ),
    "output below a string": (
        lambda p: p["output"].update(visual_description="look.seen.more"),
        r"^output\.visual_description: step 'look' has no field 'seen\.more'",
    ),
    "output of a field of free text": (
        lambda p: p["output"].update(acoustic_description="tell.sound"),
        r"^output\.acoustic_description: step 'tell' has no field 'sound'",
    ),
    "output of the wrong type": (
        lambda p: p["output"].update(valence="look.seen"),
        r"^output\.valence: 'look\.seen' is of type string; the caption field wants integer or null or number$",
    ),
    "output of a whole reply": (
        lambda p: p["output"].update(affect_description="look"),
        r"^output\.affect_description: 'look' is of type object; the caption field wants string$",
    ),
    "output of an array of objects": (
        lambda p: p["output"].update(emotions="look.pairs"),
        r"^output\.emotions: 'look\.pairs' is an array of something else; .* wants items of type string$",
    ),
    "affect description that a reply may leave out": (
        lambda p: p["output"].update(affect_description="look.hands"),
        r"^output\.affect_description: 'look\.hands' may be left out of a reply; list it under 'required'",
    ),
    "no affect description": (
        lambda p: p["output"].pop("affect_description"),
        r"^output: 'affect_description' is missing; every caption needs its integrated description$",
    ),
}


@pytest.mark.parametrize(("change", "message"), FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_is_one_line_with_its_place_and_rule(
    change: Callable[[Content], object], message: str, tmp_path: Path
) -> None:
    lines = faults_of(tmp_path, change)
    assert len(lines) == 1, lines
    assert re.search(message, lines[0]), lines[0]


def test_an_enum_may_be_an_output_since_its_type_is_that_of_its_values(tmp_path: Path) -> None:
    content = good_prompt()
    content["output"] |= {"visual_description": "look.face", "emotions": "look.names", "valence": "look.score"}
    assert load_prompt(write(tmp_path, content)).output["visual_description"] == "look.face"


def test_a_field_that_may_be_left_out_may_be_used_where_the_template_asks_first(tmp_path: Path) -> None:
    content = good_prompt()
    content["steps"][1]["template"] = "{% if look.hands is defined %}{{ look.hands }}{% endif %}"
    assert load_prompt(write(tmp_path, content)).steps[1].uses == ["look"]


def test_all_faults_of_form_are_reported_at_once(tmp_path: Path) -> None:
    def change(content: Content) -> None:
        content.pop("name")
        content["media"]["fps"] = -1
        content["steps"][0]["inputs"] = ["smell"]
        content["steps"][1]["temperature"] = 1

    places = [line.partition(": ")[0] for line in faults_of(tmp_path, change)]
    assert sorted(places) == ["media.fps", "name", "steps[0].inputs[0]", "steps[1].temperature"]


def test_all_faults_of_meaning_are_reported_at_once(tmp_path: Path) -> None:
    def change(content: Content) -> None:
        content["steps"][0]["schema"]["properties"] = ["seen"]
        content["steps"][1]["template"] = "{{ look.seen }}"  # cannot be judged while look's schema is broken
        content["steps"].append({"name": "tell", "inputs": [], "uses": ["listen"], "template": "{{"})
        content["steps"].append({"name": "last", "inputs": [], "template": "{{ x }}"})
        content["output"] = {"mood": "look.seen"}

    places = [line.partition(": ")[0] for line in faults_of(tmp_path, change)]
    assert places == [
        "steps[0].schema",
        "steps[2].name",
        "steps[2].uses",
        "steps[3].template",
        "output",
        "output.mood",
    ]


UNREADABLE = {
    "YAML syntax": ("steps: [", r"small\.yaml: not valid YAML: .*line 1"),
    "key written twice": ("name: a\nname: b\n", r"small\.yaml: not valid YAML: key 'name' is written twice.*line 2"),
    "nested key written twice": (
        "media: {fps: 1, fps: 2}\n",
        r"small\.yaml: not valid YAML: key 'fps' is written twice",
    ),
    "key that is a list": ("? [a, b]\n: 1\n", r"small\.yaml: not valid YAML: a key is no text.*line 1"),
    "day that does not exist": ("version: 2026-02-30\n", r"small\.yaml: not valid YAML: day is out of range"),
    "Python object": ("name: !!python/object/apply:os.getcwd []\n", r"not valid YAML: could not determine a constr"),
    "nesting without end": ("[" * 1500, r"small\.yaml: not valid YAML: "),
    "a list": ("- name: a\n", r"small\.yaml: holds a list; a prompt file is a mapping with 'name'"),
    "a word": ("hello\n", r"small\.yaml: holds a str; a prompt file is a mapping"),
    "nothing": ("", r"small\.yaml: holds a NoneType; a prompt file is a mapping"),
}


@pytest.mark.parametrize(("text", "message"), UNREADABLE.values(), ids=UNREADABLE.keys())
def test_a_file_that_holds_no_prompt_is_refused_in_one_line(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(PromptError, match=message) as caught:
        load_prompt(write(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_a_missing_or_binary_file_is_refused_with_what_to_give_instead(tmp_path: Path) -> None:
    with pytest.raises(PromptError, match=r"none\.yaml cannot be read: .*No such file.*; give the path of a prompt"):
        load_prompt(tmp_path / "none.yaml")
    binary = tmp_path / "clip.mp4"
    binary.write_bytes(b"\x00\x00\x00\x18ftypmp42\xff\xfe")
    with pytest.raises(PromptError, match=r"clip\.mp4 cannot be read: .*codec can't decode.*; give the path"):
        load_prompt(binary)
    with pytest.raises(PromptError, match=r"cannot be read: .*Is a directory"):
        load_prompt(tmp_path)


def test_the_digest_ignores_comments_layout_and_defaults_written_out(tmp_path: Path) -> None:
    def digest(text: str) -> str:
        return load_prompt(write(tmp_path, text)).sha256

    plain = yaml.safe_dump(good_prompt())
    flow = yaml.safe_dump(good_prompt(), default_flow_style=True, sort_keys=False)
    content = good_prompt()
    content["sampling"]["top_p"] = 1.0
    assert digest(plain) == digest("# a comment\n\n" + plain) == digest(flow) == digest(yaml.safe_dump(content))


CHANGES: dict[str, Callable[[Content], object]] = {
    "version": lambda p: p.update(version="1.1"),
    "system": lambda p: p.update(system="You watch."),
    "media": lambda p: p["media"].update(fps=3),
    "sampling": lambda p: p["sampling"].update(seed=0),
    "template": lambda p: p["steps"][1].update(template="{{ look.seen }}."),
    "schema": lambda p: p["steps"][0]["schema"]["properties"]["seen"].update(maxLength=99),
    "output": lambda p: p["output"].pop("visual_description"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_the_digest_changes_with_the_content(change: Callable[[Content], object]) -> None:
    content = good_prompt()
    change(content)
    assert Prompt.model_validate(content).sha256 != Prompt.model_validate(good_prompt()).sha256


def test_a_version_written_as_a_number_is_text() -> None:
    assert Prompt.model_validate({**good_prompt(), "version": 2.5}).version == "2.5"
