"""Prompt files: versioned chain-of-thought prompts as YAML, checked whole before anything is sent."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from vaemo_annotate import json_schema
from vaemo_annotate.template import render
from vaemo_clips.caption import DESCRIPTION_SCHEMA
from vaemo_clips.errors import PromptError
from vaemo_clips.settings_file import fault_report, pydantic_faults, read_mapping

Input = Literal["video", "audio", "text", "cues"]
StepName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
RESERVED_VARIABLES = frozenset({"clip", "video", "text", "cues"})

_OUTPUT_TYPES = {
    "visual_description": {"string"},
    "acoustic_description": {"string"},
    "affect_description": {"string"},
    "emotions": {"array"},
    "valence": {"number", "integer", "null"},
    "arousal": {"number", "integer", "null"},
    "confidence": {"number", "integer", "null"},
}
assert set(_OUTPUT_TYPES) == set(DESCRIPTION_SCHEMA.names)


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class MediaSettings(_Settings):
    """How a clip is shown to the model: at most `max_frames` frames at `fps`, and mono sound."""

    fps: float = Field(default=2.0, gt=0, le=60)
    max_frames: int = Field(default=16, ge=1, le=768)
    short_side_px: int = Field(default=360, ge=28, le=2160)
    audio_rate_hz: int = Field(default=16_000, ge=8_000, le=48_000)


class SamplingSettings(_Settings):
    """How the model draws its words; `max_tokens` is the cap of one reply.

    Without a `seed` none is sent, and the server draws freely. With one, sample k is sent `seed + k`;
    that repeats a draw as far as the server's batching allows, and costs speed on vLLM.
    """

    temperature: float = Field(default=0.0, ge=0, le=2)
    top_p: float = Field(default=1.0, gt=0, le=1)
    max_tokens: int = Field(default=512, ge=1, le=65_536)
    seed: int | None = Field(default=None, ge=0, lt=2**31)


class Step(_Settings):
    """One request of the chain: the inputs it gets, the earlier replies it uses, what it must answer."""

    name: StepName
    inputs: list[Input]
    uses: list[StepName] = []
    template: str = Field(min_length=1)
    reply_schema: dict[str, Any] | None = Field(default=None, alias="schema")


class Prompt(_Settings):
    """A prompt file. `output` maps caption fields to `step.field` of a reply."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    version: Annotated[str, BeforeValidator(lambda value: str(value) if isinstance(value, int | float) else value)]
    description: str
    system: str = Field(min_length=1)
    media: MediaSettings = MediaSettings()
    sampling: SamplingSettings = SamplingSettings()
    steps: list[Step] = Field(min_length=1)
    output: dict[str, str]

    @property
    def sha256(self) -> str:
        """Digest of the content; comments and layout of the file do not count."""
        content = self.model_dump(mode="json", by_alias=True)
        return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()

    @property
    def inputs(self) -> frozenset[Input]:
        """Every input that any step asks for."""
        return frozenset(name for step in self.steps for name in step.inputs)

    def step(self, name: str) -> Step:
        """Return the step of that name."""
        return next(step for step in self.steps if step.name == name)


def load_prompt(path: Path) -> Prompt:
    """Read and check a prompt file.

    Raises PromptError that lists every fault with its path in the file: those of form (keys, types, ranges),
    or where there are none, those of meaning (steps, templates, schemas, outputs).
    """
    content = read_mapping(path, PromptError, "prompt", "a prompt file is a mapping with 'name', 'steps', …")
    try:
        prompt = Prompt.model_validate(content)
    except ValidationError as error:
        raise PromptError(fault_report(path, pydantic_faults(error, "prompt"))) from error
    faults = list(_cross_faults(prompt))
    if faults:
        raise PromptError(fault_report(path, faults))
    return prompt


