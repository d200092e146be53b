"""`digest preview --serve`: the real edition in a browser, as eight kinds of mail program show it.

``clients`` turns the mail's HTML into what a program makes of it; ``bench`` prints the mail that a ``wish`` asks for,
again whenever a template, the configuration or a profile file changes; ``server`` answers the browser, on this machine
alone. The page itself is page.html, page.css and page.js.
"""
