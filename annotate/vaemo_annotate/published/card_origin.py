"""The card's part on how captions were made: which prompt and model were asked, and with which settings."""

from __future__ import annotations

import yaml

from vaemo_annotate.published.markdown import code, inline, known, table
from vaemo_annotate.published.run import RunRecord


def origin_section(run: RunRecord) -> str:
    """Prompt, engine, model, sampling and settings of the run."""
    prompt, engine = run.prompt, run.engine
    asked = engine.name != "cues"
    facts = {
        "Prompt": f"{code(prompt.name)}, version {inline(prompt.version)}"
        + ("" if asked else "; it gave the run its name, no model was asked"),
        "About the prompt": known(prompt.description) if asked else "not used",
        "Prompt SHA-256": code(prompt.sha256) + "; of the whole, folders, hosts or keys in it are cut" * prompt.is_cut,
        "Engine": inline(engine.name) if asked else "cues: face and voice measured, put into words by written rules",
        "Model": known(engine.model),
        "Model revision": known(engine.model_revision),
        "Server version": known(engine.server_version),
        "Sampling": _sampling(prompt.text) if asked else "none",
        "Seed": known(run.settings.seed),
        "Samples per clip": inline(run.settings.samples),
        "Shard": _shard(run.settings.shard),
        "Limit": "none" if run.settings.limit is None else f"{run.settings.limit:,} clips",
        "Pilot": "yes, a trial on a few clips" if run.pilot else "no",
        "Finished": known(run.finished_at),
    }
    files = (
        f"The {'whole ' * (not prompt.is_cut)}prompt is {'below and ' * asked}in [prompt.yaml](prompt.yaml). "
        if prompt.text
        else ""
    )
    return f"{table(['What', 'Value'], facts.items())}\n\n{files}Settings and counts are in [run.json](run.json)."


def _shard(shard: dict[str, int] | str | None) -> str:
    if isinstance(shard, dict):
        return f"{shard.get('index')} of {shard.get('count')}"
    return "all clips" if shard is None else inline(shard)


def _sampling(prompt_text: str | None) -> str:
    """The `sampling` part of the prompt file, on one line."""
    try:
        prompt = yaml.safe_load(prompt_text or "")
    except yaml.YAMLError:
        return "see prompt.yaml"
    sampling = prompt.get("sampling") if isinstance(prompt, dict) else None
    if not isinstance(sampling, dict):
        return "not recorded"
    return ", ".join(f"{code(name)} {inline(value)}" for name, value in sampling.items())
