"""Editions: composed from the store, recorded, previewed, explained."""
