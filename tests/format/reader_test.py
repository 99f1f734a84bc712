#!/usr/bin/env python3
"""The library and a reader written from docs/format agree: reader_test.py WRITE_SAMPLE DOCS

write_sample writes logs with the library and says what it wrote; reader.py must find the same in
the files, and, where the files were damaged, the same damage in the same place.
"""

import json
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest

import reader

SKIPPED = 77


class FormatTest(unittest.TestCase):
    program: str
    docs: pathlib.Path

    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.directory = pathlib.Path(scratch.name) / "log"

    def run_sample(self, mode: str, directory: pathlib.Path) -> list[dict]:
        done = subprocess.run(
            [self.program, mode, str(directory)], capture_output=True, text=True, check=False
        )
        if done.returncode == SKIPPED:
            self.skipTest(done.stderr.strip())
        self.assertEqual(done.returncode, 0, done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def write(self, mode: str) -> list[dict]:
        return self.run_sample(mode, self.directory)

    def reopen(self) -> list[dict]:
        """What the library finds, in a copy: opening a log may write to it."""
        copy = self.directory.parent / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self.directory, copy)
        return self.run_sample("reopen", copy)

    def segment(self, number: int) -> reader.Segment:
        path = self.directory / "segments" / f"{number:016x}.seg"
        return reader.Segment(path, reader.read_superblock(self.directory))

    def flip(self, path: pathlib.Path, offset: int):
        data = bytearray(path.read_bytes())
        data[offset] ^= 0x10
        path.write_bytes(data)

    def kinds_of(self, number: int) -> set[int]:
        return {frame.kind for frame in self.segment(number).frames()}

    def assert_same_damage(self, path: pathlib.Path, offset: int):
        with self.assertRaises(reader.Damage) as caught:
            reader.read_log(self.directory)
        self.assertEqual((caught.exception.path, caught.exception.offset), (path, offset))
        self.assertEqual(
            self.reopen(), [{"error": "corruption", "file": path.name, "offset": offset}]
        )

    def test_wal_with_batches_and_several_segments(self):
        written = self.write("wal")
        self.assertGreater(len(list((self.directory / "segments").iterdir())), 3)
        self.assertEqual(reader.read_log(self.directory), written)

    def test_wal_that_was_not_closed(self):
        written = self.write("wal-open")
        self.assertEqual(reader.read_log(self.directory), written)
        self.assertEqual(self.reopen(), written)

    def test_message_log_with_keys_batches_and_truncation(self):
        written = self.write("messages")
        found = reader.read_log(self.directory)
        self.assertEqual(found, written)
        truncated = [m for m in found if m["topic"] != "plain" and m["partition"] == 1]
        self.assertGreater(truncated[0]["offset"], 0)

    def test_pads_and_resume_frames_of_the_block_domain(self):
        written = self.write("mixed")
        self.assertEqual(self.kinds_of(1), {reader.DATA, reader.PAD, reader.RESUME})
        self.assertEqual(reader.read_log(self.directory), written)

    def test_a_mapped_log_goes_on_behind_a_resume_frame(self):
        written = self.write("resumed")
        first, resume, second = self.segment(1).frames()
        self.assertEqual(resume.kind, reader.RESUME)
        self.assertEqual(second.offset // reader.BLOCK, first.offset // reader.BLOCK + 1)
        self.assertEqual(reader.read_log(self.directory), written)
        self.assertEqual(self.reopen(), written)

    def test_a_resume_frame_in_front_of_a_record_is_rot(self):
        self.write("resumed")
        segment = self.segment(1)
        first, resume, _ = segment.frames()
        self.flip(segment.path, resume.offset + 24)
        self.assert_same_damage(segment.path, first.next)

    def test_a_header_that_reverts_to_a_clean_close_is_rot(self):
        self.write("resumed")
        segment = self.segment(1)
        self.assertFalse(segment.state.states_its_end)
        self.flip(segment.path, segment.slot_offset)
        self.assertTrue(self.segment(1).state.states_its_end)
        self.assert_same_damage(segment.path, segment.slot_offset)

    def test_a_header_that_reverts_to_free_is_rot(self):
        self.write("wal-open")
        lanes = reader.read_segments(self.directory, reader.read_superblock(self.directory))
        newest = lanes[0][-1]
        self.flip(newest.path, newest.slot_offset)
        self.assert_same_damage(newest.path, newest.slot_offset)

    def test_segments_of_the_emulated_domain_say_that_they_are_unsynced(self):
        self.write("wal-open")
        lanes = reader.read_segments(self.directory, reader.read_superblock(self.directory))
        for segment in [one for lane in lanes.values() for one in lane]:
            self.assertTrue(segment.state.flags & reader.UNSYNCED)

    def test_a_domain_that_survives_power_loss_takes_the_mark_away(self):
        self.write("mixed")
        for path in (self.directory / "segments").iterdir():
            self.assertFalse(self.segment(int(path.stem, 16)).state.flags & reader.UNSYNCED)

    def test_the_last_frame_torn_ends_the_log_before_it(self):
        written = self.write("wal-open")
        lanes = reader.read_segments(self.directory, reader.read_superblock(self.directory))
        newest = lanes[0][-1]
        frame = newest.frames()[-1]
        self.flip(newest.path, frame.offset + 24)
        expected = [r for r in written if r["lane"] != 0 or r["lsn"] < frame.lsn]
        self.assertEqual(reader.read_log(self.directory), expected)
        self.assertEqual(self.reopen(), expected)

    def test_an_earlier_frame_of_the_active_segment_is_rot(self):
        self.write("wal-open")
        lanes = reader.read_segments(self.directory, reader.read_superblock(self.directory))
        newest = lanes[0][-1]
        frame = newest.frames()[-3]
        self.flip(newest.path, frame.offset + 30)
        self.assert_same_damage(newest.path, frame.offset)

    def test_any_frame_of_a_sealed_segment_is_rot(self):
        self.write("wal-open")
        sealed = self.segment(1)
        self.assertEqual(sealed.state.use, reader.SEALED)
        last = sealed.frames()[-1]
        self.flip(sealed.path, last.offset)
        self.assert_same_damage(sealed.path, last.offset)

    def test_the_older_header_slot_stands_when_the_newer_is_torn(self):
        written = self.write("wal")
        newest = max(
            (self.segment(int(p.stem, 16)) for p in (self.directory / "segments").iterdir()),
            key=lambda s: (s.state.lane == 0, s.state.lane_sequence),
        )
        self.assertTrue(newest.state.flags & reader.CLOSED_CLEANLY)
        self.flip(newest.path, newest.slot_offset)
        self.assertFalse(self.segment(newest.state.segment_id).state.states_its_end)
        self.assertEqual(reader.read_log(self.directory), written)
        self.assertEqual(self.reopen(), written)

    def test_store_with_keyspaces_and_writes_behind_its_tables(self):
        written = self.write("store")
        found = reader.read_log(self.directory)
        keyspaces = [entry for entry in found if "name" in entry]
        self.assertEqual(
            [(k["id"], k["name"], k["comparator"]) for k in keyspaces],
            [(0, "default", "nacre.bytewise"), (2, "reverse", "nacre.reverse_bytewise")],
        )
        for keyspace in keyspaces:
            self.assertEqual([table["level"] for table in keyspace["tables"]], [0])
        writes = found[len(keyspaces):]
        sequences = [write.pop("sequence") for write in writes]
        self.assertEqual(sequences, sorted(sequences))
        self.assertEqual(writes, written)

    def test_a_table_that_the_manifest_names_and_is_not_there(self):
        self.write("store")
        table = next((self.directory / "tables").iterdir())
        table.rename(table.with_suffix(".moved"))
        with self.assertRaises(reader.Damage) as caught:
            reader.read_log(self.directory)
        self.assertEqual(caught.exception.path, table)

    def test_a_manifest_begins_at_the_newest_record_that_says_everything(self):
        def entry(lsn: int, payload: bytes) -> reader.Entry:
            return reader.Entry(lsn, 0, payload)

        text = struct.pack("<I", 1) + b"k"
        keyspace = struct.pack("<I", 4) + text + text + text
        table = struct.pack("<QIQ", 9, 2, 4096)
        everything = struct.pack("<BBQIQI", 2, 1, 70, 5, 10, 1) + keyspace + struct.pack("<I", 1) + table
        edit = struct.pack("<BBQIIII", 1, 1, 80, 0, 0, 0, 1) + struct.pack("<I", 4) + table
        before = entry(1, struct.pack("<BBQIIIII", 1, 1, 0, 0, 1, 3, 0, 0))
        manifest = reader.Manifest([before, entry(2, everything), entry(3, edit)])
        expected = {"id": 4, "name": "k", "comparator": "k", "merge_operator": "k", "tables": {}}
        self.assertEqual(manifest.keyspaces, {4: expected})
        self.assertEqual((manifest.flushed_through, manifest.next_keyspace, manifest.next_table), (80, 5, 10))
        with self.assertRaises(reader.Damage):
            reader.Manifest([before])
        with self.assertRaises(reader.Damage):
            reader.Manifest([entry(2, everything + b"x")])

    def test_the_example_of_the_documents_is_what_the_library_writes(self):
        """A block ```hex FILE holds offset and bytes, as xxd prints them; what it leaves out is zero."""
        self.write("example")
        shown = {}
        for page in sorted(self.docs.glob("format/*.md")):
            for name, dump in re.findall(r"```hex (\S+)\n(.*?)```", page.read_text(), re.DOTALL):
                for line in dump.splitlines():
                    offset, columns = re.match(r"([0-9a-f]+): ((?:[0-9a-f]{2,4} ?)+)", line).groups()
                    shown.setdefault(name, {})[int(offset, 16)] = bytes.fromhex(columns)
        self.assertEqual(set(shown), {"SUPERBLOCK", "LANES", "segments/0000000000000001.seg"})
        for name, lines in shown.items():
            data = (self.directory / name).read_bytes()
            rebuilt = bytearray(len(data))
            for offset, line in lines.items():
                rebuilt[offset : offset + len(line)] = line
            self.assertEqual(bytes(rebuilt), data, name)


if __name__ == "__main__":
    FormatTest.docs = pathlib.Path(sys.argv.pop())
    FormatTest.program = sys.argv.pop()
    unittest.main()
