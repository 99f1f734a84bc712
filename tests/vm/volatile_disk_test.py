#!/usr/bin/env python3
"""What the disk of the virtual machine keeps of a power cut: a disk that kept everything would make
every power cut test pass."""

import errno
import pathlib
import socket
import struct
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools" / "vm"))

from volatile_disk import SECTOR, VolatileCache, VolatileDisk  # noqa: E402

SECTORS = 64


def sector(letter: str) -> bytes:
    return letter.encode() * SECTOR


class Scratch(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name)
        self.image = self.folder / "image"
        self.image.write_bytes(bytes(SECTORS * SECTOR))

    def cache(self, seed):
        cache = VolatileCache(self.image, seed)
        self.addCleanup(cache.close)
        return cache


class Cache(Scratch):
    def test_reads_what_was_written(self):
        cache = self.cache(1)
        cache.write(SECTOR, sector("a"), durable=False)
        self.assertEqual(cache.read(0, 2 * SECTOR), bytes(SECTOR) + sector("a"))

    def test_a_flush_and_a_durable_write_survive_every_cut(self):
        for seed in range(40):
            cache = self.cache(seed)
            cache.write(0, sector("a"), durable=False)
            cache.flush()
            cache.write(SECTOR, sector("b"), durable=True)
            cache.cut()
            self.assertEqual(cache.read(0, 2 * SECTOR), sector("a") + sector("b"))
            self.assertEqual(self.image.read_bytes()[:2 * SECTOR], sector("a") + sector("b"))

    def test_each_unflushed_sector_is_kept_or_lost_by_itself(self):
        seen = set()
        for seed in range(200):
            self.image.write_bytes(bytes(SECTORS * SECTOR))
            cache = self.cache(seed)
            cache.write(0, sector("a") + sector("b"), durable=False)
            unflushed, kept = cache.cut()
            self.assertEqual(unflushed, 2)
            content = cache.read(0, 2 * SECTOR)
            self.assertEqual(content, self.image.read_bytes()[:2 * SECTOR])
            there = (content[0] != 0, content[SECTOR] != 0)
            self.assertEqual(sum(there), kept)
            seen.add(there)
        self.assertEqual(len(seen), 4)

    def test_a_durable_write_says_nothing_of_others(self):
        lost = 0
        for seed in range(40):
            self.image.write_bytes(bytes(SECTORS * SECTOR))
            cache = self.cache(seed)
            cache.write(0, sector("a"), durable=False)
            cache.write(SECTOR, sector("b"), durable=True)
            cache.cut()
            lost += cache.read(0, SECTOR) == bytes(SECTOR)
        self.assertGreater(lost, 0)

    def test_any_version_since_the_flush_may_be_what_is_left(self):
        seen = set()
        for seed in range(200):
            cache = self.cache(seed)
            cache.write(0, sector("a"), durable=True)
            cache.write(0, sector("b"), durable=False)
            cache.write(0, sector("c"), durable=False)
            cache.cut()
            seen.add(cache.read(0, 1))
        self.assertEqual(seen, {b"a", b"b", b"c"})

    def test_keeps_or_loses_a_larger_sector_whole(self):
        kept = set()
        for seed in range(32):
            self.image.write_bytes(bytes(SECTORS * SECTOR))
            cache = VolatileCache(self.image, seed, 8 * SECTOR)
            self.addCleanup(cache.close)
            cache.write(9 * SECTOR, sector("a") * 3, durable=False)
            cache.cut()
            kept.add(self.image.read_bytes()[9 * SECTOR:12 * SECTOR])
        self.assertEqual(kept, {bytes(3 * SECTOR), sector("a") * 3})

    def test_the_same_seed_keeps_the_same(self):
        kept = []
        for _ in range(2):
            self.image.write_bytes(bytes(SECTORS * SECTOR))
            cache = self.cache(7)
            for number in range(SECTORS):
                cache.write(number * SECTOR, sector("x"), durable=False)
            cache.cut()
            kept.append(self.image.read_bytes())
        self.assertEqual(*kept)

    def test_saves_the_media_as_they_were(self):
        cache = self.cache(1)
        cache.write(0, sector("a"), durable=True)
        cache.remember()
        cache.write(0, sector("b"), durable=True)
        cache.write(0, sector("c"), durable=True)
        cache.write(3 * SECTOR, sector("d"), durable=True)
        cache.save_remembered(self.folder / "saved")
        saved = (self.folder / "saved").read_bytes()
        self.assertEqual(saved, sector("a") + bytes((SECTORS - 1) * SECTOR))


