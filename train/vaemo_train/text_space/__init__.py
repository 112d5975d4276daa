"""Clips and words in one space: what `vaemo-train retrieve` and `vaemo-train zero-shot` do."""
