"""Training shards: aligned faces as JPEGs and sound at 16 kHz, in Arrow files. No torch."""
