"""Tests of vaemo_train."""
