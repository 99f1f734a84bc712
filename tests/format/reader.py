#!/usr/bin/env python3
"""Reads nacre's files from docs/format alone, without the library: reader.py DIRECTORY

Prints every record (of a WAL), message (of a message log), or keyspace and write that is in no table
(of a store) as one JSON object a line. Reads whole
files into memory and computes CRC32C byte by byte: for small logs. Exits with 1 at damage.
"""

import json
import pathlib
import struct
import sys
from typing import Iterator, NamedTuple, Optional

BLOCK = 4096
LINE = 64
DATA_OFFSET = 8192
FREE, ACTIVE, SEALED = 1, 2, 3
DATA, BATCH, PAD, RESUME = 1, 2, 3, 4
WAL, MESSAGE_LOG, STORE = 1, 2, 3
PUT, REMOVE, PUT_UNTIL, MERGE, REMOVE_RANGE = 1, 2, 3, 4, 5
EDIT, EVERYTHING = 1, 2
MANIFEST_LANE = 0
UNKNOWN = 0xFFFFFFFF
CLOSED_CLEANLY, UNSYNCED = 1, 2
MAX_LSN_GAP = 1 << 48
SEARCH_PASSES = 64


class Damage(Exception):
    """The files hold something no correct writer left there, crash or not."""

    def __init__(self, path: pathlib.Path, offset: Optional[int], what: str):
        super().__init__(f"{path}: {what} at {offset}")
        self.path, self.offset = path, offset


def make_table() -> list[int]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
        table.append(crc)
    return table


TABLE = make_table()


def crc32c_raw(crc: int, data: bytes) -> int:
    """No inversion at either end."""
    for byte in data:
        crc = (crc >> 8) ^ TABLE[(crc ^ byte) & 0xFF]
    return crc


def crc32c(data: bytes) -> int:
    """The usual CRC32C."""
    return crc32c_raw(0xFFFFFFFF, data) ^ 0xFFFFFFFF