class Disk(Scratch):
    """Over the wire, as QEMU asks."""

    READ, WRITE, FLUSH = 0, 1, 3

    def setUp(self):
        super().setUp()
        self.disk = VolatileDisk(self.image, self.folder / "socket", 1)
        self.addCleanup(self.disk.close)
        self.connection = socket.socket(socket.AF_UNIX)
        self.addCleanup(self.connection.close)
        self.connection.connect(str(self.folder / "socket"))
        self.receive(18)
        self.connection.sendall(struct.pack(">I", 3))
        self.connection.sendall(struct.pack(">QII", 0x49484156454F5054, 1, 0))
        size, flags = struct.unpack(">QH", self.receive(10))
        self.assertEqual(size, SECTORS * SECTOR)
        self.assertEqual(flags & 12, 12, "flush and FUA")

    def receive(self, size):
        data = b""
        while len(data) < size:
            data += self.connection.recv(size - len(data))
        return data

    def ask(self, kind, offset=0, size=0, data=b"", fua=False):
        """The errno, and what was read."""
        self.connection.sendall(
            struct.pack(">IHHQQI", 0x25609513, fua, kind, 5, offset, size or len(data)) + data)
        _, failed, handle = struct.unpack(">IIQ", self.receive(16))
        self.assertEqual(handle, 5)
        return failed, self.receive(size) if kind == self.READ and failed == 0 else b""

    def test_carries_out_reads_writes_and_flushes(self):
        self.assertEqual(self.ask(self.WRITE, SECTOR, data=sector("a")), (0, b""))
        self.assertEqual(self.ask(self.READ, SECTOR, SECTOR), (0, sector("a")))
        self.assertEqual(self.ask(self.FLUSH), (0, b""))
        self.assertEqual(self.image.read_bytes()[SECTOR:2 * SECTOR], sector("a"))

    def test_answers_nothing_between_a_cut_and_the_power(self):
        self.disk.cut_after(2)
        self.assertEqual(self.ask(self.WRITE, data=sector("a"), fua=True)[0], 0)
        self.assertEqual(self.ask(self.WRITE, data=sector("b"), fua=True)[0], errno.EIO)
        self.assertTrue(self.disk.was_cut.is_set())
        for kind in (self.READ, self.FLUSH):
            self.assertEqual(self.ask(kind, 0, SECTOR)[0], errno.EIO)
        self.disk.restore()
        self.assertIn(self.ask(self.READ, 0, SECTOR), ((0, sector("a")), (0, sector("b"))))

    def test_the_flush_that_is_cut_promises_nothing(self):
        self.disk.cut_after(2)
        self.assertEqual(self.ask(self.WRITE, data=sector("a"))[0], 0)
        self.assertEqual(self.ask(self.FLUSH)[0], errno.EIO)

    def test_fails_what_it_is_told_to(self):
        self.disk.fail(lambda kind, offset, size: errno.ENOSPC if kind == "write" else 0)
        self.assertEqual(self.ask(self.WRITE, data=sector("a"))[0], errno.ENOSPC)
        self.assertEqual(self.ask(self.READ, 0, SECTOR), (0, bytes(SECTOR)))


if __name__ == "__main__":
    unittest.main()
