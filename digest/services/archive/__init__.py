"""What was printed for everybody, page by page."""
