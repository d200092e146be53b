"""The web door: leaving, choosing, confirming, and reading a mail on the web. A GET changes nothing, ever."""
