"""From folders of captions to the texts of training rows: found, judged, joined with the clips of the shards."""
