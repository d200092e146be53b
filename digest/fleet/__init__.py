"""The adapter to the queue of a fleet, Procrastinate, which lives in the same PostgreSQL; nobody else knows it."""
