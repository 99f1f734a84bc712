#!/usr/bin/env python3
"""The commands on a store from end to end: store_cli_test.py NACRE [unittest arguments]"""

import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import unittest

import cli_test
from cli_test import CliTest, run

DURABILITY = ("--durability", "process")


class StoreTest(CliTest):
    def setUp(self):
        super().setUp()
        self.store = self.base / "store"

    def put(self, key, *value, check=0, **options):
        return run("put", self.store, *DURABILITY, *self.words(options), "--", key, *value,
                   check=check)

    def load(self, data, *options, check=0, **named):
        return run("load", self.store, *DURABILITY, "--segment-bytes", cli_test.SEGMENT, *options,
                   *self.words(named), stdin=data, check=check)

    def get(self, key, check=0, **options):
        return run("get", self.store, *self.words(options), "--", key, check=check)

    def scan(self, *options, check=0):
        return run("scan", self.store, *options, check=check).stdout

    def tables(self):
        return sorted((self.store / "tables").glob("*.table"))

    def flip(self, path, offset):
        with path.open("r+b") as file:
            file.seek(offset)
            old = file.read(1)
            file.seek(offset)
            file.write(bytes([old[0] ^ 1]))

    @staticmethod
    def words(options):
        return [word for name, value in options.items() for word in (f"--{name}", value)]


class LoadSorted(StoreTest):
    def test_goes_into_tables_at_once(self):
        data = b"".join(b"key %03d\tvalue %d\n" % (i, i) for i in range(500))
        result = json.loads(self.load(data, "--sorted", "--json").stdout)
        self.assertEqual((result["records"], result["batches"], result["complete"]), (500, 1, True))
        self.assertEqual(len(self.tables()), 1)
        self.put("key 007", "later")
        self.assertEqual(self.get("key 007").stdout, b"later\n")
        self.assertEqual(self.get("key 499").stdout, b"value 499\n")
        self.assertEqual(len(self.scan().splitlines()), 500)

    def test_a_line_out_of_order_is_named_and_nothing_is_loaded(self):
        for data, words in ((b"a\t1\nc\t2\nb\t3\n", ('record 3', '"b"', '"c"', "sort")),
                            (b"a\t1\n\na\t2\n", ('record 2', "the same"))):
            process = self.load(data, "--sorted", check=2)
            self.assert_one_error_line(process, "invalid_argument", *words)
            self.assertEqual(self.tables(), [])
            self.assertEqual(self.scan(), b"")

    def test_takes_no_batches(self):
        self.assertIn(b"excludes", self.load(b"", "--sorted", "--batch", "5", check=2).stderr)


