"""A server with the shape of DynamoDB that always answers with one item: `python -m ops.bench.table` prints its port.

It runs in a process of its own, so that what it costs is not counted, and does as little as possible.
"""

from __future__ import annotations

import socket
import threading

BODY = b'{"Item":{"id":{"S":"welcome"},"message":{"S":"Welcome to the bench"}}}'
ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: %d\r\n\r\n" % len(BODY)
) + BODY
LENGTH = b"content-length:"


def _serve(connection: socket.socket) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with connection, connection.makefile("rb") as stream:
        length = 0
        for line in stream:
            if line.lower().startswith(LENGTH):
                length = int(line[len(LENGTH) :])
            elif line == b"\r\n":
                stream.read(length)
                connection.sendall(ANSWER)


def main() -> None:
    """Answer until the process is ended."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=_serve, args=(connection,), daemon=True).start()


if __name__ == "__main__":
    main()
