"""Operators and programs: logging in, tokens, and one effect for each request."""
