"""The pages behind the links of a mail. Each reads a token, calls one service, and answers with one page."""
