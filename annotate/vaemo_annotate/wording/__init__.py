"""Measured cues put into words, without an LLM.

Reading order: `measures` (what cues are called), `facts` (which of them count), `deviation` (how far from the
usual), `contradiction` (what cannot both hold), `rules`, `score` and `affect` (what it may mean), `phrasing` and
`sentence` (how words are chosen and joined), `observation`, `paragraph`, `visual`, `acoustic`, `account` and
`describe` (the caption), `cue_text` (the same cues as text for a prompt). Everything here is a pure function.
"""
