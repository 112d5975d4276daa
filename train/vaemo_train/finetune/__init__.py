"""Fine-tuning: what is learnt, by whom it is tested, and how a model is trained for it."""
