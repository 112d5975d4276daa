"""What a pushed run consists of: its tables, its card, its media, and what of it stays on this machine."""
