#!/usr/bin/env python3
"""queries.py PROMETHEUS DASHBOARD MOUNT: makes every query of a dashboard; each must give numbers."""
import json
import math
import sys
import urllib.parse
import urllib.request

url, dashboard, mount = sys.argv[1:]


def ask(path, **args):
    with urllib.request.urlopen(url + path + "?" + urllib.parse.urlencode(args), timeout=20) as reply:
        answer = json.load(reply)
    assert answer["status"] == "success", answer
    return answer["data"]


bad = 0
n = 0
panels = json.load(open(dashboard))["panels"]
for panel in panels:
    assert panel["targets"], panel["title"]
    for target in panel["targets"]:
        expr = target["expr"].replace("$__rate_interval", "8s").replace("$mount", mount)
        result = ask("/api/v1/query", query=expr)["result"]
        values = [float(r["value"][1]) for r in result]
        n += 1
        if not values or all(math.isnan(v) for v in values):
            bad += 1
            print("no data: %s: %s" % (panel["title"], expr))
# What must have moved, or the load was not seen.
for expr in (
    'sum(rate(btfuse_operations_total{mount="%s",path="process"}[8s]))',
    'sum(rate(btfuse_operations_total{mount="%s",path="kernel"}[8s]))',
    'sum(rate(btfuse_io_bytes_total{mount="%s"}[8s]))',
    'histogram_quantile(0.5, sum by (le) (rate(btfuse_operation_duration_seconds_bucket{mount="%s",path="process"}[8s])))',
):
    result = ask("/api/v1/query", query=expr % mount)["result"]
    if not result or not float(result[0]["value"][1]) > 0:
        bad += 1
        print("not above 0: %s" % expr)
names = ask("/api/v1/label/mount/values")
assert mount in names, names
rules = [r for g in ask("/api/v1/rules")["groups"] for r in g["rules"]]
for rule in rules:
    if rule["health"] != "ok":
        bad += 1
        print("rule %s: %s %s" % (rule["name"], rule["health"], rule.get("lastError", "")))
    if rule["state"] == "firing":
        print("note: firing: " + rule["name"])
assert len(panels) >= 15 and n >= 20 and len(rules) >= 5, (len(panels), n, len(rules))
print("%d queries, %d rules, %d bad" % (n, len(rules), bad))
sys.exit(bad > 0)
