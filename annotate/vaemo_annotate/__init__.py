"""Clips in, emotion captions out: prompts, engines, the ledger and the Arrow caption dataset."""
