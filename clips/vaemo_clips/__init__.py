"""The contract shared by annotation and training: clips, manifests, media decoding, captions, errors."""
