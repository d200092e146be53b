"""The vocabulary: frozen dataclasses and enums that every stage speaks. Standard library only, no I/O.

Instants are aware UTC and end in ``_at``; collections are tuples; everything is keyword-only and frozen.
Untrusted input is validated at the edges (parsers, settings, forms), never here.
"""
