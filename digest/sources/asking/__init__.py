"""How documents come: the network and its judgement, files and programs, turns, keys, limits. Some of it does I/O."""
