"""What a run is asked to do, checked before anything starts."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

EngineName = Literal["auto", "vllm", "endpoint", "cues"]
CanaryMode = Literal["stop", "warn", "off"]
"""What a run does when a clip of planted truth shows that the server ignores or invents a modality."""
Concurrency = Literal["auto"] | int
MAX_CONCURRENCY = 4096
MANAGED_FLAGS = ("--api_key", "--host", "--port", "--model", "--served_model_name")
"""What the managed server is reached by; vLLM's own log would also show a key."""


class Shard(BaseModel):
    """Part `index` of `count` (1-based) of a manifest; clips are dealt out by their id."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    index: int
    count: int

    @property
    def folder(self) -> str:
        """Return the name of the shard's folder inside the run folder."""
        return f"shard-{self.index}-of-{self.count}"


class RunSettings(BaseModel):
    """The settings of `vaemo-annotate run`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    prompt: Path
    clips: Path = Path("manifests/clips.parquet")
    out: Path
    engine: EngineName = "auto"
    model: str | None = None
    endpoint: str | None = None
    concurrency: Concurrency = "auto"
    limit: int | None = Field(default=None, ge=1)
    seed: int | None = Field(default=None, ge=0, lt=2**31)
    samples: int = Field(default=1, ge=1, le=1000)
    shard: Shard | None = None
    pilot: int | None = Field(default=None, ge=1)
    canaries: CanaryMode = "stop"
    max_reject_rate: float = Field(default=0.2, ge=0, le=1)
    vllm_python: Path | None = None
    vllm_args: str = ""
    workers: int | None = Field(default=None, ge=1)
    request_timeout_s: float = Field(default=600.0, gt=0)
    patience_s: float = Field(default=600.0, gt=0)
    startup_timeout_s: float = Field(default=1800.0, gt=0)

    @field_validator("shard", mode="before")
    @classmethod
    def _read_shard(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        match = re.fullmatch(r"(\d+)/(\d+)", value)
        if not match or not 1 <= int(match[1]) <= int(match[2]):
            raise ValueError("must be I/N with 1 <= I <= N, as in 2/8")
        return {"index": int(match[1]), "count": int(match[2])}

    @field_validator("concurrency", mode="before")
    @classmethod
    def _read_concurrency(cls, value: object) -> object:
        number = int(value) if isinstance(value, str) and value.isdigit() else value
        if number != "auto" and not (isinstance(number, int) and 1 <= number <= MAX_CONCURRENCY):
            raise ValueError(f"must be auto or a number from 1 to {MAX_CONCURRENCY}")
        return number

    @field_validator("vllm_args")
    @classmethod
    def _check_arguments(cls, value: str) -> str:
        flags = {word.partition("=")[0] for word in shlex.split(value)}
        managed = sorted(flags & {flag for name in MANAGED_FLAGS for flag in (name, name.replace("_", "-"))})
        if managed:
            raise ValueError(f"must not hold {managed[0]}: the run sets it itself (the model is --model); leave it out")
        return value

    @property
    def folder(self) -> Path:
        """Return where this run (or this shard of it) keeps its ledger and its dataset."""
        return self.out / self.shard.folder if self.shard else self.out