def _cross_faults(prompt: Prompt) -> Iterator[str]:
    """Yield what pydantic cannot see: relations between steps, templates, schemas and outputs."""
    earlier: list[str] = []
    broken: set[str] = set()
    for index, step in enumerate(prompt.steps):
        where = f"steps[{index}]"
        if step.name in earlier:
            yield f"{where}.name: {step.name!r} is used twice; step names are unique"
        if step.name in RESERVED_VARIABLES:
            yield f"{where}.name: {step.name!r} is the name of a template variable; choose another"
        if len(set(step.inputs)) < len(step.inputs):
            yield f"{where}.inputs: {step.inputs} names an input twice"
        unknown = [name for name in step.uses if name not in earlier]
        for name in unknown:
            known = ", ".join(earlier) or "none: this is the first step"
            yield f"{where}.uses: unknown step {name!r}; it may use earlier steps only ({known})"
        fault = step.reply_schema is not None and json_schema.schema_fault(step.reply_schema)
        if fault:
            broken.add(step.name)
            yield f"{where}.schema: {fault}"
        elif not unknown and broken.isdisjoint(step.uses):
            yield from (f"{where}.template: {fault}" for fault in _template_faults(prompt, step))
        earlier.append(step.name)
    yield from _output_faults(prompt, broken)


def _template_faults(prompt: Prompt, step: Step) -> Iterator[str]:
    """Yield the first fault of rendering with every combination of media a clip, and fields a reply, can have."""
    for has_video, has_audio, silent, optional in product([True, False], repeat=4):
        try:
            render(step.template, sample_variables(prompt, step, has_video, has_audio, silent, optional))
        except ValueError as error:
            yield f"{error}; it may use {', '.join(variable_names(step))}"
            return


def variable_names(step: Step) -> list[str]:
    """Return the names a step's template may use."""
    return ["clip", "video", *(name for name in ("text", "cues") if name in step.inputs), *step.uses]


def sample_variables(
    prompt: Prompt, step: Step, has_video: bool, has_audio: bool, silent: bool, optional: bool = True
) -> dict[str, Any]:
    """Return stand-ins for everything a step's template may use; `optional` fields are those a reply may leave out."""
    values: dict[str, Any] = {
        "clip": {"duration_s": 3.0, "has_video": has_video, "has_audio": has_audio, "is_silent": silent},
        "video": {"num_frames": 6 * has_video, "fps": 2.0 * has_video, "interval_s": 0.5 * has_video},
        "text": "…",
        "cues": {"all": "…", "face": "…", "voice": "…"},
    }
    names = variable_names(step)
    values = {name: value for name, value in values.items() if name in names}
    for name in step.uses:
        used_schema = prompt.step(name).reply_schema
        values[name] = json_schema.sample_value(used_schema, optional=optional) if used_schema else "…"
    return values


def _output_faults(prompt: Prompt, broken: set[str]) -> Iterator[str]:
    steps = {step.name: step for step in prompt.steps}
    if "affect_description" not in prompt.output:
        yield "output: 'affect_description' is missing; every caption needs its integrated description"
    for field, target in prompt.output.items():
        where = f"output.{field}"
        name, *path = target.split(".")
        if field not in _OUTPUT_TYPES:
            yield f"{where}: unknown caption field; known are {', '.join(_OUTPUT_TYPES)}"
        elif name not in steps:
            yield f"{where}: {target!r} names unknown step {name!r}; steps are {', '.join(steps)}"
        elif name not in broken:
            schema = steps[name].reply_schema
            types = json_schema.field_types(schema, path) if schema else ({"string"} if not path else None)
            if not types:
                yield f"{where}: step {name!r} has no field {'.'.join(path)!r} of a known type in its schema"
            elif not types <= _OUTPUT_TYPES[field]:
                wanted = " or ".join(sorted(_OUTPUT_TYPES[field]))
                yield f"{where}: {target!r} is of type {'/'.join(sorted(types))}; the caption field wants {wanted}"
            elif types == {"array"} and json_schema.field_types(schema or {}, [*path, "[]"]) != {"string"}:
                yield f"{where}: {target!r} is an array of something else; the caption field wants items of type string"
            elif field == "affect_description" and not json_schema.is_required(schema or {}, path):
                yield f"{where}: {target!r} may be left out of a reply; list it under 'required' in the schema"
