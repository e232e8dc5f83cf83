#!/usr/bin/env python3
"""Reads an exporter.

scrape.py URL                    prints the samples, as they come
scrape.py URL NAME [LABEL=VALUE]...   prints the sum of the samples of that name with those labels
"""
import re
import sys
import urllib.request

url, name, *want = sys.argv[1:] + [""] * (len(sys.argv) == 2)
with urllib.request.urlopen(url, timeout=20) as reply:
    lines = reply.read().decode().splitlines()
total = 0.0
for line in lines:
    if line.startswith("#"):
        continue
    if not name:
        print(line)
        continue
    m = re.fullmatch(r"([a-z_]+)(?:\{(.*)\})? (\S+)", line)
    assert m, "not a sample: " + line
    labels = set(re.sub(r'"', "", m[2] or "").split(","))
    if m[1] == name and labels >= set(want):
        total += float(m[3])
if name:
    print("%d" % total if total == int(total) else total)
