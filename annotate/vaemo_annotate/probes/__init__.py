"""Does the model look and listen: clips of planted truth, and real clips that lose a picture or a sound."""
