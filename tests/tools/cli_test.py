#!/usr/bin/env python3
"""The command line tool from end to end: cli_test.py NACRE [unittest arguments]

Each test runs the program NACRE on directories of its own, in TMPDIR and in /dev/shm.
"""

import base64
import json
import os
import pathlib
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "format"))
import reader

NACRE = ""
SEGMENT = "1MiB"


def run(*arguments, stdin=b"", check=None, **options):
    """Runs nacre; returns the finished process. With `check`, asserts the exit status."""
    process = subprocess.run([NACRE, *map(str, arguments)], input=stdin, capture_output=True,
                             timeout=120, **options)
    if check is not None and process.returncode != check:
        raise AssertionError(f"nacre {arguments} ended with {process.returncode}, not {check}:\n"
                             f"{process.stdout.decode(errors='replace')}\n"
                             f"{process.stderr.decode(errors='replace')}")
    return process


def length_prefixed(records):
    return b"".join(struct.pack("<I", len(record)) + record for record in records)


class CliTest(unittest.TestCase):
    def setUp(self):
        self.base = pathlib.Path(tempfile.mkdtemp(prefix="nacre-cli-"))
        self.addCleanup(shutil.rmtree, self.base, ignore_errors=True)
        self.log = self.base / "log"

    def ingest(self, data, *options, log=None, topic="events", check=0):
        if "--segment-bytes" not in options:
            options += ("--segment-bytes", SEGMENT)
        return run("ingest", log or self.log, topic, "-", "--durability", "process", *options,
                   stdin=data, check=check)

    def cat(self, *options, log=None, topic="events", check=0):
        return run("cat", log or self.log, topic, *options, check=check).stdout

    def assert_one_error_line(self, process, *words):
        text = process.stderr.decode()
        self.assertTrue(text.startswith("nacre: "), text)
        self.assertEqual(text.count("\n"), 1, text)
        for word in words:
            self.assertIn(word, text)


