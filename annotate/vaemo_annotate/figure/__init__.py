"""The panels of the cue figure: a face and a voice over time, drawn for print."""
