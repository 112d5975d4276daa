"""Train the unified visual-audio encoder of emotion: shards, models, stage 1, evaluation."""
