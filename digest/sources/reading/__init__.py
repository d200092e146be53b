"""What kinds of sources read with: bytes -> documents -> items -> dates, names, ids and texts. Pure."""
