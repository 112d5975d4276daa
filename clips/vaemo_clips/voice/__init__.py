"""Voices in a sound track: where speech is, its pitch, loudness, rhythm and quality over time."""