def align_up(value: int, alignment: int) -> int:
    return -(-value // alignment) * alignment


def read_checked_file(path: pathlib.Path, magic: bytes) -> bytes:
    """The bytes of a file that begins with magic, CRC32C of the rest from 12 on, and version 1."""
    data = path.read_bytes()
    if data[:8] != magic:
        raise Damage(path, 0, "magic")
    crc, version = struct.unpack_from("<II", data, 8)
    if crc != crc32c(data[12:]):
        raise Damage(path, 8, "checksum")
    if version != 1:
        raise Damage(path, 12, "version")
    return data


class Superblock(NamedTuple):
    uuid: bytes
    kind: int
    segment_bytes: int


def read_superblock(directory: pathlib.Path) -> Superblock:
    path = directory / "SUPERBLOCK"
    data = path.read_bytes()[:64]
    if data[:8] != b"NACRELOG" or struct.unpack_from("<I", data, 8)[0] != crc32c(data[12:64]):
        raise Damage(path, 0, "superblock")
    return Superblock(data[16:32], *struct.unpack_from("<I4xQ", data, 32))


def read_lanes(directory: pathlib.Path, uuid: bytes) -> set[int]:
    path = directory / "LANES"
    data = read_checked_file(path, b"NACRLANE")
    (count,) = struct.unpack_from("<I", data, 32)
    if data[16:32] != uuid or len(data) != 40 + 4 * count:
        raise Damage(path, 16, "identity or length")
    return set(struct.unpack_from(f"<{count}I", data, 40))


class Topic(NamedTuple):
    name: str
    first_lane: int
    partitions: int


def read_catalog(directory: pathlib.Path, uuid: bytes) -> list[Topic]:
    path = directory / "CATALOG"
    data = read_checked_file(path, b"NACRECAT")
    (count,) = struct.unpack_from("<I", data, 32)
    if data[16:32] != uuid:
        raise Damage(path, 16, "identity")
    topics, at, lane = [], 40, 0
    for _ in range(count):
        first_lane, partitions, name_bytes = struct.unpack_from("<IIH2x", data, at)
        name = data[at + 12 : at + 12 + name_bytes]
        if first_lane != lane or partitions == 0 or len(name) != name_bytes:
            raise Damage(path, at, "topic")
        topics.append(Topic(name.decode("ascii"), first_lane, partitions))
        at += 12 + name_bytes
        lane += partitions
    if at != len(data):
        raise Damage(path, at, "length")
    return topics


class Slot(NamedTuple):
    sequence: int
    uuid: bytes
    segment_id: int
    segment_bytes: int
    generation: int
    use: int
    flags: int
    lane: int
    lane_sequence: int
    first_lane_sequence: int
    base_lsn: int
    end_offset: int
    end_lsn: int
    next_segment: int

    @property
    def states_its_end(self) -> bool:
        return self.use == SEALED or bool(self.flags & CLOSED_CLEANLY)


def read_slot(data: bytes) -> Optional[Slot]:
    if data[:8] != b"NACRESEG" or struct.unpack_from("<I", data, 8)[0] != crc32c(data[12:184]):
        return None
    if struct.unpack_from("<I", data, 12)[0] != 1:
        raise NotImplementedError("a newer segment format")
    slot = Slot(*struct.unpack_from("<Q16sQQIIIIQQQQQQ", data, 16))
    return slot if slot.use in (FREE, ACTIVE, SEALED) else None


class Header(NamedTuple):
    crc: int
    payload_bytes: int
    lsn: int
    durable_distance: int
    kind: int
    reserved: int
    tag: int

    @property
    def covered_bytes(self) -> int:
        return 24 if self.kind == PAD else 24 + self.payload_bytes

    def may_follow(self, last: int) -> bool:
        return self.kind in (PAD, RESUME) or 0 < self.lsn - last < MAX_LSN_GAP


class Frame(NamedTuple):
    offset: int
    kind: int
    tag: int
    lsn: int
    records: int
    distance: int
    payload: bytes
    next: int

    @property
    def last_lsn(self) -> int:
        return self.lsn + self.records - 1

    @property
    def claims_durable(self) -> int:
        if self.records == 0 or self.distance == UNKNOWN or self.distance > self.lsn:
            return 0
        return self.lsn - self.distance


class Entry(NamedTuple):
    lsn: int
    tag: int
    payload: bytes


def batch_entries(frame: Frame) -> Optional[list[Entry]]:
    """Of a batch; nothing when they do not fill the payload exactly."""
    (count,) = struct.unpack_from("<I", frame.payload)
    entries, at = [], 8
    for i in range(count):
        if len(frame.payload) - at < 8:
            return None
        size, tag = struct.unpack_from("<IH2x", frame.payload, at)
        entries.append(Entry(frame.lsn + i, tag, frame.payload[at + 8 : at + 8 + size]))
        at += 8 + align_up(size, 8)
        if at > len(frame.payload):
            return None
    return entries if entries and at == len(frame.payload) else None


class Segment:
    """One file: its header, and the frames of its present use."""

    def __init__(self, path: pathlib.Path, superblock: Superblock):
        self.path, self.data = path, path.read_bytes()
        slots = {at: read_slot(self.data[at : at + 184]) for at in (0, 4096)}
        valid = [at for at, slot in slots.items() if slot]
        if not valid:
            raise Damage(path, None, "header")
        self.slot_offset = max(valid, key=lambda at: slots[at].sequence)
        self.state = slots[self.slot_offset]
        identity = (self.state.uuid, f"{self.state.segment_id:016x}.seg", self.state.segment_bytes)
        if identity != (superblock.uuid, path.name, superblock.segment_bytes):
            raise Damage(path, None, "identity")
        if len(self.data) != superblock.segment_bytes:
            raise Damage(path, None, "size")
        self.seed = self.seed_of(self.state.generation)
        if self.state.use == FREE:
            self.seed = self.seed_of(self.state.generation + 1)
            if self.frame_at(DATA_OFFSET, len(self.data)):
                raise self.old_header()

    def seed_of(self, generation: int) -> int:
        state = self.state
        identity = struct.pack("<16sQI", state.uuid, state.segment_id, generation & 0xFFFFFFFF)
        return crc32c_raw(0xFFFFFFFF, identity)

    def old_header(self) -> Damage:
        return Damage(self.path, 4096 - self.slot_offset, "the newer header slot")

    def header_at(self, offset: int, limit: int) -> Optional[Header]:
        """What may be the header of a frame at `offset`, whether its checksum matches or not."""
        room = limit - offset
        if room < LINE:
            return None
        header = Header(*struct.unpack_from("<IIQIBBH", self.data, offset))
        size, kind = header.payload_bytes, header.kind
        if kind not in (DATA, BATCH, PAD, RESUME) or header.reserved != 0:
            return None
        if align_up(24 + size, LINE) > room:
            return None
        if (kind == DATA and size == 0) or (kind == RESUME and size != 8):
            return None
        return None if kind == BATCH and size < 16 else header

    def frame_at(self, offset: int, limit: int) -> Optional[Frame]:
        """The valid frame at exactly `offset`."""
        header = self.header_at(offset, limit)
        if not header:
            return None
        crc, size, lsn, distance, kind, _, tag = header
        checked = self.data[offset + 4 : offset + header.covered_bytes]
        if crc != crc32c_raw(self.seed ^ (offset // LINE), checked):
            return None
        payload = self.data[offset + 24 : offset + 24 + size]
        frame = Frame(offset, kind, tag, lsn, 0, distance, payload, offset + align_up(24 + size, LINE))
        if kind == DATA:
            frame = frame._replace(records=1)
        if kind == BATCH:
            entries = batch_entries(frame)
            if entries is None:
                return None
            frame = frame._replace(records=len(entries))
        return frame

    def frame_after(self, offset: int, last: int, limit: int) -> Optional[Frame]:
        """The frame with which the log goes on at `offset`, where `last` is the newest LSN."""
        frame = self.frame_at(offset, limit)
        if frame and frame.kind != RESUME:
            return None if frame.records and frame.lsn <= last else frame
        resume = self.frame_at(align_up(offset + 1, BLOCK), limit)
        if resume and resume.kind == RESUME:
            if struct.unpack("<Q", resume.payload)[0] == offset:
                return resume
        return None

    def frames(self) -> list[Frame]:
        """Every frame that counts."""
        state = self.state
        limit = state.end_offset if state.states_its_end else len(self.data)
        found, at, last = [], DATA_OFFSET, state.base_lsn - 1
        while frame := self.frame_after(at, last, limit):
            found.append(frame)
            at = frame.next
            if frame.records:
                last = frame.last_lsn
        if state.states_its_end:
            if at < state.end_offset or last != state.end_lsn:
                raise Damage(self.path, at, "a frame that was durable")
            if state.use == ACTIVE and self.frame_after(at, last, len(self.data)):
                raise self.old_header()
        elif self.rot_behind(at, last):
            raise Damage(self.path, at, "a frame that was durable")
        return found

    def rot_behind(self, end: int, last: int) -> bool:
        """Whether what is missing at `end`, behind `last`, had been durable."""
        next_block = align_up(end, BLOCK)
        budget = SEARCH_PASSES * len(self.data)
        at = end + LINE
        while at + LINE <= len(self.data):
            header = self.header_at(at, len(self.data))
            frame = None
            if header and header.may_follow(last):
                if budget <= 0:
                    raise Damage(self.path, end, "too much that looks like frames")
                budget -= header.covered_bytes
                frame = self.frame_at(at, len(self.data))
            if frame:
                if frame.claims_durable > last:
                    return True
                if end != next_block <= at and frame.claims_durable == last:
                    return True
            at = frame.next if frame else at + LINE
        return False


def read_segments(directory: pathlib.Path, superblock: Superblock) -> dict[int, list[Segment]]:
    """The segments that count, by lane, oldest first."""
    lanes: dict[int, list[Segment]] = {}
    ids = set()
    for path in sorted((directory / "segments").glob("*.seg")):
        segment = Segment(path, superblock)
        ids.add(segment.state.segment_id)
        if segment.state.use != FREE:
            lanes.setdefault(segment.state.lane, []).append(segment)
    for lane, segments in lanes.items():
        segments.sort(key=lambda s: s.state.lane_sequence)
        newest = segments[-1].state
        kept = [s for s in segments if s.state.lane_sequence >= newest.first_lane_sequence]
        places = [s.state.lane_sequence for s in kept]
        if places != list(range(newest.first_lane_sequence, newest.lane_sequence + 1)):
            raise Damage(directory, None, f"lane {lane}: a segment is missing")
        if any(s.state.use != SEALED for s in kept[:-1]):
            raise Damage(directory, None, f"lane {lane}: not sealed")
        if newest.use == SEALED and newest.next_segment and newest.next_segment not in ids:
            raise Damage(directory, None, f"lane {lane}: the next segment is missing")
        lanes[lane] = kept
    missing = read_lanes(directory, superblock.uuid) - set(lanes)
    if missing:
        raise Damage(directory, None, f"lanes {missing} are missing")
    return lanes


def lane_entries(segments: list[Segment]) -> Iterator[Entry]:
    for segment in segments:
        for frame in segment.frames():
            if frame.kind == DATA:
                yield Entry(frame.lsn, frame.tag, frame.payload)
            elif frame.kind == BATCH:
                yield from batch_entries(frame)


def wal_records(lanes: dict[int, list[Segment]]) -> list[dict]:
    records = [
        {"lane": lane, "lsn": entry.lsn, "tag": entry.tag, "payload": entry.payload.hex()}
        for lane, segments in lanes.items()
        for entry in lane_entries(segments)
    ]
    return sorted(records, key=lambda record: (record["lsn"], record["lane"]))


def messages(topics: list[Topic], lanes: dict[int, list[Segment]]) -> Iterator[dict]:
    for topic in topics:
        for partition in range(topic.partitions):
            for entry in lane_entries(lanes.get(topic.first_lane + partition, [])):
                timestamp_ns, key_bytes, attributes = struct.unpack_from("<QIH2x", entry.payload)
                if attributes != 0:
                    raise NotImplementedError("a newer message format")
                yield {
                    "topic": topic.name,
                    "partition": partition,
                    "offset": entry.lsn - 1,
                    "timestamp_ns": timestamp_ns,
                    "key": entry.payload[16 : 16 + key_bytes].hex(),
                    "value": entry.payload[16 + key_bytes :].hex(),
                }


class Fields:
    """Takes a record apart, from its front."""

    def __init__(self, lane: int, entry: Entry):
        self.lane, self.lsn, self.rest = lane, entry.lsn, entry.payload
        self.manifest_version = 1

    def damage(self) -> Damage:
        return Damage(pathlib.Path(f"lane {self.lane}"), self.lsn, "a malformed record")

    def take(self, count: int) -> bytes:
        if count > len(self.rest):
            raise self.damage()
        taken, self.rest = self.rest[:count], self.rest[count:]
        return taken

    def number(self, form: str) -> int:
        return struct.unpack("<" + form, self.take(struct.calcsize("<" + form)))[0]

    def text(self) -> str:
        return self.take(self.number("I")).decode()

    def table(self) -> dict:
        table = {"id": self.number("Q"), "level": self.number("I"), "file_bytes": self.number("Q")}
        if self.manifest_version > 1:
            self.number("Q")  # since: the table was loaded.
        return table

    def keyspace(self) -> dict:
        return {
            "id": self.number("I"),
            "name": self.text(),
            "comparator": self.text(),
            "merge_operator": self.text(),
            "tables": {},
        }

    def each(self) -> range:
        return range(self.number("I"))


class Manifest:
    """What lane 0 of a store says in the end."""

    def __init__(self, entries: list[Entry]):
        self.keyspaces: dict[int, dict] = {}
        self.flushed_through = self.next_keyspace = 0
        self.next_table = 1
        kinds = [entry.payload[:1] for entry in entries]
        newest = max((i for i, kind in enumerate(kinds) if kind == bytes([EVERYTHING])), default=0)
        for entry in entries[newest:]:
            self.apply(Fields(MANIFEST_LANE, entry))

    def apply(self, fields: Fields):
        kind, version = fields.number("B"), fields.number("B")
        if version > 2:
            raise NotImplementedError("a newer manifest format")
        fields.manifest_version = version
        if kind == EDIT:
            self.edit(fields)
        elif kind == EVERYTHING:
            self.read_everything(fields)
        else:
            raise fields.damage()
        if fields.rest:
            raise fields.damage()

    def edit(self, fields: Fields):
        self.flushed_through = fields.number("Q") or self.flushed_through
        for _ in fields.each():
            keyspace = fields.keyspace()
            if keyspace["id"] < self.next_keyspace:
                raise fields.damage()
            self.keyspaces[keyspace["id"]] = keyspace
            self.next_keyspace = keyspace["id"] + 1
        dropped = [fields.number("I") for _ in fields.each()]
        new = [(fields.number("I"), fields.table()) for _ in fields.each()]
        gone = [(fields.number("I"), fields.table()) for _ in fields.each()]
        try:
            for keyspace_id, table in gone:
                del self.keyspaces[keyspace_id]["tables"][table["id"]]
            for keyspace_id, table in new:
                if table["id"] in self.keyspaces[keyspace_id]["tables"]:
                    raise fields.damage()
                self.keyspaces[keyspace_id]["tables"][table["id"]] = table
                self.next_table = max(self.next_table, table["id"] + 1)
            for keyspace_id in dropped:
                del self.keyspaces[keyspace_id]
        except KeyError:
            raise fields.damage()

    def read_everything(self, fields: Fields):
        self.flushed_through = fields.number("Q")
        self.next_keyspace = fields.number("I")
        self.next_table = fields.number("Q")
        self.keyspaces = {}
        for _ in fields.each():
            keyspace = fields.keyspace()
            tables = [fields.table() for _ in fields.each()]
            keyspace["tables"] = {table["id"]: table for table in tables}
            self.keyspaces[keyspace["id"]] = keyspace


def store_writes(lane: int, entry: Entry) -> Iterator[dict]:
    fields = Fields(lane, entry)
    while fields.rest:
        kind, keyspace, key_bytes, value_bytes = struct.unpack("<B3xIII", fields.take(16))
        if kind not in (PUT, REMOVE, PUT_UNTIL, MERGE, REMOVE_RANGE) or key_bytes > 65536:
            raise fields.damage()
        key = fields.take(key_bytes)
        yield {
            "sequence": entry.lsn * 256 + lane,
            "kind": kind,
            "keyspace": keyspace,
            "key": key.hex(),
            "value": fields.take(value_bytes).hex(),
        }


def store_records(directory: pathlib.Path, lanes: dict[int, list[Segment]]) -> list[dict]:
    """The keyspaces with their tables, then every write that is not in a table, in order."""
    manifest = Manifest(list(lane_entries(lanes.get(MANIFEST_LANE, []))))
    named = set()
    for keyspace in manifest.keyspaces.values():
        for table in keyspace["tables"].values():
            path = directory / "tables" / f"{table['id']:016x}.table"
            named.add(path)
            if not path.is_file() or path.stat().st_size != table["file_bytes"]:
                raise Damage(path, None, "a table is missing, or has another size")
    writes = [
        write
        for lane, segments in lanes.items()
        if lane != MANIFEST_LANE
        for entry in lane_entries(segments)
        if entry.lsn > manifest.flushed_through
        for write in store_writes(lane, entry)
        if write["keyspace"] in manifest.keyspaces
    ]
    keyspaces = [
        {**keyspace, "tables": sorted(keyspace["tables"].values(), key=lambda table: table["id"])}
        for _, keyspace in sorted(manifest.keyspaces.items())
    ]
    return keyspaces + sorted(writes, key=lambda write: write["sequence"])


def read_log(directory: pathlib.Path) -> list[dict]:
    superblock = read_superblock(directory)
    lanes = read_segments(directory, superblock)
    if superblock.kind == WAL:
        return wal_records(lanes)
    if superblock.kind == STORE:
        return store_records(directory, lanes)
    return list(messages(read_catalog(directory, superblock.uuid), lanes))


def main() -> int:
    try:
        for record in read_log(pathlib.Path(sys.argv[1])):
            print(json.dumps(record))
    except Damage as damage:
        print(damage, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
