#!/usr/bin/env python3
"""check_json.py finds what breaks the contract."""

import copy
import unittest

from check_json import MACHINE, document_faults

GOOD = {
    "rows": [{
        "name": "append/64", "unit": "ns/op", "better": "lower", "nacre": 103.0, "floor": 99,
        "peers": {"libpmemlog": 436.0}, "beside": {"nacre": {"p99_ns": 180.0}},
    }],
    "machine": {key: "x" for key in MACHINE},
}


class CheckJson(unittest.TestCase):
    def faults_after(self, change, wanted=("append/64",)):
        document = copy.deepcopy(GOOD)
        change(document, document["rows"][0])
        return document_faults(document, wanted)

    def test_good_document_passes(self):
        self.assertEqual(document_faults(GOOD, ["append/64"]), [])

    def test_every_break_is_found(self):
        breaks = {
            "zero figure": lambda d, r: r.update(nacre=0),
            "zero floor": lambda d, r: r.update(floor=0.0),
            "zero peer": lambda d, r: r["peers"].update(zero=0),
            "null peer": lambda d, r: r["peers"].update(zero=None),
            "text figure": lambda d, r: r.update(nacre="103 ns"),
            "infinite figure": lambda d, r: r.update(nacre=float("inf")),
            "flag as figure": lambda d, r: r.update(nacre=True),
            "no figure beside one": lambda d, r: r["beside"]["nacre"].update(p99_ns=-1),
            "beside nobody": lambda d, r: r.update(beside={"p99_ns": 3}),
            "wanted figure absent": lambda d, r: r.pop("nacre"),
            "wanted floor absent": lambda d, r: r.pop("floor"),
            "unknown peer": lambda d, r: r["peers"].update(sqlite=1.0),
            "no peers": lambda d, r: r.pop("peers"),
            "no name": lambda d, r: r.pop("name"),
            "wrong direction": lambda d, r: r.update(better="higher"),
            "no direction": lambda d, r: r.pop("better"),
            "unknown unit": lambda d, r: r.update(unit="us"),
            "rows of one name": lambda d, r: d["rows"].append(copy.deepcopy(r)),
            "no rows": lambda d, r: d.pop("rows"),
            "no machine": lambda d, r: d.pop("machine"),
            "machine without cpu": lambda d, r: d["machine"].pop("cpu"),
        }
        for name, change in breaks.items():
            with self.subTest(name):
                self.assertNotEqual(self.faults_after(change), [])

    def test_a_wanted_peer_takes_the_place_of_the_floor(self):
        self.assertEqual(
            self.faults_after(lambda d, r: r.pop("floor"), wanted=["append/64:libpmemlog"]), [])
        self.assertEqual(
            self.faults_after(lambda d, r: r["peers"].clear(), wanted=["append/64:libpmemlog"]),
            ["append/64: libpmemlog is missing"])

    def test_what_stands_beside_may_stand_still(self):
        self.assertEqual(
            self.faults_after(lambda d, r: r["beside"]["nacre"].update(background_bytes_s=0)), [])

    def test_a_figure_nobody_asked_for_may_be_absent(self):
        self.assertEqual(self.faults_after(lambda d, r: r.pop("floor"), wanted=()), [])


if __name__ == "__main__":
    unittest.main()
