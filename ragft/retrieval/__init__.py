"""Cuts documents into passages, embeds them and finds them again."""
