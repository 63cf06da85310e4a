"""llama-server behind the guard: `python3 -m clore_llamacpp llama-server <its flags>` on the host.

llama-server is no Python and takes no middleware, so a small HTTP/1.1 server of the standard
library runs the same guard in front of it and hands on what the guard lets through. llama-server
must listen on the loopback; the guarded door listens where `CLORE_INFERENCE_LISTEN` says
(`host:port`). Both end together: a dead engine ends this process in the way in which it died, and a
SIGTERM lets the requests in flight finish first. Python 3.9 or newer, nothing else installed.
"""
