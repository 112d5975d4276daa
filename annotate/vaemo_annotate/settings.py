"""What a run is asked to do, checked before anything starts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

EngineName = Literal["auto", "vllm", "endpoint", "cues"]
Concurrency = Literal["auto"] | Annotated[int, Field(ge=1, le=4096)]


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
        return int(value) if isinstance(value, str) and value.isdigit() else value

    @property
    def folder(self) -> Path:
        """Return where this run (or this shard of it) keeps its ledger and its dataset."""
        return self.out / self.shard.folder if self.shard else self.out
