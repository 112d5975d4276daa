"""The yardstick: speaker-disjoint folds, linear probes, retrieval, scores with intervals."""
