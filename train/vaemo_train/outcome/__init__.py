"""What came of fine-tunings: predictions on disk, scores over folds and seeds, tables, figures, the model card."""
