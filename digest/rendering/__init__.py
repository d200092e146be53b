"""Stage 5: an Edition (or a notice) becomes a Message. Takes the model and template folders, gives bytes; sends
nothing.
"""
