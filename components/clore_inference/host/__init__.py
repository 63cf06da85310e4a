"""What is done on a host: trust, acceptance, jobs under a supervisor, followers, tunnels.

The modules are imported one by one, since only some need an SSH client:
`login`, `job`, `bootstrap`, `following` do not; `accept`, `status`, `tunnel`, `follow` do.
"""
