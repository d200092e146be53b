"""Stage 6: Message -> Outcome, and back.

Modules that do I/O: smtp (with handshake and wire), folder, transport, mailbox, catchall. The others are pure.
"""
