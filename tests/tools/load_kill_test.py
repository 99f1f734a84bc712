#!/usr/bin/env python3
"""Kills `nacre load` with SIGKILL at random moments, again and again over one store, and sees that
nothing it acknowledged is lost: load_kill_test.py NACRE [--rounds N] [--seed S] [unittest arguments]

Every round writes over keys of the rounds before, in batches, through flushes and compactions. What
is found then must be what some number of its batches leave: all that were acknowledged, and none
that was never begun, each as a whole.
"""

import argparse
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time
import unittest

NACRE = ""
ROUNDS = 8
SEED = 0

KEYS = 3000
RECORDS = 40_000  # Of a round's input: so much more than what it is killed in that a busy machine
KILLED_WITHIN = 12_000  # has not let it come to its end before the kill does.
VALUE_BYTES = 150
BATCH = 50


class LoadKill(unittest.TestCase):
    def setUp(self):
        self.random = random.Random(SEED)

    def doctor(self, directory):
        done = subprocess.run([NACRE, "doctor", directory, "--json"], capture_output=True,
                              timeout=60, check=True)
        return json.loads(done.stdout)

    def input_of(self, number):
        """Pairs with a value that no other has."""
        filler = "x" * VALUE_BYTES
        return [(f"key {self.random.randrange(KEYS):05}", f"{number}.{i} {filler}")
                for i in range(RECORDS)]

    def killed_load(self, pairs, durability):
        """Loads `pairs` until it is killed; returns how many were acknowledged by then."""
        path = self.base / "input"
        path.write_text("".join(f"{key}\t{value}\n" for key, value in pairs))
        kill_at = self.random.randrange(0, KILLED_WITHIN)
        kill_delay_s = self.random.randrange(500) / 1e6
        acknowledged = 0
        with subprocess.Popen([NACRE, "load", self.store, path, "--durability", durability,
                               "--batch", str(BATCH), "--memtable-bytes", "1MiB",
                               "--segment-bytes", "256KiB", "--acks", "1", "--quiet"],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE) as writer:
            for line in writer.stdout:
                # A line is there whole or not at all.
                acknowledged = int(line)
                if acknowledged >= kill_at:
                    break
            # The kill lands anywhere between two acknowledgements, whatever the machine's speed.
            until = time.monotonic() + kill_delay_s
            while time.monotonic() < until:
                pass
            writer.kill()
            for line in writer.stdout:
                acknowledged = int(line)
            errors = writer.stderr.read().decode()
            self.assertIn(writer.wait(60), (0, -9), errors)
        return acknowledged

    def content(self):
        done = subprocess.run([NACRE, "scan", self.store], capture_output=True, timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        return dict(line.split("\t", 1) for line in done.stdout.decode().splitlines())

    @staticmethod
    def kept_batches(model, pairs, acknowledged, found):
        """After how many of `pairs`, in whole batches, `model` is `found`; it is brought there."""
        for begin in range(0, len(pairs) + 1, BATCH):
            if begin >= acknowledged and found == model:
                return begin
            model.update(pairs[begin:begin + BATCH])
        return None

    def loses_nothing(self, durability, parent=None):
        with tempfile.TemporaryDirectory(prefix="nacre-kill-", dir=parent) as base:
            self.base = pathlib.Path(base)
            self.store = self.base / "store"
            if "error" in self.doctor(self.base)[durability]:
                self.skipTest("the directory cannot do what is asked of it")
            model, kills, unacknowledged = {}, 0, 0
            for number in range(ROUNDS):
                pairs = self.input_of(number)
                acknowledged = self.killed_load(pairs, durability)
                kills += acknowledged < RECORDS
                kept = self.kept_batches(model, pairs, acknowledged, self.content())
                self.assertIsNotNone(
                    kept, f"seed {SEED}, round {number}: what is there is not what any number of "
                          f"batches from {acknowledged} acknowledged records on leaves")
                unacknowledged += kept > acknowledged
            print(f"{durability}: seed {SEED}, {kills} of {ROUNDS} killed before the end; "
                  f"{unacknowledged} kept a batch that was not acknowledged yet", file=sys.stderr)
            self.assertGreater(kills, 0)
            verified = subprocess.run([NACRE, "verify", self.store], capture_output=True,
                                      timeout=120)
            self.assertEqual(verified.returncode, 0, verified.stdout.decode())
            # It went through tables, or this test has tried less than it says.
            self.assertTrue(list((self.store / "tables").iterdir()))

    def test_what_survives_a_crash_of_the_process(self):
        self.loses_nothing("process")

    @unittest.skipUnless(os.path.ismount("/dev/shm"), "needs a tmpfs")
    def test_what_survives_a_crash_of_the_process_in_memory(self):
        self.loses_nothing("process", "/dev/shm")

    def test_what_survives_power_loss(self):
        self.loses_nothing("power")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("nacre")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seed", type=int,
                        default=int(os.environ.get("NACRE_TEST_SEED") or
                                    int.from_bytes(os.urandom(4), "little")))
    options, rest = parser.parse_known_args()
    NACRE, ROUNDS, SEED = options.nacre, options.rounds, options.seed
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2)
