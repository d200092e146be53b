"""The doors that stay open: `digest run`, the daemon with its jobs, and `digest web`, its pages alone.

Both wait for signals, tell systemd how they are and read the configuration again in the same way (``standing``).
"""
