"""What the past teaches: evidence for a ranking, replays, a prior of one's own."""
