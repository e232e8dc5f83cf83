"""The pictures. Colours are those of Okabe and Ito, which the colour-blind can tell apart; every bar and line
bears its name or its value, so that none needs a legend to be read."""

import matplotlib

matplotlib.use("Agg")

# pylint: disable=wrong-import-position
import matplotlib.pyplot as plt
from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator

from suite.show import human

COLOURS = {
    "tmpfs": "#7a7a7a",
    "disk": "#2b2b2b",
    "mount": "#56b4e9",
    "run": "#d55e00",
    "memfs": "#009e73",
    "memfs-nocache": "#cc79a7",
}
MARKERS = {"tmpfs": "s", "disk": "D", "mount": "v", "run": "o", "memfs": "^", "memfs-nocache": "X"}

plt.rcParams.update({
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#888888",
    "xtick.color": "#444444",
    "ytick.color": "#222222",
    "figure.dpi": 130,
    "savefig.facecolor": "white",
})


def save(figure, path):
    figure.savefig(path, metadata={"Software": None})
    plt.close(figure)


def labels(result):
    return {p["id"]: p["label"] for p in result["peers"]}


def subtitle(result):
    m = result["machine"]
    virtual = "" if m["hypervisor"] in ("none", "unknown") else f" ({m['hypervisor']} guest)"
    return (f"{result['started'][:10]}, bench/run --mode {result['mode']}, commit {result['commit'] or 'unknown'}; "
            f"{m['processors']} processors {m['processor']}{virtual}, Linux {m['kernel']}, "
            f"{m['system'].replace('GNU/Linux ', '')}")


HEAD = 0.62  # inches that titled() needs at the top, FOOT at the bottom
FOOT = 0.3


def titled(figure, title, note, result):
    """What it shows and how to read it above, what was run below."""
    height, width = figure.get_figheight(), figure.get_figwidth()
    left = 0.1 / width
    figure.text(left, 1 - 0.10 / height, title, fontsize=13, fontweight="bold", va="top")
    figure.text(left, 1 - 0.37 / height, note, fontsize=8.5, color="#444444", va="top")
    figure.text(left, 0.08 / height, subtitle(result), fontsize=6.8, color="#666666", va="bottom")


def medians(row):
    return {peer: v["median"] for peer, v in row["values"].items() if "median" in v}


def rows_of(result, suite, **params):
    return [r for r in result["rows"] if r["suite"] == suite
            and all(r["params"].get(k) == v for k, v in params.items())]


# ---- Bars -----------------------------------------------------------------------------


def bars(axis, row, names, show_names):
    """One workload: a bar a peer, with its time; the axis begins at 0."""
    values = medians(row)
    peers = [p for p in names if p in values]
    top = max(values.values())
    for y, peer in enumerate(reversed(peers)):
        value = row["values"][peer]
        axis.barh(y, value["median"], color=COLOURS[peer], height=0.72)
        axis.plot([min(value["samples"]), max(value["samples"])], [y, y], color="#000000", linewidth=0.8, alpha=0.6)
        beyond = max(value["median"], max(value["samples"]))
        weight = "bold" if peer == "run" else "normal"
        axis.text(beyond + top * 0.02, y, human(value["median"]), va="center", fontsize=8, fontweight=weight)
    axis.set_yticks(range(len(peers)), [names[p] if show_names else "" for p in reversed(peers)])
    for tick, peer in zip(axis.get_yticklabels(), reversed(peers)):
        tick.set_fontweight("bold" if peer == "run" else "normal")
    axis.set_xlim(0, max([top] + [max(row["values"][p]["samples"]) for p in peers]) * 1.32)
    axis.set_title(row["name"])
    axis.xaxis.set_visible(False)
    axis.spines["bottom"].set_visible(False)
    axis.tick_params(axis="y", length=0)


