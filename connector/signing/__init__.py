"""S/MIME and DKIM: the octets of a message enter, signed or encrypted ones leave.

Nothing here knows a server or a job. The library for keys and certificates is loaded with these modules, so
that a worker without keys starts without it.
"""
