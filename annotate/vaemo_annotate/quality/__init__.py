"""Quality control of captions: what is wrong with one, as typed findings, and what follows from it."""
