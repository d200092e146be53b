"""Delivering what the ledger holds, and the operator's hand in the ledger."""
