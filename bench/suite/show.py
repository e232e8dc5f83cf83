"""The table."""

TITLES = {"micro": "Calls, one thread", "applications": "Programs", "scale": "More of it: workers, names, depth"}
# What the last columns are: how many times as fast bt-fuse run is as these.
AGAINST = (("tmpfs", "tmpfs"), ("mount", "mount"), ("memfs", "FUSE"))


def human(ns):
    for limit, divisor, unit in ((1e3, 1, "ns"), (1e6, 1e3, "us"), (1e9, 1e6, "ms")):
        if ns < limit:
            return f"{ns / divisor:.3g} {unit}" if ns / divisor < 999.5 else f"{ns / divisor:.0f} {unit}"
    return f"{ns / 1e9:.3g} s"


def cell(value):
    if value is None:
        return ""
    if "error" in value:
        return "failed"
    return f"{human(value['median'])} ±{100 * value['spread'] / value['median']:.0f}%"


def ratio(values, other):
    if "median" not in values.get("run", {}) or "median" not in values.get(other, {}):
        return ""
    r = values[other]["median"] / values["run"]["median"]
    return f"{r:.3g}x" if r < 999.5 else f"{r:,.0f}x"


def width(row_names):
    return max([len(n) for n in row_names] + [20])


def heading(suite, peers, names_width):
    columns = "".join(f"{p['label']:>16}" for p in peers)
    against = "".join(f"{label:>8}" for _, label in AGAINST)
    return (f"\n{TITLES[suite]}\n{'':{names_width + 16 * len(peers)}}   run is as fast as, times\n"
            f"{'':{names_width}}{columns}{against}")


def line(row, peers, names_width):
    columns = "".join(f"{cell(row['values'].get(p['id'])):>16}" for p in peers)
    against = "".join(f"{ratio(row['values'], other):>8}" for other, _ in AGAINST)
    return f"{row['name']:{names_width}}{columns}{against}"


def machine_line(result):
    m = result["machine"]
    return (f"{m['processors']} processors ({m['processor']}{', ' + m['hypervisor'] if m['hypervisor'] != 'none' else ''}), "
            f"{m['memory_mib'] / 1024:.0f} GiB, Linux {m['kernel']}, {m['system']}, {m['libc']}")


def failures(result):
    """A line for each value that is not there."""
    labels = {p["id"]: p["label"] for p in result["peers"]}
    return [f"{row['name']}, {labels[peer]}: {value['error']}" for row in result["rows"]
            for peer, value in row["values"].items() if "error" in value]
