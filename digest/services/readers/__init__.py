"""Who reads: joining, choosing, leaving, and what is kept of each person."""
