"""A disk with a volatile write cache, for power cuts and faults: an NBD server for QEMU.

What is written is on the media once a flush, or the write itself (FUA), has said so. Until then the
cache may write back any sector at any time, in any of the versions it has had since: that is decided by
a seed. A power cut keeps some of the unflushed sectors, drops the rest, and from then on every request
fails, until the power is back. A sector is what the disk never tears, 512 bytes or more. (docs/vm.md)

The protocol: https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md, fixed newstyle, the
simple replies.
"""

import errno
import mmap
import os
import pathlib
import random
import socket
import struct
import threading
from typing import Callable

SECTOR = 512
_PIECE = 1 << 20

_MAGIC = 0x4E42444D41474943
_OPTION_MAGIC = 0x49484156454F5054
_OPTION_REPLY_MAGIC = 0x3E889045565A9
_REQUEST_MAGIC = 0x25609513
_REPLY_MAGIC = 0x67446698
_FIXED_NEWSTYLE, _NO_ZEROES = 1, 2
_OPTION_EXPORT_NAME, _OPTION_ABORT, _OPTION_INFO, _OPTION_GO = 1, 2, 6, 7
_REPLY_ACK, _REPLY_INFO, _REPLY_UNSUPPORTED = 1, 3, 0x80000001
_INFO_EXPORT = 0
_READ, _WRITE, _DISCONNECT, _FLUSH = 0, 1, 2, 3
_HAS_FLAGS, _SEND_FLUSH, _SEND_FUA = 1, 4, 8
_COMMAND_FUA = 1

NAMES = {_READ: "read", _WRITE: "write", _FLUSH: "flush"}


