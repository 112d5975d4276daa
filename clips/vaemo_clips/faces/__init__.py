"""Faces in a picture sequence: found, meshed, followed over time, aligned."""
