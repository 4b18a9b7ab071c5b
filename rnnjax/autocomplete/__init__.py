"""Autocomplete: naming the word being typed."""
