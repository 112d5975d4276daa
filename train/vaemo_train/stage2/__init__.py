"""Stage 2: paths through the encoder aligned with what captions say of a clip."""
