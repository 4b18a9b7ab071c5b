"""Texts, reduced to 27 characters, their vocabularies, and windows to train on."""