class IngestAndCat(CliTest):
    def test_lines_come_back(self):
        data = b"".join(b"line %d\n" % i for i in range(5000))
        process = self.ingest(data)
        self.assertIn(b"5,000", process.stdout)
        self.assertEqual(self.cat(), data)

    def test_stanzas_come_back(self):
        data = b"A: 1\nB: 2\n\nA: 3\n .\n x\n\n"
        self.ingest(data, "--records", "stanzas")
        self.assertEqual(self.cat("--records", "stanzas"), data)

    def test_length_prefixed_records_come_back(self):
        data = length_prefixed([bytes(range(256)), b"\n", b"x" * 300_000, b"end"])
        self.ingest(data, "--records", "length-prefixed")
        self.assertEqual(self.cat("--records", "length-prefixed"), data)

    def test_power_durability_round_trip(self):
        data = b"".join(b"line %d\n" % i for i in range(5000))
        process = run("ingest", self.log, "events", "--segment-bytes", SEGMENT, "--json",
                      "--engine", "posix", stdin=data)
        if b"durability process" in process.stderr:
            self.skipTest("the temporary directory cannot survive power loss")
        self.assertEqual(process.returncode, 0, process.stderr)
        told = json.loads(process.stdout)
        self.assertTrue(told["survives_power_loss"])
        self.assertEqual(told["io_engine"], "posix")
        self.assertEqual(self.cat(), data)

    def test_says_that_an_engine_is_not_used(self):
        process = self.ingest(b"one\n", "--engine", "posix")
        self.assertEqual(process.stderr.count(b"--engine is ignored"), 1, process.stderr)
        self.assertNotIn(b"--engine", self.ingest(b"two\n").stderr)

    def test_reads_a_file(self):
        source = self.base / "source"
        source.write_bytes(b"one\ntwo")
        run("ingest", self.log, "events", source, "--durability", "process", "--segment-bytes",
            SEGMENT, check=0)
        self.assertEqual(self.cat(), b"one\ntwo\n")

    def test_appends_to_what_is_there(self):
        self.ingest(b"one\n")
        self.ingest(b"two\n")
        self.assertEqual(self.cat(), b"one\ntwo\n")

    def test_partitions_are_apart(self):
        self.ingest(b"two\n", "--partition", "2")
        self.ingest(b"zero\n")
        self.assertEqual(self.cat("--partition", "2"), b"two\n")
        self.assertEqual(self.cat("--partition", "1"), b"")
        self.assertEqual(self.cat(), b"zero\n")
        self.assert_one_error_line(self.ingest(b"x\n", "--partition", "3", check=2), "partition 3")

    def test_skipped_lines_are_told(self):
        result = json.loads(self.ingest(b"\none\n\n", "--json").stdout)
        self.assertEqual(result["skipped_empty"], 2)
        self.assertEqual(result["records"], 1)

    def test_json_of_ingest(self):
        self.ingest(b"zero\n")
        result = json.loads(self.ingest(b"one\ntwo\n", "--json").stdout)
        self.assertEqual((result["begin"], result["end"]), (1, 3))
        self.assertEqual((result["records"], result["bytes"]), (2, 6))
        self.assertEqual(result["domain"], "emulated")
        self.assertTrue(result["complete"])

    def test_keeps_what_came_before_a_bad_record(self):
        data = length_prefixed([b"one", b"two"]) + struct.pack("<I", 9) + b"cut"
        process = self.ingest(data, "--records", "length-prefixed", "--json", check=2)
        self.assert_one_error_line(process, "record 3", "offset 14", "standard input")
        self.assertFalse(json.loads(process.stdout)["complete"])
        self.assertEqual(self.cat(), b"one\ntwo\n")

    def test_refuses_a_record_over_the_limit(self):
        process = self.ingest(b"one\n" + b"x" * (17 << 20) + b"\n", check=2)
        self.assert_one_error_line(process, "record 2", "offset 4", "longer than")
        self.assertEqual(self.cat(), b"one\n")

    def test_acks_end_at_the_watermark(self):
        acks = self.base / "acks"
        self.ingest(b"a\nb\nc\n", "--acks", acks)
        marks = [int(line) for line in acks.read_text().splitlines()]
        self.assertEqual(marks[0], 0)
        self.assertEqual(marks[-1], 3)
        self.assertEqual(marks, sorted(set(marks)))

    def test_resume_passes_over_what_is_there(self):
        self.ingest(b"a\nb\n")
        result = json.loads(self.ingest(b"a\nb\nc\n", "--resume", "--json").stdout)
        self.assertEqual((result["passed_over"], result["records"]), (2, 1))
        self.assertEqual(self.cat(), b"a\nb\nc\n")

    def test_resume_refuses_a_shorter_input(self):
        self.ingest(b"a\nb\n")
        self.assert_one_error_line(self.ingest(b"a\n", "--resume", check=2), "same input")

    def test_what_was_read_is_durable_while_the_input_pauses(self):
        with subprocess.Popen([NACRE, "ingest", self.log, "events", "--durability", "process",
                               "--segment-bytes", SEGMENT, "--acks", "1", "--quiet"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
            self.assertEqual(writer.stdout.readline(), b"0\n")
            writer.stdin.write(b"one\ntwo\n")
            writer.stdin.flush()
            mark = 0
            while mark < 2:
                mark = int(writer.stdout.readline())
            self.assertEqual(self.cat(), b"one\ntwo\n")
            writer.stdin.close()
            self.assertEqual(writer.wait(60), 0)

    def test_a_signal_ends_ingest_in_order(self):
        with subprocess.Popen([NACRE, "ingest", self.log, "events", "--durability", "process",
                               "--segment-bytes", SEGMENT, "--acks", "2", "--json"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE) as writer:
            writer.stdin.write(b"one\n")
            writer.stdin.flush()
            self.assertEqual(writer.stderr.readline(), b"0\n")
            self.assertEqual(writer.stderr.readline(), b"1\n")
            writer.send_signal(signal.SIGINT)
            self.assertEqual(json.loads(writer.stdout.read())["records"], 1)
            self.assertEqual(writer.wait(60), 0)


class Cat(CliTest):
    def test_from_and_count(self):
        self.ingest(b"0\n1\n2\n3\n4\n")
        self.assertEqual(self.cat("--from", "1", "--count", "3"), b"1\n2\n3\n")
        self.assertEqual(self.cat("--from", "5"), b"")
        self.assertEqual(self.cat("--count", "0"), b"")

    def test_from_beyond_the_end_shows_nothing_and_follow_waits_there(self):
        self.ingest(b"0\n1\n")
        self.assertEqual(self.cat("--from", "2"), b"")
        self.assertEqual(self.cat("--from", str(2**64 - 2)), b"")
        with subprocess.Popen([NACRE, "cat", self.log, "events", "--follow", "--from", "3",
                               "--count", "1"], stdout=subprocess.PIPE) as reader:
            self.ingest(b"2\n3\n")
            self.assertEqual(reader.communicate(timeout=60)[0], b"3\n")

    def test_numbers_that_are_none_are_wrong_usage(self):
        # "--from -1" and "--from 18446744073709551615" wrapped around and printed everything, an
        # empty value was taken for 0, and "--count -1" for all.
        self.ingest(b"0\n1\n")
        for option in ("--from", "--count"):
            for value in ("-1", str(2**64), "", " 1", "+1", "1x", "0x1", "1.5", "junk"):
                with self.subTest(option=option, value=value):
                    process = run("cat", self.log, "events", option, value, check=2)
                    self.assertEqual(process.stdout, b"")
                    self.assertIn(f"{option}: '{value}' is not a whole number".encode(),
                                  process.stderr)
        process = run("cat", self.log, "events", "--from", str(2**64 - 1), check=2)
        self.assertIn(b"18446744073709551614", process.stderr)
        self.assertEqual(self.cat("--count", str(2**64 - 1)), b"0\n1\n")

    def test_raw(self):
        self.ingest(b"a\nb\n")
        self.assertEqual(self.cat("--records", "raw"), b"ab")

    def test_json_says_what_is_not_utf8(self):
        records = [b"plain \"\\\t", b"\xff\xfe", "µ".encode()]
        self.ingest(length_prefixed(records), "--records", "length-prefixed")
        lines = [json.loads(line) for line in self.cat("--json").splitlines()]
        self.assertEqual([line["offset"] for line in lines], [0, 1, 2])
        self.assertEqual(lines[0]["value"], "plain \"\\\t")
        self.assertEqual(base64.b64decode(lines[1]["value_base64"]), records[1])
        self.assertEqual(lines[2]["value"], "µ")
        self.assertRegex(lines[0]["time"], r"^\d{4}-\d\d-\d\dT.*Z$")

    def test_a_reader_that_goes_away_is_no_failure(self):
        self.ingest(b"x" * 1000 + b"\n" + b"y\n" * 200_000)
        with subprocess.Popen([NACRE, "cat", self.log, "events"], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE) as process:
            process.stdout.read(10)
            process.stdout.close()
            self.assertEqual(process.wait(60), 0)
            self.assertEqual(process.stderr.read(), b"")

    def test_says_what_is_missing(self):
        self.assert_one_error_line(run("cat", self.base / "none", "events", check=2))
        self.ingest(b"a\n")
        self.assert_one_error_line(run("cat", self.log, "other", check=2), "other")

    def test_follows_a_writer_and_ends_at_a_signal(self):
        self.ingest(b"zero\n")
        with subprocess.Popen([NACRE, "cat", self.log, "events", "--follow"],
                              stdout=subprocess.PIPE) as reader:
            self.assertEqual(reader.stdout.readline(), b"zero\n")
            with subprocess.Popen([NACRE, "ingest", self.log, "events", "--durability", "process",
                                   "--quiet"], stdin=subprocess.PIPE) as writer:
                for number in range(200):
                    line = b"line %d\n" % number
                    writer.stdin.write(line)
                    writer.stdin.flush()
                    self.assertEqual(reader.stdout.readline(), line)
                writer.stdin.close()
                self.assertEqual(writer.wait(60), 0)
            reader.send_signal(signal.SIGINT)
            self.assertEqual(reader.wait(60), 0)

    def test_follow_ends_when_its_reader_goes_away(self):
        self.ingest(b"zero\n")
        with subprocess.Popen([NACRE, "cat", self.log, "events", "--follow"],
                              stdout=subprocess.PIPE) as reader:
            self.assertEqual(reader.stdout.readline(), b"zero\n")
            reader.stdout.close()
            self.assertEqual(reader.wait(60), 0)

    def test_follow_ends_at_its_count(self):
        self.ingest(b"zero\none\n")
        self.assertEqual(self.cat("--follow", "--count", "2"), b"zero\none\n")


class Stat(CliTest):
    def test_tells_topics_and_offsets(self):
        self.ingest(b"a\nb\n")
        self.ingest(b"c\n", topic="other")
        result = json.loads(run("stat", self.log, "--json", check=0).stdout)
        found = {entry["topic"]: (entry["begin"], entry["end"]) for entry in result["partitions"]}
        self.assertEqual(found, {"events": (0, 2), "other": (0, 1)})
        self.assertEqual(result["segment_bytes"], 1 << 20)
        self.assertRegex(result["uuid"], r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
        text = run("stat", self.log, check=0).stdout.decode()
        self.assertRegex(text, r"events +0 +0 +2 +2 +1 +1\.0 MiB")

    def test_metrics(self):
        self.ingest(b"a\nb\n")
        text = run("stat", self.log, "--metrics", check=0).stdout.decode()
        self.assertIn('nacre_partition_end_offset{topic="events",partition="0"} 2\n', text)
        for line in text.splitlines():
            self.assertRegex(line, r'^(# (HELP|TYPE) nacre_[a-z_]+ .+|nacre_[a-z_]+(\{.*\})? \d+)$')

    def test_refuses_a_directory_without_a_log(self):
        self.assert_one_error_line(run("stat", self.base, check=2))


class VerifyAndDump(CliTest):
    def segments(self, *uses):
        """The lane's segment files, in its order; only those in use as one of `uses`, if given.

        The files' names do not say: a spare is made in the background and may be numbered between
        two that are taken."""
        found = []
        for path in self.log.glob("segments/*.seg"):
            output = run("dump", path, "--json", "--count", "0").stdout
            header = json.loads(output.splitlines()[0])
            if header["use"] in (uses or ("sealed", "active")):
                found.append((header["lane_sequence"], path))
        return [path for _, path in sorted(found)]

    def fill(self):
        """Several sealed segments and a bit."""
        self.ingest(b"".join(b"line %d\n" % i for i in range(4500)), "--segment-bytes", "64KiB")

    def flip(self, path, offset):
        with path.open("r+b") as file:
            file.seek(offset)
            old = file.read(1)
            file.seek(offset)
            file.write(bytes([old[0] ^ 1]))

    def test_a_sound_log(self):
        self.fill()
        result = json.loads(run("verify", self.log, "--json", check=0).stdout)
        self.assertTrue(result["sound"])
        self.assertEqual(result["records"], 4500)
        self.assertEqual(result["damage"], [])
        self.assertIn(b"Sound", run("verify", self.log, check=0).stdout)

    def test_a_flipped_bit_is_found_and_placed(self):
        # The second file by name was damaged once. In some runs that was the spare one, whose bytes
        # mean nothing, and the log was sound.
        self.fill()
        damaged = self.segments("sealed")[1]
        self.flip(damaged, 20_000)
        result = json.loads(run("verify", self.log, "--json", check=1).stdout)
        self.assertFalse(result["sound"])
        self.assertEqual(result["damage"][0]["code"], "corruption")
        self.assertEqual(pathlib.Path(result["damage"][0]["path"]), damaged)
        self.assertEqual(result["damage"][0]["offset"], 20_000 // 64 * 64)
        self.assertIn(b"DAMAGED", run("verify", self.log, check=1).stdout)
        self.assertIn(b"DAMAGED", run("dump", damaged, check=1).stdout)
        self.assert_one_error_line(run("cat", self.log, "events", check=1), "corruption")
        self.assert_one_error_line(self.ingest(b"x\n", "--segment-bytes", "64KiB", check=1),
                                   "corruption")

    def test_a_missing_segment_is_damage(self):
        self.fill()
        self.segments("sealed")[1].unlink()
        run("verify", self.log, check=1)

    def test_each_small_file_is_checked(self):
        for name in ("SUPERBLOCK", "CATALOG", "LANES"):
            with self.subTest(name):
                log = self.base / name
                self.ingest(b"x\n", log=log)
                self.flip(log / name, 34)
                run("verify", log, check=1)
                run("dump", log / name, check=1)

    def test_what_is_no_log_is_unusable(self):
        self.assert_one_error_line(run("verify", self.base, check=2))
        self.assert_one_error_line(run("verify", self.base / "none", check=2))

    def test_verify_of_a_wal_says_that_it_is_one(self):
        self.ingest(b"x\n")
        (self.log / "CATALOG").unlink()
        superblock = bytearray((self.log / "SUPERBLOCK").read_bytes())
        superblock[32:36] = struct.pack("<I", 1)
        superblock[8:12] = struct.pack("<I", reader.crc32c(bytes(superblock[12:])))
        (self.log / "SUPERBLOCK").write_bytes(superblock)
        self.assertEqual(json.loads(run("verify", self.log, "--json", check=0).stdout)["kind"],
                         "WAL")
        self.assertRegex(run("verify", self.log, check=0).stdout, rb"^WAL ")
        self.assert_one_error_line(run("stat", self.log, check=2), "WAL")

    def test_verify_beside_a_writer(self):
        with subprocess.Popen([NACRE, "ingest", self.log, "events", "--durability", "process",
                               "--segment-bytes", SEGMENT, "--acks", "1", "--quiet"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
            self.assertEqual(writer.stdout.readline(), b"0\n")
            writer.stdin.write(b"one\n")
            writer.stdin.flush()
            self.assertEqual(writer.stdout.readline(), b"1\n")
            self.assertEqual(json.loads(run("verify", self.log, "--json", check=0).stdout)
                             ["records"], 1)
            writer.stdin.close()
            self.assertEqual(writer.wait(60), 0)

    def test_dump_shows_every_file(self):
        self.fill()
        self.assertIn(b"message log", run("dump", self.log / "SUPERBLOCK", check=0).stdout)
        self.assertRegex(run("dump", self.log / "CATALOG", check=0).stdout, rb"events +1 +0")
        self.assertIn(b"good", run("dump", self.log / "LANES", check=0).stdout)
        self.assertIn(b"process", run("dump", self.log / "LOCK", check=0).stdout)
        text = run("dump", self.segments()[0], check=0).stdout.decode()
        self.assertRegex(text, r"8192 +data +1 +1 +22 +0 +line 0\n")
        self.assertIn("sealed", text)

    def test_dump_in_json_ends_at_its_count(self):
        self.fill()
        output = run("dump", self.segments()[0], "--json", "--count", "2", check=0).stdout
        header, first, second = [json.loads(line) for line in output.splitlines()]
        self.assertEqual((header["file"], header["lane"], header["damaged"]),
                         ("segment", 0, False))
        self.assertEqual((first["lsn"], second["lsn"]), (1, 2))

    def test_dump_refuses_what_it_does_not_know(self):
        other = self.base / "other"
        other.write_bytes(b"hello")
        self.assert_one_error_line(run("dump", other, check=2), "no file of nacre's")
        self.assert_one_error_line(run("dump", self.base, check=2), "directory")
        self.assert_one_error_line(run("dump", self.base / "none", check=2), "not_found")


class Faults(CliTest):
    def test_a_second_writer_is_told_who_is_there(self):
        with subprocess.Popen([NACRE, "ingest", self.log, "events", "--durability", "process",
                               "--segment-bytes", SEGMENT, "--acks", "1", "--quiet"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
            self.assertEqual(writer.stdout.readline(), b"0\n")
            process = self.ingest(b"x\n", check=2)
            self.assert_one_error_line(process, "busy", str(writer.pid))
            writer.stdin.close()
            self.assertEqual(writer.wait(60), 0)

    def test_a_path_that_cannot_be_a_log_is_told_apart(self):
        # A name that is too long was "a mistake", ingest into a link that leads nowhere "busy", and
        # verify spoke of a file SUPERBLOCK that nobody had asked for.
        link = self.base / "link"
        link.symlink_to(self.base / "gone")
        (self.base / "file").write_bytes(b"")
        (self.base / "empty").mkdir()
        calls = [("verify",), ("stat",), ("ingest", "events"), ("doctor",)]
        for command, *topic in calls:
            with self.subTest(command):
                def refusal(name):
                    return run(command, self.base / name, *topic, check=2)
                self.assert_one_error_line(refusal("x" * 300), "too long")
                self.assert_one_error_line(refusal("link"), "symbolic link", "gone")
                self.assert_one_error_line(refusal("file"), "this is a file")
                if command in ("verify", "stat"):
                    self.assert_one_error_line(refusal("none"), "no such directory")
                    self.assert_one_error_line(refusal("empty"), "no nacre log in this directory")

    def test_ingest_leaves_a_directory_of_other_files_alone(self):
        # `nacre ingest . topic` put a log among whatever was there.
        (self.base / "notes.txt").write_bytes(b"mine")
        process = self.ingest(b"x\n", log=self.base, check=2)
        self.assert_one_error_line(process, "notes.txt", "not empty")
        self.assertEqual([path.name for path in self.base.iterdir()], ["notes.txt"])

    def test_ingest_begins_anew_where_a_log_was_half_created(self):
        # The superblock is written last: a writer that died before it leaves these.
        self.log.mkdir()
        (self.log / "segments").mkdir()
        (self.log / "lost+found").mkdir()
        for name in ("LOCK", "LANES", "CATALOG.tmp"):
            (self.log / name).write_bytes(b"")
        self.ingest(b"x\n")
        self.assertEqual(self.cat(), b"x\n")

    def test_an_unknown_command_is_named(self):
        # It was answered with "A subcommand is required".
        for arguments, words in ((["bogus"], "no command 'bogus'"), ([], "a command is missing")):
            text = run(*arguments, check=2).stderr.decode()
            self.assertIn(words, text)
            for command in ("ingest", "cat", "stat", "verify", "dump", "doctor", "demo",
                            "crashtest"):
                self.assertIn(command, text)

    def test_wrong_usage(self):
        for arguments in ([], ["nonsense"], ["cat"], ["cat", self.log, "t", "--count", "x"],
                          ["ingest", self.log, "t", "--records", "csv"],
                          ["ingest", self.log, "t", "--durability", "none"]):
            process = run(*arguments, check=2)
            self.assertEqual(process.stdout, b"")
            self.assertIn(b"nacre: ", process.stderr)

    def test_help_and_version(self):
        self.assertRegex(run("--version", check=0).stdout.decode(), r"^nacre \d+\.\d+\.\d+\n$")
        self.assertIn(b"ingest", run("--help", check=0).stdout)
        self.assertIn(b"--follow", run("cat", "--help", check=0).stdout)

    def test_a_bad_topic_name_is_refused(self):
        self.assert_one_error_line(self.ingest(b"x\n", topic="a/b", check=2), "invalid_argument")

    @unittest.skipUnless(os.path.ismount("/dev/shm"), "needs a tmpfs")
    def test_tmpfs_says_what_to_ask_for(self):
        directory = pathlib.Path(tempfile.mkdtemp(prefix="nacre-cli-", dir="/dev/shm"))
        self.addCleanup(shutil.rmtree, directory, ignore_errors=True)
        process = run("ingest", directory / "log", "events", stdin=b"x\n", check=2)
        self.assert_one_error_line(process, "unsupported", "--durability process")
        self.ingest(b"x\n", log=directory / "log")
        self.assertEqual(self.cat(log=directory / "log"), b"x\n")


class Output(CliTest):
    def run_into(self, output, *arguments, stdin=b""):
        """Runs nacre with its standard output there; returns status and standard error."""
        process = subprocess.run([NACRE, *map(str, arguments)], input=stdin, stdout=output,
                                 stderr=subprocess.PIPE, timeout=120)
        return process.returncode, process.stderr.decode()

    def reports(self):
        """A call of each subcommand that ends well, and of the options that print."""
        self.ingest(b"one\ntwo\n")
        source = self.base / "source"
        source.write_bytes(b"one\ntwo\n")
        segment = next(self.log.glob("segments/*.seg"))
        small = [("dump", self.log / name) for name in ("SUPERBLOCK", "CATALOG", "LANES", "LOCK")]
        printing = [("stat", self.log), ("verify", self.log), ("cat", self.log, "events"),
                    ("doctor", self.base), ("dump", segment), *small[:3],
                    ("ingest", self.log, "events", source, "--durability", "process"),
                    ("demo", source, "--dir", self.base / "demo", "--durability", "process",
                     "--kills", "0")]
        crashes = ("crashtest", "wal-batch", "--model", "block")
        small += [crashes, (*crashes, "--json", "-"), ("crashtest", "--list")]
        return ([("--help",), ("--version",), ("stat", "--help"), *small[3:], *printing] +
                [(*call, "--json") for call in printing])

    @unittest.skipUnless(os.path.exists("/dev/full"), "needs /dev/full")
    def test_a_full_disk_is_told(self):
        # All but cat ended with status 0: a script that kept the report of verify in a file on a
        # full disk found an empty file, and that all was well.
        for call in self.reports():
            with self.subTest(call), open("/dev/full", "wb") as full:
                status, text = self.run_into(full, *call)
                self.assertEqual(status, 2)
                self.assertRegex(text, r"^nacre: no_space: cannot write the output: .*"
                                       r"\[standard output\].*\n$")

    def test_a_reader_that_has_gone_is_no_failure(self):
        for call in self.reports():
            reader, writer = os.pipe()
            os.close(reader)
            with self.subTest(call), os.fdopen(writer, "wb") as gone:
                self.assertEqual(self.run_into(gone, *call), (0, ""))

    def test_a_reader_that_has_gone_hides_no_damage(self):
        self.ingest(b"one\n")
        (self.log / "LANES").unlink()
        reader, writer = os.pipe()
        os.close(reader)
        with os.fdopen(writer, "wb") as gone:
            self.assertEqual(self.run_into(gone, "verify", self.log), (1, ""))

    def test_a_listener_to_acknowledgements_that_has_gone_is_a_failure(self):
        # Ingest ended there with status 0, as cat does in front of head, and had not appended the
        # rest of its input.
        reader, writer = os.pipe()
        os.close(reader)
        process = run("ingest", self.log, "events", "--durability", "process", "--acks", writer,
                      stdin=b"one\n", check=2, pass_fds=(writer,))
        os.close(writer)
        self.assert_one_error_line(process, "cannot write")

    def test_a_closed_output_is_not_taken_for_a_file(self):
        # The next file opened got the number of standard output, and what was printed went there:
        # here into the file of acknowledgements, which then ended in a summary.
        acks = self.base / "acks"
        command = 'exec "$0" ingest "$1" events - --durability process --acks "$2" >&-'
        process = subprocess.run(["sh", "-c", command, NACRE, str(self.log), str(acks)],
                                 input=b"one\n", capture_output=True, timeout=120)
        self.assertEqual(acks.read_bytes(), b"0\n1\n")
        self.assertEqual(process.returncode, 2)
        self.assert_one_error_line(process, "cannot write the output")


class Doctor(CliTest):
    def test_explains_a_directory(self):
        text = run("doctor", self.base, check=0).stdout.decode()
        for word in ("--durability power", "because", "io_uring", "MAP_SYNC", "memlock", "Advice"):
            self.assertIn(word, text)
        result = json.loads(run("doctor", self.base, "--json", check=0).stdout)
        self.assertEqual(result["process"]["domain"], "emulated")
        keys = "ospke" in pathlib.Path("/proc/cpuinfo").read_text().split()
        self.assertEqual(result["machine"]["protection_keys"], keys)
        self.assertIn("protection keys", text)
        self.assertIn("File I/O", text)
        self.assertIn(result["io_engine"]["name"], ("io_uring", "posix"))
        self.assertNotEqual(result["io_engine"]["reason"], "")
        for feature in result["io_engine"]["features"]:
            self.assertIn(feature["name"], text)
            self.assertTrue(feature["on"] or feature["reason"])
        self.assertEqual(list(self.base.iterdir()), [])

    @unittest.skipUnless(os.path.ismount("/dev/shm"), "needs a tmpfs")
    def test_advises_against_tmpfs(self):
        result = json.loads(run("doctor", "/dev/shm", "--json", check=0).stdout)
        self.assertIn("error", result["power"])
        self.assertTrue(any("power loss" in line for line in result["advice"]))

    def test_judges_a_log_to_come_by_its_parent(self):
        run("doctor", self.base / "log-to-come", check=0)

    def test_refuses_a_directory_that_is_not_there(self):
        self.assert_one_error_line(run("doctor", "/nowhere/log", check=2), "not_found")


class Crashtest(CliTest):
    QUICK = ("wal-batch", "--model", "block")

    def results(self, *arguments, check=0):
        return json.loads(run("crashtest", *arguments, "--json", "-", check=check).stdout)

    def test_a_suite_passes_in_every_state(self):
        text = run("crashtest", *self.QUICK, check=0).stdout.decode()
        self.assertRegex(text, r"^SUITE +MODEL +VERDICT .*\nwal-batch +block +EXHAUSTIVE +\d+ .*\n$")

    def test_suites_and_models_are_listed(self):
        text = run("crashtest", "--list", check=0).stdout.decode()
        for name in ("wal-append", "log-create-topic", "cache-line", "block-paranoid"):
            self.assertRegex(text, rf"(?m)^{name} +\w")

    def test_names_that_are_not_there(self):
        self.assert_one_error_line(run("crashtest", "wal-bach", check=2), "wal-bach", "wal-batch")
        self.assert_one_error_line(run("crashtest", "--model", "tape", check=2), "tape", "block")

    def test_depth_and_budget_reach_the_search(self):
        flat = self.results(*self.QUICK, "--depth", "1")["results"][0]
        self.assertEqual((flat["suite"], flat["model"]), ("wal-batch", "block"))
        self.assertEqual(flat["report"]["nested_states"], 0)
        deep = self.results(*self.QUICK, "--depth", "2", "--budget", "0")["results"][0]["report"]
        self.assertEqual(deep["verdict"], "EXHAUSTIVE")
        self.assertGreater(deep["nested_states"], 0)
        # No budget but one that is over at once ends at the same place on each machine.
        short = self.results(*self.QUICK, "--budget", "0.000000001s", check=2)
        self.assertFalse(short["passed"])
        report = short["results"][0]["report"]
        self.assertEqual(report["verdict"], "INCONCLUSIVE")
        self.assertIn("the budget ended", report["problem"])

    def test_wrong_values(self):
        for option, value in (("--budget", "5x"), ("--budget", "-1"), ("--depth", "0"),
                              ("--jobs", "-1"), ("--seed", "x")):
            with self.subTest(option=option, value=value):
                process = run("crashtest", *self.QUICK, option, value, check=2)
                self.assertEqual(process.stdout, b"")
                self.assertIn(option.encode(), process.stderr)

    def test_a_state_that_is_named_badly_tests_nothing(self):
        for option in ("--crash-repro=junk", "--crash_repro=junk", "--crash-repro=1:0:3o"):
            process = run("crashtest", *self.QUICK, option, check=2)
            self.assertIn(b"INCONCLUSIVE", process.stdout)
        process = run("crashtest", "wal-batch", "--crash-repro=1:0:3o", check=2)
        self.assert_one_error_line(process, "--crash-repro", "one model")

    def test_a_page_for_each_suite_and_model(self):
        page = self.base / "out.html"
        run("crashtest", *self.QUICK, "--report", page, check=0)
        self.assertIn("<html", page.read_text())
        run("crashtest", "wal-batch", "wal-reopen", "--model", "block", "--report", page, check=0)
        self.assertEqual(sorted(path.name for path in self.base.glob("*.html")),
                         ["out-wal-batch-block.html", "out-wal-reopen-block.html", "out.html"])

    def test_results_in_a_file(self):
        path = self.base / "out.json"
        self.assertIn(b"EXHAUSTIVE", run("crashtest", *self.QUICK, "--json", path, check=0).stdout)
        self.assertTrue(json.loads(path.read_text())["passed"])

    def test_a_file_that_cannot_be_written(self):
        missing = self.base / "none" / "out"
        for option in ("--report", "--json"):
            process = run("crashtest", *self.QUICK, option, missing, check=2)
            self.assert_one_error_line(process, str(missing))


class Demo(CliTest):
    def source(self, records):
        path = self.base / "source"
        path.write_bytes(b"".join(b"record %d %s\n" % (i, b"x" * (i % 700))
                                  for i in range(records)))
        return path

    def test_loses_nothing_of_what_survives_a_crash(self):
        self.loses_nothing("process")

    def test_loses_nothing_of_what_survives_power_loss(self):
        if "error" in json.loads(run("doctor", self.base, "--json", check=0).stdout)["power"]:
            self.skipTest("the temporary directory cannot survive power loss")
        self.loses_nothing("power")

    def loses_nothing(self, durability):
        directory = self.base / "demo"
        process = run("demo", self.source(20_000), "--dir", directory, "--kills", "3", "--seed",
                      "7", "--durability", durability, "--json", check=0)
        result = json.loads(process.stdout)
        self.assertEqual((result["lost"], result["different"], result["extra"]), (0, 0, 0))
        self.assertEqual(result["acknowledged"], 20_000)
        self.assertEqual(result["equal"], 20_000)
        self.assertGreaterEqual(result["kills"], 1)
        self.assertEqual(self.cat("--count", "1", log=directory / "log", topic="records"),
                         b"record 0 \n")

    def test_tells_a_person(self):
        process = run("demo", self.source(3000), "--dir", self.base / "demo", "--kills", "2",
                      "--durability", "process", check=0)
        text = process.stdout.decode()
        self.assertRegex(text, r"lost +0\n")
        self.assertIn("Nothing acknowledged was lost", text)
        self.assertIn("not power loss", text)

    def test_replaces_only_its_own_directory(self):
        directory = self.base / "demo"
        for _ in range(2):
            run("demo", self.source(10), "--dir", directory, "--kills", "0", "--durability",
                "process", check=0)
        process = run("demo", self.source(10), "--dir", self.base, "--durability", "process",
                      check=2)
        self.assert_one_error_line(process, "not empty")

    def test_refuses_an_empty_source(self):
        process = run("demo", self.source(0), "--dir", self.base / "demo", "--durability",
                      "process", check=2)
        self.assert_one_error_line(process, "no record")


if __name__ == "__main__":
    NACRE = sys.argv.pop(1)
    unittest.main(verbosity=2)
