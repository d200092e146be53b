"""Use cases, and the only place where transactions begin and end.

A service is a small frozen record holding what it needs; doors call services in order, services do not call each other.
Everything that does I/O besides the store comes in as a function.
"""
