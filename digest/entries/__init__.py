"""Stage 2: what a feed says becomes clean entries, and what is held is compared with it: new, revised, unchanged."""
