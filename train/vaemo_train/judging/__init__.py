"""Fine-tuned models judged again: other windows, noise, other clips; and linear probes of encoders."""
