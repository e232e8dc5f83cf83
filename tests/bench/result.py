#!/usr/bin/env python3
"""The format of results is held to; medians, spreads and pictures are what they say."""

import copy
import json
import os
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
BENCH = os.path.join(HERE, "..", "..", "bench")
SAMPLE = os.path.join(HERE, "sample.json")
sys.path.insert(0, BENCH)

# pylint: disable=wrong-import-position
from suite import measure, result as results, show


def damaged():
    """(what is wrong, a function that makes it so)."""
    def row(r):
        return r["rows"][0]

    def value(r):
        return row(r)["values"]["tmpfs"]
    return {
        "another format": lambda r: r.update(format="other"),
        "another version": lambda r: r.update(version=2),
        "a field more": lambda r: r.update(more=1),
        "a field less": lambda r: r.pop("machine"),
        "a machine without a kernel": lambda r: r["machine"].pop("kernel"),
        "a time that is none": lambda r: r.update(started="yesterday"),
        "a suite that is none": lambda r: row(r).update(suite="other"),
        "a peer that is none": lambda r: row(r)["values"].update(other=value(r)),
        "no values": lambda r: row(r).update(values={}),
        "a median beside the samples": lambda r: value(r).update(median=1e12),
        "a negative sample": lambda r: value(r).update(samples=[-1.0]),
        "no samples": lambda r: value(r).update(samples=[]),
        "a number that is a text": lambda r: value(r).update(median="1"),
        "a goal without a value": lambda r: r["goals"][0].pop("value"),
        "a goal that is reached a little": lambda r: r["goals"][0].update(reached=0.5),
        "a row twice": lambda r: r["rows"].append(copy.deepcopy(row(r))),
    }


class Format(unittest.TestCase):
    def setUp(self):
        self.sample = results.load(SAMPLE)

    def test_refuses(self):
        for name, damage in damaged().items():
            with self.subTest(name):
                bad = copy.deepcopy(self.sample)
                damage(bad)
                with self.assertRaises(results.BadResult):
                    results.check(bad)

    def test_saves_what_it_loads(self):
        with tempfile.TemporaryDirectory() as tmp:
            path = f"{tmp}/r.json"
            results.save(self.sample, path)
            self.assertEqual(results.load(path), self.sample)
            self.assertEqual(os.listdir(tmp), ["r.json"])

    def test_in_the_tree(self):
        """All results that are kept are as described."""
        kept = os.path.join(BENCH, "results")
        for name in os.listdir(kept) if os.path.isdir(kept) else []:
            if name.endswith(".json"):
                results.load(os.path.join(kept, name))


class Numbers(unittest.TestCase):
    def test_median_and_spread(self):
        self.assertEqual(measure.median([5, 1, 3]), 3)
        self.assertEqual(measure.median([4, 1, 3, 2]), 2.5)
        self.assertEqual(measure.spread([7]), 0)
        self.assertEqual(measure.spread([1, 2, 3, 4, 5, 6, 7, 8]), 2)

    def test_units(self):
        for ns, text in ((9.96, "9.96 ns"), (999.7, "1000 ns"), (1234, "1.23 us"), (45.6e6, "45.6 ms"), (2.5e9, "2.5 s")):
            self.assertEqual(show.human(ns), text)

    def test_ratio(self):
        values = {"run": {"median": 10.0}, "tmpfs": {"median": 250.0}, "memfs": {"error": "x"}}
        self.assertEqual(show.ratio(values, "tmpfs"), "25x")
        self.assertEqual(show.ratio(values, "memfs"), "")
        self.assertEqual(show.ratio(values, "mount"), "")


class Pictures(unittest.TestCase):
    """By the interpreter that bench/plot itself is run by."""

    def plot(self, result, directory):
        done = subprocess.run([os.path.join(BENCH, "plot"), result, directory], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, check=False)
        return done.returncode, done.stderr

    def test_drawn(self):
        with tempfile.TemporaryDirectory() as tmp:
            self.assertEqual(self.plot(SAMPLE, tmp), (0, ""))
            for name in ("classic", "programs", "latency", "scaling"):
                with open(f"{tmp}/{name}.png", "rb") as f:
                    data = f.read()
                self.assertEqual(data[:8], b"\x89PNG\r\n\x1a\n")
                width, height = int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
                self.assertTrue(width > 600 and height > 200, (name, width, height))
                self.assertGreater(len(data), 8000, name)

    def test_failures_are_no_hindrance(self):
        with open(SAMPLE) as f:
            sample = json.load(f)
        for row in sample["rows"]:
            row["values"]["memfs"] = {"error": "no such thing"}
        with tempfile.TemporaryDirectory() as tmp:
            results.save(sample, f"{tmp}/r.json")
            self.assertEqual(self.plot(f"{tmp}/r.json", tmp), (0, ""))

    def test_refuses(self):
        with tempfile.TemporaryDirectory() as tmp:
            with open(f"{tmp}/r.json", "w") as f:
                f.write("{}")
            status, words = self.plot(f"{tmp}/r.json", tmp)
            self.assertEqual(status, 1)
            self.assertIn("the result: has []", words)


if __name__ == "__main__":
    unittest.main()
