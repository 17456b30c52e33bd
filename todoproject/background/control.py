"""What a supervisor and its processes say to each other, over a socket: a byte each."""

READY, BEAT = b"+", b"."  # of a process: it serves; it still lives
ASKED, WROTE = b"*", b"!"  # of a worker, and handed on to the background process: somebody has asked; has written
RETIRE = b"-"  # to a worker: end, others of ours go on
