"""From shards to batches on the device: windows, augmentation, log-mel."""
