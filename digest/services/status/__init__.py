"""How everything is doing, and what would be usual."""
