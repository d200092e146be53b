"""Stage 4: when a digest goes out, and what is printed: ranked entries become a frozen edition. Pure."""
