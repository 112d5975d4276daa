"""Clips as vectors of a trained encoder: of shards, of media files, of one clip."""
