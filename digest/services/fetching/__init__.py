"""Reading the world: which sources there are, what they say, what of it is new."""