class PutGetDelete(StoreTest):
    def test_a_value_comes_back(self):
        self.put("key", "value")
        self.put("key", "another")
        self.assertEqual(self.get("key").stdout, b"another\n")
        run("delete", self.store, "key", *DURABILITY, check=0)
        self.assert_one_error_line(self.get("key", check=2), "not_found", "no key key")

    def test_a_range_is_deleted_up_to_its_end(self):
        for key in ("a", "b", "c", "d"):
            self.put(key, "of " + key)
        run("delete", self.store, "--from", "b", "--to", "d", *DURABILITY, check=0)
        self.assertEqual(run("scan", self.store, check=0).stdout, b"a\tof a\nd\tof d\n")
        run("delete", self.store, "--hex", "--from", "61", "--to", "62", *DURABILITY, check=0)
        self.assertEqual(run("scan", self.store, check=0).stdout, b"d\tof d\n")

    def test_what_to_delete_has_to_be_said(self):
        self.put("a", "of a")
        for words in ((), ("a", "--from", "a", "--to", "b"), ("--from", "a"), ("--to", "b"),
                      ("--from", "b", "--to", "a"), ("--from", "a", "--to", "a")):
            process = run("delete", self.store, *words, *DURABILITY, check=2)
            self.assertEqual(process.stdout, b"", words)
        self.assertEqual(run("get", self.store, "a", check=0).stdout.strip(), b"of a")

    def test_a_time_to_live_ends(self):
        self.put("kept", "1", ttl="1h")
        self.put("gone", "1", ttl="0.001s")
        # The clock that decides is this machine's.
        while (got := run("get", self.store, "gone")).returncode == 0:
            pass
        self.assert_one_error_line(got, "not_found", "no key gone")
        self.assertEqual(run("get", self.store, "kept", check=0).stdout.strip(), b"1")
        for wrong in ("soon", "-1s", "1d"):
            run("put", self.store, "key", "v", "--ttl", wrong, *DURABILITY, check=2)

    def test_a_value_from_standard_input(self):
        value = bytes(range(256)) * 300
        run("put", self.store, "key", *DURABILITY, stdin=value, check=0)
        self.assertEqual(self.get("key").stdout, value + b"\n")

    def test_any_bytes_in_hexadecimal(self):
        run("put", self.store, *DURABILITY, "--hex", "00ff", "0A0b", check=0)
        self.assertEqual(run("get", self.store, "--hex", "00FF", check=0).stdout, b"0a0b\n")
        for word in ("0", "0g", "x"):
            process = run("get", self.store, "--hex", word, check=2)
            self.assert_one_error_line(process, "KEY", word, "hexadecimal")

    def test_an_empty_key_and_one_like_an_option(self):
        self.put("", "of nothing")
        self.put("--json", "of an option")
        self.assertEqual(self.get("").stdout, b"of nothing\n")
        self.assertEqual(self.get("--json").stdout, b"of an option\n")

    def test_json_says_what_is_not_utf8(self):
        run("put", self.store, *DURABILITY, "--hex", "ff", "7a", check=0)
        result = json.loads(run("get", self.store, "--json", "--hex", "ff", check=0).stdout)
        self.assertEqual(result, {"key_base64": "/w==", "value": "z"})

    def test_keyspaces_are_apart(self):
        self.put("key", "of users", keyspace="users")
        self.put("key", "of all")
        self.assertEqual(self.get("key", keyspace="users").stdout, b"of users\n")
        self.assertEqual(self.get("key").stdout, b"of all\n")
        self.assert_one_error_line(self.get("key", keyspace="none", check=2), "not_found", "none",
                                   "nacre stat")
        self.assert_one_error_line(self.put("key", "x", keyspace="a/b", check=2),
                                   "invalid_argument")

    def test_a_value_over_the_limit_is_refused(self):
        process = run("put", self.store, "key", *DURABILITY, stdin=b"x" * ((16 << 20) + 1), check=2)
        self.assert_one_error_line(process, "invalid_argument")
        self.assert_one_error_line(self.get("key", check=2), "not_found")
        self.assert_one_error_line(self.put("k" * 65537, "x", check=2), "invalid_argument")

    def test_what_is_no_store(self):
        self.ingest(b"x\n")
        (self.base / "file").write_bytes(b"")
        (self.base / "empty").mkdir()
        for command in (("get",), ("scan",), ("delete",), ("compact",)):
            words = ("key",) if command[0] in ("get", "delete") else ()
            with self.subTest(command):
                def refusal(name):
                    return run(*command, self.base / name, *words, check=2)
                self.assert_one_error_line(refusal("log"), "message log", "not a store")
                self.assert_one_error_line(refusal("none"), "no such directory")
                self.assert_one_error_line(refusal("empty"), "no nacre store", "nacre put")
                self.assert_one_error_line(refusal("file"), "this is a file")
        self.assert_one_error_line(
            run("put", self.log, "k", "v", *DURABILITY, check=2), "message log")
        self.put("key", "value")
        self.assert_one_error_line(
            run("cat", self.store, "events", check=2), "store", "not a message log")

    def test_put_leaves_a_directory_of_other_files_alone(self):
        (self.base / "notes.txt").write_bytes(b"mine")
        process = run("put", self.base, "key", "value", *DURABILITY, check=2)
        self.assert_one_error_line(process, "notes.txt", "not empty")

    def test_put_begins_anew_where_a_store_was_half_created(self):
        self.store.mkdir()
        (self.store / "tables").mkdir()
        (self.store / "segments").mkdir()
        self.put("key", "value")
        self.assertEqual(self.get("key").stdout, b"value\n")

    def test_survives_power_loss_where_asked_for(self):
        process = run("put", self.store, "key", "value")
        if b"durability process" in process.stderr:
            self.skipTest("the temporary directory cannot survive power loss")
        self.assertEqual(process.returncode, 0, process.stderr)
        self.assertEqual(self.get("key").stdout, b"value\n")

    @unittest.skipUnless(os.path.ismount("/dev/shm"), "needs a tmpfs")
    def test_tmpfs_is_read_without_being_asked_for(self):
        with tempfile.TemporaryDirectory(prefix="nacre-cli-", dir="/dev/shm") as directory:
            self.store = pathlib.Path(directory) / "store"
            process = run("put", self.store, "key", "value", check=2)
            self.assert_one_error_line(process, "unsupported", "--durability process")
            self.put("key", "value")
            self.assertEqual(self.get("key").stdout, b"value\n")

    def test_a_second_opener_is_told_who_is_there(self):
        with subprocess.Popen([cli_test.NACRE, "load", self.store, *DURABILITY, "--acks", "1",
                               "--quiet"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
            self.assertEqual(writer.stdout.readline(), b"0\n")
            self.assert_one_error_line(self.put("key", "value", check=2), "busy", str(writer.pid))
            writer.stdin.close()
            self.assertEqual(writer.wait(60), 0)


    def test_reads_what_another_process_has_written_so_far(self):
        with subprocess.Popen([cli_test.NACRE, "load", self.store, *DURABILITY, "--acks", "1",
                               "--quiet"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
            self.assertEqual(writer.stdout.readline(), b"0\n")
            for number, (key, value) in enumerate(((b"b", b"1"), (b"a", b"2")), 1):
                writer.stdin.write(key + b"\t" + value + b"\n")
                writer.stdin.flush()
                self.assertEqual(writer.stdout.readline(), b"%d\n" % number)
                self.assertEqual(self.get(key.decode()).stdout, value + b"\n")
            self.assertEqual(self.scan(), b"a\t2\nb\t1\n")
            self.assert_one_error_line(self.get("c", check=2), "not_found")
            self.assert_one_error_line(self.get("a", check=2, keyspace="none"), "not_found", "none")
            writer.stdin.close()
            self.assertEqual(writer.wait(60), 0)
        self.assertEqual(self.scan(), b"a\t2\nb\t1\n")


class Scan(StoreTest):
    KEYS = ("a", "b", "b1", "b2", "c")

    def setUp(self):
        super().setUp()
        self.load(b"".join(b"%s\tvalue of %s\n" % (key.encode(), key.encode())
                           for key in reversed(self.KEYS)))

    def keys(self, *options):
        return [line.split("\t")[0] for line in self.scan(*options).decode().splitlines()]

    def test_all_in_order(self):
        self.assertEqual(self.scan("--count", "1"), b"a\tvalue of a\n")
        self.assertEqual(self.keys(), list(self.KEYS))
        self.assertEqual(self.keys("--reverse"), list(reversed(self.KEYS)))

    def test_ranges(self):
        for options, expected in (
                (("--from", "b"), ["b", "b1", "b2", "c"]),
                (("--from", "b0"), ["b1", "b2", "c"]),
                (("--to", "b1"), ["a", "b"]),
                (("--to", "b11"), ["a", "b", "b1"]),
                (("--from", "b", "--to", "b"), []),
                (("--from", "c", "--to", "a"), []),
                (("--from", "d"), []),
                (("--prefix", "b"), ["b", "b1", "b2"]),
                (("--prefix", "b", "--from", "b1"), ["b1", "b2"]),
                (("--prefix", "b", "--to", "b2"), ["b", "b1"]),
                (("--prefix", "b", "--count", "2"), ["b", "b1"]),
                (("--prefix", "x"), []),
                (("--count", "0"), [])):
            with self.subTest(options):
                self.assertEqual(self.keys(*options), expected)
                if "--count" not in options:
                    self.assertEqual(self.keys(*options, "--reverse"), expected[::-1])
        self.assertEqual(self.keys("--prefix", "b", "--count", "1", "--reverse"), ["b2"])

    def test_a_prefix_of_the_last_byte_there_is(self):
        self.load(b"fe\t00\nff\t01\nffff\t02\n", "--hex")
        self.assertEqual(self.scan("--hex", "--prefix", "ff"), b"ff\t01\nffff\t02\n")
        self.assertEqual(self.scan("--hex", "--prefix", "ff", "--reverse"), b"ffff\t02\nff\t01\n")

    def test_what_it_prints_loads_into_another_store(self):
        self.load(b"00ff\t0a09\nffee\t\n\t61\n", "--hex")
        for form in (("json",), ("tsv", "--hex")):
            printed = self.scan("--json") if form[0] == "json" else self.scan("--hex")
            copy = self.base / f"copy-{form[0]}"
            run("load", copy, *DURABILITY, "--records", *form, stdin=printed, check=0)
            self.assertEqual(run("scan", copy, "--hex", check=0).stdout, self.scan("--hex"))


class Load(StoreTest):
    def test_tells_what_it_did(self):
        data = b"".join(b"key %d\tvalue\n" % i for i in range(2500)) + b"\n"
        result = json.loads(self.load(data, "--json").stdout)
        self.assertEqual((result["records"], result["batches"]), (2500, 3))
        self.assertEqual(result["skipped_empty"], 1)
        self.assertEqual(result["domain"], "emulated")
        self.assertTrue(result["complete"])
        self.assertIn(b"2,500", self.load(data).stdout)

    def test_lines_have_their_numbers_for_keys(self):
        self.load(b"one\ntwo\n", "--records", "lines")
        self.load(b"three\n", "--records", "lines", "--first", "2")
        self.assertEqual(self.scan(), b"0000000000000000\tone\n0000000000000001\ttwo\n"
                                      b"0000000000000002\tthree\n")

    def test_json_lines(self):
        self.load(b'{"key": "a", "value": "\\u00b5\\n\\ud83d\\ude00"}\n'
                  b'{"value": {"deep": [1, "]"]}, "key": "b", "more": null}\n',
                  "--records", "json")
        self.assertEqual(self.get("a").stdout.decode(), "µ\n\U0001f600\n")
        self.assertEqual(self.get("b").stdout, b'{"deep": [1, "]"]}\n')

    def test_what_came_before_a_bad_line_is_there(self):
        for data, form, words in (
                (b"k\tv\nno tab\n", "tsv", ("record 2", "TAB", "offset 4")),
                (b'{"key":"k","value":"v"}\n{"key":1,"value":2}\n', "json",
                 ("record 2", "its key is not a string", "offset 24")),
                (b'{"key":"k","value":"v"}\n\n{"key":"x"}\n', "json",
                 ("record 2", '"value"', "offset 25")),
                (b'{"key":"k","value":"v"}\n{"key":"x",}\n', "json", ("record 2", "column 12")),
                (b'{"key":"k","value":"v"}\n{"key_base64":"?","value":""}\n', "json",
                 ("record 2", "base64")),
                (b"k\tv\n" + b"x" * 65537 + b"\tv\n", "tsv", ("record 2", "key has 65537"))):
            with self.subTest(words):
                self.store = self.base / str(abs(hash((data, form))))
                process = self.load(data, "--records", form, "--json", check=2)
                self.assert_one_error_line(process, "invalid_argument", "standard input", *words)
                self.assertFalse(json.loads(process.stdout)["complete"])
                self.assertEqual(self.scan(), b"k\tv\n")

    def test_a_pair_that_the_segments_cannot_hold(self):
        process = run("load", self.store, *DURABILITY, "--segment-bytes", "64KiB",
                      stdin=b"k\tv\nlarge\t" + b"x" * 100_000 + b"\n", check=2)
        self.assert_one_error_line(process, "record 2", "segments")
        self.assertEqual(self.scan(), b"k\tv\n")

    def test_acks_tell_the_number_of_durable_records(self):
        acks = self.base / "acks"
        self.load(b"".join(b"%d\tx\n" % i for i in range(25)), "--acks", acks, "--batch", "10")
        self.assertEqual(acks.read_text(), "0\n10\n20\n25\n")

    def test_what_was_read_is_durable_while_the_input_pauses(self):
        with subprocess.Popen([cli_test.NACRE, "load", self.store, *DURABILITY, "--acks", "1",
                               "--json"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
            self.assertEqual(writer.stdout.readline(), b"0\n")
            writer.stdin.write(b"one\t1\ntwo\t2\n")
            writer.stdin.flush()
            mark = 0
            while mark < 2:
                mark = int(writer.stdout.readline())
            writer.send_signal(signal.SIGINT)
            self.assertEqual(json.loads(writer.stdout.read())["records"], 2)
            self.assertEqual(writer.wait(60), 0)
        self.assertEqual(self.scan(), b"one\t1\ntwo\t2\n")


class Looking(StoreTest):
    """compact, stat, verify, dump."""

    def fill(self):
        """Two tables and a log that is not in them."""
        for round in range(2):
            self.load(b"".join(b"key %05d\tvalue %d\n" % (i, round) for i in range(3000)))
            result = json.loads(run("compact", self.store, *DURABILITY, "--json", check=0).stdout)
            self.assertEqual(result["tables"], 1)
        self.put("alice", "1", keyspace="users")
        self.assertEqual(len(self.tables()), 1)
        return result

    def test_compact_merges_what_was_written_over(self):
        result = self.fill()
        self.assertEqual(result["tables_before"], 1)
        self.assertLess(result["bytes"], 2 * result["bytes_before"])
        self.assertEqual(self.get("key 02999").stdout, b"value 1\n")
        text = run("compact", self.store, *DURABILITY, check=0).stdout.decode()
        self.assertRegex(text, r"before +1 table, .*\nnow +2 tables, ")
        self.assert_one_error_line(
            run("compact", self.store, *DURABILITY, "--keyspace", "none", check=2), "none")

    def test_stat(self):
        self.fill()
        text = run("stat", self.store, check=0).stdout.decode()
        self.assertRegex(text, r"default +nacre\.bytewise +\d +1 +3,000 +3,000 +\d+\.\d KiB\n")
        self.assertRegex(text, r"users +nacre\.bytewise +- +0 +0 +0 +0 B\n")
        result = json.loads(run("stat", self.store, "--json", check=0).stdout)
        self.assertEqual(result["kind"], "store")
        default, users = result["keyspaces"]
        self.assertEqual((default["keyspace"], users["keyspace"]), ("default", "users"))
        self.assertEqual((default["levels"][0]["keys"], users["levels"]), (3000, []))
        metrics = run("stat", self.store, "--metrics", check=0).stdout.decode()
        self.assertRegex(metrics, r'nacre_level_entries\{keyspace="default",level="\d"\} 3000\n')

    def test_stat_tells_what_tables_cost(self):
        self.fill()
        text = run("stat", self.store, check=0).stdout.decode()
        self.assertRegex(text, r"default +a get looks into at most 1 table; 3\.\d\d bytes for each ")
        default = json.loads(run("stat", self.store, "--json", check=0).stdout)["keyspaces"][0]
        self.assertEqual((default["tables_per_get"], default["levels"][0]["raw_bytes"]),
                         (1, 3000 * (9 + 7)))
        self.assertAlmostEqual(default["space_amplification"],
                               default["levels"][0]["bytes"] / (3000 * 16), places=2)

    def test_stat_estimates_a_range(self):
        self.fill()
        def size(begin, end, *options, check=0):
            process = run("stat", self.store, "--json", "--from", begin, "--to", end, *options,
                          check=check)
            return json.loads(process.stdout)["range_bytes"] if check == 0 else process
        self.assertAlmostEqual(size("key 01000", "key 02000"), 1000 * 40, delta=4000)
        self.assertEqual(size("z", "a"), 0)
        self.assertEqual(size("6b", "6b65", "--hex"), 0)
        self.assertEqual(size("a", "z", "--keyspace", "users"), 0)
        self.assertRegex(run("stat", self.store, "--from", "a", "--to", "z", check=0).stdout,
                         rb"range +about \d+\.\d KiB in tables\n")
        self.assert_one_error_line(size("a", "z", "--keyspace", "none", check=2), "none")
        self.assert_one_error_line(size("a", "z", "--hex", check=2), "--from", "hexadecimal")

    def test_checkpoint(self):
        self.fill()
        target = self.base / "copy"
        result = json.loads(run("checkpoint", self.store, target, *DURABILITY, "--json",
                                check=0).stdout)
        self.assertEqual(result["tables"], 2)  # What was in the log is in a table now.
        self.assertEqual(os.stat(next((target / "tables").iterdir())).st_nlink, 2)
        run("delete", self.store, "key 00000", *DURABILITY, check=0)
        self.assertEqual(run("get", target, "key 00000", check=0).stdout, b"value 1\n")
        self.assertEqual(run("get", target, "alice", "--keyspace", "users", check=0).stdout, b"1\n")
        self.assertTrue(json.loads(run("verify", target, "--json", check=0).stdout)["sound"])
        again = run("checkpoint", self.store, target, *DURABILITY, check=2)
        self.assert_one_error_line(again, "busy", "something in this directory")
        self.assert_one_error_line(
            run("checkpoint", self.base / "none", target, *DURABILITY, check=2), "no such directory")

    def test_repair(self):
        self.fill()
        target = self.base / "saved"
        result = json.loads(run("repair", self.store, target, *DURABILITY, "--json",
                                check=0).stdout)
        self.assertEqual((result["tables"], result["log_records"], result["losses"]), (1, 1, []))
        self.assertEqual(run("scan", target, check=0).stdout, self.scan())
        self.assertEqual(run("get", target, "alice", "--keyspace", "users", check=0).stdout, b"1\n")
        self.assert_one_error_line(run("repair", self.store, target, *DURABILITY, check=2), "busy")
        table = self.tables()[0]
        self.flip(table, 70_000)
        process = run("repair", self.store, self.base / "second", *DURABILITY, check=1)
        self.assertRegex(process.stdout.decode(),
                         r"DAMAGED in 1 place; .*:\n  [\d,]+ bytes from offset 69632 of "
                         + str(table))
        left = run("scan", self.base / "second", check=0).stdout.splitlines()
        # What the table has lost is in the log still.
        self.assertEqual(left, self.whole_scan())

    def whole_scan(self):
        return [b"key %05d\tvalue 1" % i for i in range(3000)]

    def test_verify_counts_and_finds_damage(self):
        self.fill()
        result = json.loads(run("verify", self.store, "--json", check=0).stdout)
        self.assertEqual((result["sound"], result["kind"], result["tables"]), (True, "store", 1))
        self.assertEqual(result["table_entries"], 3000)
        self.assertRegex(run("verify", self.store, check=0).stdout, rb"tables +1 with 3,000 entries")
        table = self.tables()[0]
        self.flip(table, 70_000)
        result = json.loads(run("verify", self.store, "--json", check=1).stdout)
        self.assertEqual(result["damage"][0]["code"], "corruption")
        self.assertEqual(pathlib.Path(result["damage"][0]["path"]), table)
        self.assertIn(b"DAMAGED in 1 place", run("verify", self.store, check=1).stdout)
        table.unlink()
        self.assertIn(table.name.encode(), run("verify", self.store, check=1).stdout)

    def test_what_stands_before_damage_is_printed(self):
        self.fill()
        self.flip(self.tables()[0], 70_000)
        process = run("scan", self.store, check=1)
        self.assertTrue(process.stdout.startswith(b"key 00000\tvalue 1\n"))
        self.assert_one_error_line(process, "corruption", self.tables()[0].name)

    def test_dump_of_a_table(self):
        self.fill()
        table = self.tables()[0]
        text = run("dump", table, "--count", "2", check=0).stdout.decode()
        self.assertRegex(text, r"keys +key 00000 to key 02999\n")
        self.assertRegex(text, r" +\d+ +\d+ +put +7 +key 00000 = value 1\n")
        self.assertEqual(text.count("= value"), 2)
        header, first = [json.loads(line) for line in
                         run("dump", table, "--json", "--count", "1",
                             check=0).stdout.splitlines()]
        self.assertEqual((header["entries"], header["comparator"]), (3000, "nacre.bytewise"))
        self.assertEqual((first["kind"], first["key"], first["value"]),
                         ("put", "key 00000", "value 1"))
        renamed = self.base / "copy"
        renamed.write_bytes(table.read_bytes())
        self.assert_one_error_line(run("dump", renamed, check=2), "keep its name", table.name)
        self.flip(table, 40)
        self.assert_one_error_line(run("dump", table, check=1), "corruption")

    def test_dump_of_the_log_speaks_of_keys_and_tables(self):
        self.fill()
        run("delete", self.store, "key 00000", *DURABILITY, check=0)
        texts = [run("dump", path, check=0).stdout.decode()
                 for path in self.store.glob("segments/*.seg")]
        shown = "\n".join(texts)
        self.assertRegex(shown, r"\+ keyspace 0 def")
        self.assertRegex(shown, r"\+ keyspace 1 users")
        self.assertRegex(shown, r"\+ table \d+ in level")
        self.assertIn("put 1/alice = 1", shown)
        self.assertIn("remove 0/key 00000", shown)

    def test_looking_beside_a_writer(self):
        with subprocess.Popen([cli_test.NACRE, "load", self.store, *DURABILITY, "--acks", "1",
                               "--quiet"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
            self.assertEqual(writer.stdout.readline(), b"0\n")
            writer.stdin.write(b"one\t1\n")
            writer.stdin.flush()
            self.assertEqual(writer.stdout.readline(), b"1\n")
            run("stat", self.store, check=0)
            run("verify", self.store, check=0)
            writer.stdin.close()
            self.assertEqual(writer.wait(60), 0)

    @unittest.skipUnless(os.geteuid() == 0, "mounting needs to be root")
    def test_reading_where_nothing_can_be_written(self):
        self.put("key", "value")
        mount = ["mount", "--bind", "-o", "ro", self.store, self.store]
        if subprocess.run(mount, capture_output=True).returncode != 0:
            self.skipTest("nothing can be mounted here")
        try:
            self.assertEqual(self.get("key").stdout, b"value\n")
            self.assertEqual(self.scan(), b"key\tvalue\n")
            self.assert_one_error_line(self.put("key", "other", check=2), "read-only")
        finally:
            subprocess.run(["umount", self.store], check=True)

    def test_doctor_says_what_is_there(self):
        self.put("key", "value")
        self.assertRegex(run("doctor", self.store, check=0).stdout.decode(), r"holds +a store")
        result = json.loads(run("doctor", self.store, "--json", check=0).stdout)
        self.assertEqual(result["directory"]["holds"], "store")


if __name__ == "__main__":
    cli_test.NACRE = sys.argv.pop(1)
    unittest.main(verbosity=2)
