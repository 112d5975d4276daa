"""The unified encoder, its decoder and its processor."""
