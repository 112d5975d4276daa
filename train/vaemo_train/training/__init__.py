"""What every stage of training shares: recipes, batches, checkpoints, logs, the loop and its run folder."""
