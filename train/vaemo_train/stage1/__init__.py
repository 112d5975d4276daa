"""Stage 1: masked reconstruction and contrastive learning, without labels."""
