"""Ways in which an answer goes wrong. Each takes the connection, the request, and the body that was right."""

import gzip
import random
import socket
import struct
import time

from engine import Connection, Fault, Request


def status(line: str, body: bytes = b'{"message": "the engine is not well"}') -> Fault:
    return lambda c, r, good: c.answer(body, line)


def says(body: bytes) -> Fault:
    return lambda c, r, good: c.answer(body)


def reset(c: Connection, _r: Request, _good: bytes) -> None:
    """As a process that is killed: RST, as far as a unix socket has it."""
    c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    c.close()


def reset_within(c: Connection, r: Request, good: bytes) -> None:
    c.send(f"HTTP/1.1 200 OK\r\nContent-Length: {len(good)}\r\n\r\n".encode() + good[: len(good) // 2])
    reset(c, r, good)


def longer_than_said(c: Connection, _r: Request, good: bytes) -> None:
    """The length in the header is more than comes."""
    c.send(f"HTTP/1.1 200 OK\r\nContent-Length: {len(good) + 100}\r\n\r\n".encode() + good)
    c.close()


def truncated(c: Connection, _r: Request, good: bytes) -> None:
    """As far as HTTP tells, all is well."""
    c.answer(good[: len(good) // 2])


def cut_in_chunk(c: Connection, _r: Request, good: bytes) -> None:
    c.begin_stream()
    c.send(b"%x\r\n" % len(good) + good[: len(good) // 2])
    c.close()


def broken_chunk(c: Connection, _r: Request, good: bytes) -> None:
    c.begin_stream()
    c.send(b"zz\r\n" + good)
    c.close()


def compressed(c: Connection, _r: Request, good: bytes) -> None:
    """Though nobody asked for it."""
    c.answer(gzip.compress(good), headers=["Content-Encoding: gzip"])


def no_http(c: Connection, _r: Request, good: bytes) -> None:
    c.send(b"SSH-2.0-OpenSSH_9.2p1\r\n" + good)
    c.close()


def many_headers(c: Connection, _r: Request, good: bytes) -> None:
    """As many as are taken, but not for ever."""
    c.send(b"HTTP/1.1 200 OK\r\n")
    line = b"X-Header: " + b"x" * 1000 + b"\r\n"
    for _ in range(400):
        c.send(line * 100)
    c.close()


def many_interim_answers(c: Connection, _r: Request, good: bytes) -> None:
    for _ in range(20000):
        c.send(b"HTTP/1.1 102 Processing\r\n\r\n" * 100)
    c.close()


def huge(megabytes: int, begin: bytes = b'[{"Id": "x", "Labels": {"a": "') -> Fault:
    """A document that never ends, or nearly so."""

    def fault(c: Connection, _r: Request, _good: bytes) -> None:
        c.begin_stream()
        c.chunk(begin)
        block = b"%x\r\n%s\r\n" % (1 << 20, b"x" * (1 << 20))
        for _ in range(megabytes):
            c.send(block)
        c.chunk(b'"}}]')
        c.send(b"0\r\n\r\n")

    return fault


def silent(c: Connection, _r: Request, _good: bytes) -> None:
    """Takes the request, and no more."""
    c.sock.recv(1)


def trickling(seconds: float) -> Fault:
    """A byte at a time, header and all."""

    def fault(c: Connection, _r: Request, good: bytes) -> None:
        for byte in f"HTTP/1.1 200 OK\r\nContent-Length: {len(good)}\r\n\r\n".encode() + good:
            c.send(bytes([byte]))
            time.sleep(seconds)

    return fault


# ---- odd, but right ----


def with_trailers(c: Connection, _r: Request, good: bytes) -> None:
    c.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-End\r\n\r\n")
    for i in range(0, len(good), 7):
        c.chunk(good[i : i + 7])
    c.send(b"0\r\nX-End: yes\r\n\r\n")


def then_closes(c: Connection, _r: Request, good: bytes) -> None:
    c.answer(good, headers=["Connection: close"])
    c.close()


def until_closed(c: Connection, _r: Request, good: bytes) -> None:
    """Without a length."""
    c.send(b"HTTP/1.0 200 OK\r\n\r\n" + good)
    c.close()


def after_interim(c: Connection, _r: Request, good: bytes) -> None:
    c.send(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")
    c.answer(good)


def mutated(seed: int) -> Fault:
    """Some bytes changed, gone, or twice there."""

    def fault(c: Connection, r: Request, good: bytes) -> None:
        rng = random.Random(f"{seed} {r.what} {len(good)}")
        body = bytearray(good or b"{}")
        for _ in range(rng.randint(1, 4)):
            at, end = sorted((rng.randrange(len(body) + 1), rng.randrange(len(body) + 1)))
            how = rng.randrange(4)
            if how == 0 and at < len(body):
                body[at] = rng.randrange(256)
            elif how == 1:
                del body[at : min(end, at + 20)]
            elif how == 2:
                body[at:at] = body[at : min(end, at + 40)]
            else:
                body[at:at] = rng.choice([b"\0", b"\\u0000", b"\xff", b"[", b'"', b"}", b"null", b"1e999"])
            body = body or bytearray(b" ")
        c.answer(bytes(body))

    return fault