class VolatileCache:
    """The media (a file) and what is cached before them. Not thread safe."""

    def __init__(self, path: pathlib.Path, seed: int, sector: int = SECTOR) -> None:
        self._random = random.Random(seed)
        self._sector = sector
        self._file = os.open(path, os.O_RDWR)
        self.size = os.fstat(self._file).st_size
        self._dirty: set[int] = set()
        self._content = self._read_media()
        # Sectors of the media as they were when remember() was called.
        self._earlier: dict[int, bytes] = {}

    def close(self) -> None:
        self._content.close()
        os.close(self._file)

    def read(self, offset: int, size: int) -> bytes:
        return self._content[offset:offset + size]

    def write(self, offset: int, data: bytes, durable: bool) -> None:
        sectors = range(offset // self._sector, -(-(offset + len(data)) // self._sector))
        # What is overwritten in the cache may have reached the media a moment ago.
        for sector in sorted(self._dirty.intersection(sectors)):
            if self._random.random() < 0.5:
                self._write_back(sector, 1)
        self._content[offset:offset + len(data)] = data
        if durable:
            self._write_back(sectors.start, len(sectors))
            self._dirty.difference_update(sectors)
        else:
            self._dirty.update(sectors)

    def flush(self) -> None:
        for begin, count in _runs(sorted(self._dirty)):
            self._write_back(begin, count)
        self._dirty.clear()

    def cut(self) -> tuple[int, int]:
        """The power fails. Returns how many sectors were unflushed, and how many of them are kept."""
        # From nothing kept to everything: a coin for each sector alone hardly ever keeps a long run.
        chance = self._random.choice((0.0, 0.1, 0.5, 0.9, 1.0))
        unflushed = sorted(self._dirty)
        kept = [sector for sector in unflushed if self._random.random() < chance]
        for begin, count in _runs(kept):
            self._write_back(begin, count)
        self._dirty.clear()
        self._content.close()
        self._content = self._read_media()
        return len(unflushed), len(kept)

    def remember(self) -> None:
        """For save_remembered(): the media as they are now."""
        self._earlier.clear()

    def save_remembered(self, path: pathlib.Path) -> None:
        """Writes the media as they were at remember()."""
        with path.open("wb") as file:
            file.truncate(self.size)
            for begin in range(0, self.size, _PIECE):
                piece = os.pread(self._file, _PIECE, begin)
                if piece.count(0) != len(piece):
                    file.seek(begin)
                    file.write(piece)
            for sector, content in self._earlier.items():
                file.seek(sector * self._sector)
                file.write(content)

    def _write_back(self, sector: int, count: int) -> None:
        size = self._sector
        for each in range(sector, sector + count):
            if each not in self._earlier:
                self._earlier[each] = os.pread(self._file, size, each * size)
        os.pwrite(self._file, self._content[sector * size:(sector + count) * size], sector * size)

    def _read_media(self) -> mmap.mmap:
        """A private view: what is stored there stays there until it is written back."""
        return mmap.mmap(self._file, self.size, flags=mmap.MAP_PRIVATE)


def _runs(sectors: list[int]) -> list[tuple[int, int]]:
    runs: list[tuple[int, int]] = []
    for sector in sectors:
        if runs and sum(runs[-1]) == sector:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((sector, 1))
    return runs


# Asked before each request: its kind ("read", "write", "flush"), offset and size; an errno fails it.
Fault = Callable[[str, int, int], int]


def no_fault(_kind: str, _offset: int, _size: int) -> int:
    return 0


class VolatileDisk:
    """Serves one image at a socket, to one machine after another."""

    def __init__(self, image: pathlib.Path, socket_path: pathlib.Path, seed: int,
                 sector: int = SECTOR) -> None:
        self._cache = VolatileCache(image, seed, sector)
        self._lock = threading.Lock()
        self._dead = False
        self._cut_after: int | None = None
        self._on_cut: Callable[[], None] = lambda: None
        self._fault: Fault = no_fault
        self._ledger = b""
        self.cut_report: tuple[int, int] | None = None
        self.was_cut = threading.Event()
        self.writes = 0
        self.flushes = 0
        # The path of a socket has 107 bytes at most (unix(7)); by way of this descriptor it is short.
        self._folder = os.open(socket_path.parent, os.O_PATH | os.O_DIRECTORY)
        path = f"/proc/{os.getpid()}/fd/{self._folder}/{socket_path.name}"
        self.name = f"nbd+unix:///?socket={path}"
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(path)
        self._listener.listen()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        """Ends the server. The machines have to be gone."""
        self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._listener.close()
        os.close(self._folder)
        self._cache.close()

    def cut_after(self, writes: int, then: Callable[[], None] = lambda: None) -> None:
        """The power fails with the so-manieth write or flush from now on, and `then` is called."""
        with self._lock:
            self.was_cut.clear()
            self._cut_after, self._on_cut = writes, then

    def cut(self) -> None:
        """The power fails now, if it has not."""
        with self._lock:
            if not self._dead:
                self._cut()

    def restore(self) -> None:
        """The power is back. What machine is there must have forgotten what it knew of the disk."""
        with self._lock:
            self._dead = False
            self._cut_after = None

    def remember(self, ledger: pathlib.Path) -> None:
        """For save_remembered(): the media and what was acknowledged, as they are now."""
        with self._lock:
            self._cache.remember()
        self._ledger = ledger.read_bytes() if ledger.exists() else b""

    def save_remembered(self, image: pathlib.Path, ledger: pathlib.Path) -> None:
        with self._lock:
            self._cache.save_remembered(image)
        ledger.write_bytes(self._ledger)

    def fail(self, fault: Fault) -> None:
        with self._lock:
            self._fault = fault

    def _cut(self) -> None:
        self._dead = True
        self._cut_after = None
        self.cut_report = self._cache.cut()
        self.was_cut.set()
        self._on_cut()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                if _shake_hands(connection, self._cache.size):
                    while self._answer(connection):
                        pass
            except (ConnectionError, OSError):
                return

    def _answer(self, connection: socket.socket) -> bool:
        magic, flags, kind, handle, offset, size = struct.unpack(
            ">IHHQQI", _receive(connection, 28))
        if magic != _REQUEST_MAGIC or kind == _DISCONNECT:
            return False
        data = _receive(connection, size) if kind == _WRITE else b""
        failed, content = errno.EINVAL, b""
        if kind in NAMES:
            with self._lock:
                failed, content = self._carry_out(kind, offset, size, data, flags & _COMMAND_FUA != 0)
        connection.sendall(struct.pack(">IIQ", _REPLY_MAGIC, failed, handle) + content)
        return True

    def _carry_out(self, kind: int, offset: int, size: int, data: bytes,
                   durable: bool) -> tuple[int, bytes]:
        if self._dead:
            return errno.EIO, b""
        failed = self._fault(NAMES[kind], offset, size)
        if failed != 0:
            return failed, b""
        if kind == _READ:
            return 0, self._cache.read(offset, size)
        last = self._cut_after is not None and self._cut_after <= 1
        if kind == _WRITE:
            self.writes += 1
            # The last write is under way when the power fails: nothing of it is promised.
            self._cache.write(offset, data, durable and not last)
        elif not last:
            self.flushes += 1
            self._cache.flush()
        if last:
            self._cut()
            return errno.EIO, b""
        if self._cut_after is not None:
            self._cut_after -= 1
        return 0, b""


def _receive(connection: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        part = connection.recv(size - len(data))
        if not part:
            raise ConnectionError("the machine has hung up")
        data += part
    return bytes(data)


def _shake_hands(connection: socket.socket, size: int) -> bool:
    """Options until one asks for the export; False when the client goes away."""
    export = struct.pack(">QH", size, _HAS_FLAGS | _SEND_FLUSH | _SEND_FUA)
    connection.sendall(struct.pack(">QQH", _MAGIC, _OPTION_MAGIC, _FIXED_NEWSTYLE | _NO_ZEROES))
    client_flags, = struct.unpack(">I", _receive(connection, 4))

    def reply(option: int, kind: int, content: bytes = b"") -> None:
        connection.sendall(
            struct.pack(">QIII", _OPTION_REPLY_MAGIC, option, kind, len(content)) + content)

    while True:
        _, option, length = struct.unpack(">QII", _receive(connection, 16))
        _receive(connection, length)
        if option == _OPTION_EXPORT_NAME:
            connection.sendall(export + (b"" if client_flags & _NO_ZEROES else bytes(124)))
            return True
        if option in (_OPTION_GO, _OPTION_INFO):
            reply(option, _REPLY_INFO, struct.pack(">H", _INFO_EXPORT) + export)
            reply(option, _REPLY_ACK)
            if option == _OPTION_GO:
                return True
        elif option == _OPTION_ABORT:
            reply(option, _REPLY_ACK)
            return False
        else:
            reply(option, _REPLY_UNSUPPORTED)