def grid_of_bars(result, rows, columns, title):
    if not rows:
        return None
    lines = -(-len(rows) // columns)
    height = HEAD + FOOT + 0.25 + lines * (0.42 + 0.2 * len(result["peers"]))
    width = 2.9 * columns + 1.2
    figure, axes = plt.subplots(lines, columns, figsize=(width, height), squeeze=False)
    names = labels(result)
    for i, axis in enumerate(axes.flat):
        if i < len(rows):
            bars(axis, rows[i], names, i % columns == 0)
        else:
            axis.set_visible(False)
    figure.subplots_adjust(left=1.1 / width, right=0.99, top=1 - (HEAD + 0.25) / height, bottom=FOOT / height,
                           wspace=0.06, hspace=0.32)
    titled(figure, title, "Time, median; the thin line goes from the least to the most. Shorter is better.", result)
    return figure


def classic(result):
    """find and cat, as kernel FUSE and user-space FUSE are compared since there are both."""
    rows = [r for r in rows_of(result, "applications") if r["name"].startswith(("find, ", "cat of"))]
    return grid_of_bars(result, rows, 2, "find and cat: the kernel's FUSE, and FUSE without the kernel")


def programs(result):
    rows = [r for r in rows_of(result, "applications") if not r["name"].startswith(("find, ", "cat of", "start"))]
    return grid_of_bars(result, rows, 3, "Programs on a file system")


# ---- Latencies --------------------------------------------------------------------------


def time_axis(axis, along):
    along.set_major_formatter(FuncFormatter(lambda x, _: human(x)))
    along.set_minor_formatter(NullFormatter())
    axis.grid(axis="x" if along is axis.xaxis else "y", color="#e6e6e6", linewidth=0.8)
    axis.set_axisbelow(True)


def latency(result):
    """A line an operation, a mark a peer, on a logarithmic scale."""
    rows = rows_of(result, "micro")
    if not rows:
        return None
    names = labels(result)
    height = HEAD + FOOT + 0.55 + 0.225 * len(rows)
    figure, axis = plt.subplots(figsize=(9.2, height))
    for y, row in enumerate(reversed(rows)):
        values = medians(row)
        axis.plot([min(values.values()), max(values.values())], [y, y], color="#d8d8d8", linewidth=1.2, zorder=1)
        for peer in reversed([p for p in names if p in values]):
            axis.scatter(values[peer], y, color=COLOURS[peer], marker=MARKERS[peer], s=62 if peer == "run" else 34,
                         zorder=3 if peer == "run" else 2, linewidths=0.6, edgecolors="white",
                         label=names[peer] if y == 0 else None)
        if "run" in values:
            axis.text(min(values.values()) / 1.25, y, human(values["run"]), fontsize=7.2, color="#a64900", ha="right", va="center")
    axis.set_xscale("log")
    time_axis(axis, axis.xaxis)
    low = min(min(medians(r).values()) for r in rows)
    axis.set_xlim(left=low / 3.2)
    axis.set_ylim(-0.7, len(rows) - 0.3)
    axis.set_yticks(range(len(rows)), [r["name"] for r in reversed(rows)])
    axis.tick_params(axis="y", length=0)
    axis.spines["left"].set_visible(False)
    handles, texts = axis.get_legend_handles_labels()
    order = [texts.index(n) for n in names.values() if n in texts]
    axis.legend([handles[i] for i in order], [texts[i] for i in order], loc="lower left", bbox_to_anchor=(-0.01, 1.0),
                ncol=len(order), frameon=False, handletextpad=0.1, columnspacing=1.4)
    figure.subplots_adjust(left=0.155, right=0.985, top=1 - (HEAD + 0.25) / height, bottom=(FOOT + 0.25) / height)
    titled(figure, "What a call costs", "Median of one call, on a logarithmic scale. Further left is better; the figures are those of bt-fuse run.", result)
    return figure


# ---- Scaling ------------------------------------------------------------------------------


def spread_labels(ends, least):
    """Moves labels (y, text, colour), y on a scale from 0 to 1, apart."""
    placed = []
    for y, text, colour in sorted(ends):
        placed.append([max(y, placed[-1][0] + least) if placed else y, text, colour])
    over = placed[-1][0] - 1 if placed else 0
    for i in range(len(placed) - 1, -1, -1):
        limit = placed[i + 1][0] - least if i + 1 < len(placed) else 1
        if over > 0:
            placed[i][0] = min(placed[i][0], limit)
    return placed


def lines(axis, rows, x_of, names, y_of):
    """A line a peer, its name at its end."""
    series = {}
    for row in rows:
        for peer, median in medians(row).items():
            series.setdefault(peer, []).append((x_of(row), y_of(row, median)))
    for peer in [p for p in names if p in series]:
        xs, ys = zip(*sorted(series[peer]))
        axis.plot(xs, ys, color=COLOURS[peer], marker=MARKERS[peer], markersize=4.5, linewidth=2.2 if peer == "run" else 1.3)
    return series


def name_lines(axis, series, names):
    """At the right edge, in axes coordinates; the limits are final by then."""
    ends = []
    for peer, points in series.items():
        x, y = max(points)
        at = axis.transAxes.inverted().transform(axis.transData.transform((x, y)))
        ends.append((at[1], names[peer], COLOURS[peer], at[0]))
    xs = {text: x for _, text, _, x in ends}
    for y, text, colour in spread_labels([e[:3] for e in ends], 0.062):
        axis.text(min(xs[text] + 0.025, 1.02), y, text, color=colour, transform=axis.transAxes, fontsize=7.5, va="center",
                  clip_on=False)


def panel(axis, rows, x_of, y_of, names, title, x_label, y_label):
    series = lines(axis, rows, x_of, names, y_of)
    axis.set_yscale("log")
    axis.set_title(title)
    axis.set_xlabel(x_label, fontsize=8, color="#444444")
    axis.set_ylabel(y_label, fontsize=8, color="#444444")
    return series


def count(x):
    for limit, divisor, unit in ((1e3, 1, ""), (1e6, 1e3, " k"), (1e12, 1e6, " M")):
        if x < limit:
            return f"{x / divisor:g}{unit}"
    return f"{x:g}"


def scaling_panels(result):
    """(rows, the parameter along, title), of those that were measured."""
    panels = [(rows_of(result, "scale", line="workers", kind="processes", call=call), "workers", call)
              for call in ("stat", "open+close", "create+unlink", "pread 4K of one file")]
    panels += [(rows_of(result, "scale", line="directory", call=call), "files", call)
               for call in ("stat", "create+unlink", "readdir, a name")]
    panels.append((rows_of(result, "scale", line="depth"), "depth", "stat"))
    return [p for p in panels if p[0]]


ALONG = {"workers": "processes at once", "files": "files in the directory", "depth": "directories above the file"}


def draw_panel(axis, rows, what, title, names):
    workers = what == "workers"
    series = panel(axis, rows, lambda row: row["params"][what], (lambda _, ns: 1e9 / ns) if workers else (lambda _, ns: ns),
                   names, title, ALONG[what], "calls a second" if workers else "time of one")
    along = sorted({r["params"][what] for r in rows})
    if what == "files":
        axis.set_xscale("log")
    else:
        axis.set_xlim(along[0] - 0.05 * (along[-1] - along[0]), along[-1] + 0.05 * (along[-1] - along[0]))
    axis.set_xticks(along, [count(x) for x in along])
    axis.xaxis.set_minor_locator(NullLocator())
    if workers:
        axis.yaxis.set_major_formatter(FuncFormatter(lambda x, _: count(x)))
        axis.yaxis.set_minor_formatter(NullFormatter())
        axis.grid(axis="y", color="#e6e6e6", linewidth=0.8)
    else:
        time_axis(axis, axis.yaxis)
    name_lines(axis, series, names)


def scaling(result):
    names = labels(result)
    panels = scaling_panels(result)
    if not panels:
        return None
    columns = min(4, len(panels))
    lines_of = -(-len(panels) // columns)
    width, height = 3.55 * columns, HEAD + FOOT + 0.1 + 2.75 * lines_of
    figure, axes = plt.subplots(lines_of, columns, figsize=(width, height), squeeze=False)
    figure.subplots_adjust(left=0.72 / width, right=1 - 0.95 / width, top=1 - (HEAD + 0.3) / height,
                           bottom=(FOOT + 0.45) / height, wspace=0.86, hspace=0.46)
    for axis, (rows, what, title) in zip(axes.flat, panels):
        draw_panel(axis, rows, what, title, names)
    for axis in axes.flat[len(panels):]:
        axis.set_visible(False)
    titled(figure, "More processes, more names, deeper paths",
           "Medians, on logarithmic scales. Calls a second: higher is better; times: lower is better.", result)
    return figure


ALL = {"classic": classic, "programs": programs, "latency": latency, "scaling": scaling}
