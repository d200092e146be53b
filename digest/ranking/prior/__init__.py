"""What to expect of a paper before its first vote: fitted weights as data, and how they are read, used and fitted.

``judge`` uses a Prior, ``weights`` reads and writes it, ``fit`` makes one of works whose outcome is known. The prior
that is shipped (shipped.json) serves from the first day; an installation with enough works of its own fits its own.
"""
