"""The report on a run: one pass over its captions, charts as SVG, one HTML file that needs nothing else."""
