// Reads /metrics every two seconds, keeps ten minutes of what it says, and draws it.
"use strict";
(() => {
  const EVERY = 2000, KEEP = 300, WINDOW = 5;  // ms; samples; samples that the table looks back
  const $ = (id) => document.getElementById(id);
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  // ---- Reading ---------------------------------------------------------------

  // Lines of the text format: name{label="value",...} number.
  function parse(text) {
    const samples = [];
    for (const line of text.split("\n")) {
      if (!line || line[0] === "#") continue;
      const m = /^([a-z_]+)(?:\{(.*)\})? (\S+)$/.exec(line);
      if (!m) continue;
      const labels = {};
      for (const l of (m[2] || "").matchAll(/([a-z_]+)="((?:[^"\\]|\\.)*)"/g)) labels[l[1]] = l[2].replace(/\\(.)/g, (_, c) => c === "n" ? "\n" : c);
      samples.push({ name: m[1], labels, value: Number(m[3]), series: line.slice(0, -m[3].length) });
    }
    return samples;
  }

  // Makes of each counter what it has grown by since the look before, as Prometheus' increase() takes it: a mount that
  // goes takes nothing away, one that comes brings nothing from before, what is less than it was began anew from 0.
  const mounts = new Map();  // the first and last look at each, its counters then; without a name: what is no mount's
  let nth = 0;

  function grow(samples) {
    nth++;
    for (const s of samples) {
      if (!/_(total|bucket)$/.test(s.name)) continue;
      const now = s.value, name = s.labels.mount;
      if (!mounts.has(name)) mounts.set(name, { first: nth, counters: new Map() });
      const m = mounts.get(name);
      const old = m.counters.get(s.series) ?? (m.first === nth ? now : 0);  // errors come when they first occur
      s.value = now < old ? now : now - old;
      m.counters.set(s.series, now);
      m.last = nth;
    }
    for (const [name, m] of mounts) if (nth - m.last > KEEP) mounts.delete(name);
  }

  // One look, as sums that the charts need: counters over all looks since `before` began, gauges of now.
  function digest(samples, mount, before) {
    const d = before ? structuredClone(before)
      : { ops: {}, path: {}, bytes: {}, invals: {}, handed: {}, errors: {}, hist: {}, paths: {}, affected: {}, runs: 0, requests: 0, rollbacks: 0, ended: 0, total: 0 };
    Object.assign(d, { t: Date.now() / 1000, rings: {}, memory: 0, data: 0, processes: 0, tasks: 0, inodes: 0, open: 0 });
    const add = (o, k, v) => { o[k] = (o[k] || 0) + v; };
    for (const { name, labels: l, value: v } of samples) {
      if (mount && l.mount !== mount && !name.startsWith("btfuse_bpf_")) continue;
      switch (name) {
      case "btfuse_operations_total":
        d.total += v;
        add(d.path, l.path, v);
        d.ops[l.op] = d.ops[l.op] || { all: 0, error: 0, kernel: 0 };
        d.ops[l.op].all += v;
        if (l.result === "error") d.ops[l.op].error += v;
        if (l.path === "kernel") d.ops[l.op].kernel += v;
        break;
      case "btfuse_operation_duration_seconds_bucket": {
        const le = l.le === "+Inf" ? Infinity : Number(l.le);
        for (const key of [l.path + " " + l.op, l.path]) {
          d.hist[key] = d.hist[key] || new Map();
          d.hist[key].set(le, (d.hist[key].get(le) || 0) + v);
        }
        break;
      }
      case "btfuse_io_bytes_total": add(d.bytes, l.direction, v); break;
      case "btfuse_invalidations_total": add(d.invals, l.kind, v); break;
      case "btfuse_handed_over_calls_total": add(d.handed, l.reason, v); break;
      case "btfuse_errors_total": add(d.errors, l.errno, v); break;
      case "btfuse_path_cache_lookups_total": add(d.paths, l.result, v); break;
      case "btfuse_ring_requests_total": d.requests += v; break;
      case "btfuse_ring_depth": add(d.rings, l.state, v); break;
      case "btfuse_bpf_program_runs_total": d.runs += v; break;
      case "btfuse_bpf_affected_calls_total": add(d.affected, l.effect, v); break;
      case "btfuse_memory_bytes": d.memory += v; break;
      case "btfuse_blocks": if (l.state === "used") d.data += v * 4096; break;
      case "btfuse_inodes": if (l.state === "used") d.inodes += v; break;
      case "btfuse_processes": d.processes += v; break;
      case "btfuse_tasks": d.tasks += v; break;
      case "btfuse_open_files": d.open += v; break;
      case "btfuse_rolled_back_transactions_total": d.rollbacks += v; break;
      case "btfuse_ended_processes_total": d.ended += v; break;
      }
    }
    return d;
  }

  // As Prometheus' histogram_quantile, of what was added between two looks. Seconds; null: nothing.
  function quantile(q, now, before) {
    if (!now) return null;
    const bounds = [...now.keys()].sort((a, b) => a - b);
    const count = (le) => now.get(le) - ((before && before.get(le)) || 0);
    const want = q * count(Infinity);
    let low = 0, seen = 0;
    if (!(want > 0)) return null;
    for (const le of bounds) {
      const n = count(le);
      if (n >= want) return le === Infinity ? low : low + (le - low) * (want - seen) / (n - seen);
      low = le;
      seen = n;
    }
    return low;
  }

  // ---- Numbers for people -------------------------------------------------------

  function scaled(v, step, units) {
    let i = 0;
    while (Math.abs(v) >= step && i < units.length - 1) { v /= step; i++; }
    return (i === 0 && Number.isInteger(v) ? v : Math.abs(v) >= 100 ? v.toFixed(0) : Math.abs(v) >= 10 ? v.toFixed(1) : v.toFixed(2)) + units[i];
  }
  const number = (v) => v == null ? "–" : scaled(v, 1000, ["", " k", " M", " G"]);
  const bytes = (v) => v == null ? "–" : scaled(v, 1024, [" B", " KiB", " MiB", " GiB", " TiB"]);
  const seconds = (v) => v == null ? "–" : scaled(v * 1e9, 1000, [" ns", " µs", " ms", " s"]);
  const percent = (v) => v == null ? "–" : (v * 100).toFixed(v > 0.995 && v < 1 ? 2 : 1) + " %";

  // ---- Charts --------------------------------------------------------------------

  const looks = [];  // digests, oldest first
  const rate = (a, b, get) => ((get(b) || 0) - (get(a) || 0)) / (b.t - a.t);
  const OPS = ["read", "write", "open", "stat", "readdir", "unlink", "rename"];
  const rest = (d) => Object.entries(d.ops).reduce((n, [op, o]) => n + (OPS.includes(op) || op === "close" ? 0 : o.all), 0);
  const rateOf = (get) => (a, b) => rate(a, b, get);
  const share = (part, all) => (a, b) => {
    const n = rate(a, b, all);
    return n > 0 ? rate(a, b, part) / n : null;
  };

  const charts = [
    { title: "Throughput by operation, a second", format: number,
      series: [...OPS.map((op) => [op, rateOf((d) => (d.ops[op] || {}).all)]), ["others", rateOf(rest)]] },
    { title: "Who answered, operations a second", format: number,
      series: [["process", rateOf((d) => d.path.process)], ["ring", rateOf((d) => d.path.ring)], ["kernel", rateOf((d) => d.path.kernel)]] },
    { title: "Latency in the process", format: seconds, log: true,
      series: [["stat, median", (a, b) => quantile(0.5, b.hist["process stat"], a.hist["process stat"])],
               ["open, median", (a, b) => quantile(0.5, b.hist["process open"], a.hist["process open"])],
               ["read, median", (a, b) => quantile(0.5, b.hist["process read"], a.hist["process read"])],
               ["write, median", (a, b) => quantile(0.5, b.hist["process write"], a.hist["process write"])],
               ["all, 99 %", (a, b) => quantile(0.99, b.hist.process, a.hist.process)]] },
    { title: "Latency in the daemon, for the kernel", format: seconds, log: true,
      series: [0.5, 0.9, 0.99].map((q) => [q === 0.5 ? "median" : q * 100 + " %", (a, b) => quantile(q, b.hist.kernel, a.hist.kernel)]) },
    { title: "Answered without the kernel", format: percent, range: [0, 1],
      series: [["share", share((d) => d.total - (d.path.kernel || 0), (d) => d.total)],
               ["paths remembered", share((d) => d.paths.hit, (d) => (d.paths.hit || 0) + (d.paths.miss || 0))]] },
    { title: "Bytes a second", format: bytes,
      series: [["read", rateOf((d) => d.bytes.read)], ["written", rateOf((d) => d.bytes.write)]] },
    { title: "Memory", format: bytes,
      series: [["memory", (a, b) => b.memory], ["data", (a, b) => b.data]] },
    { title: "Handed to the kernel, a second", format: number,
      series: [["needs a descriptor", rateOf((d) => d.handed.descriptor)], ["out of the store", rateOf((d) => d.handed.outside)],
               ["passive", rateOf((d) => d.handed.passive)], ["no seat", rateOf((d) => d.handed.no_seat)],
               ["elsewhere", rateOf((d) => d.handed.elsewhere)]] },
    { title: "Invalidations a second", format: number,
      series: [["names", rateOf((d) => d.invals.name)], ["attributes", rateOf((d) => d.invals.attributes)], ["data", rateOf((d) => d.invals.data)]] },
    { title: "Rings to the daemon", format: number,
      series: [["requests a second", rateOf((d) => d.requests)], ["waiting", (a, b) => b.rings.waiting],
               ["under way", (a, b) => b.rings.taken]] },
    { title: "eBPF, a second", format: number,
      series: [["runs of programs", rateOf((d) => d.runs)], ["results set", rateOf((d) => d.affected.override)],
               ["arguments replaced", rateOf((d) => d.affected.arguments)], ["held up", rateOf((d) => d.affected.delay)]] },
    { title: "Faults a second", format: number,
      series: [["errors", rateOf((d) => Object.values(d.errors).reduce((a, b) => a + b, 0))],
               ["rolled back", rateOf((d) => d.rollbacks)], ["processes that ended", rateOf((d) => d.ended)]] },
  ];

  function options(c, width) {
    const dim = css("--dim"), line = css("--line");
    const axis = { stroke: dim, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 } };
    const clock = (u, v) => v == null ? "–" : new Date(v * 1000).toLocaleTimeString();
    return {
      width, height: 190,
      cursor: { drag: { x: false, y: false }, sync: { key: "bt-fuse" } },
      scales: { y: c.log ? { distr: 3, clamp: 1e-9 } : { range: c.range || ((u, lo, hi) => [0, hi > 0 ? hi * 1.08 : 1]) } },
      axes: [{ ...axis, space: 70, values: (u, ts) => ts.map((t) => new Date(t * 1000).toLocaleTimeString()) },
             { ...axis, size: 74, values: (u, vs) => vs.map((v) => v == null ? "" : c.format(v)),
               ...(c.format === bytes ? { incrs: Array.from({ length: 50 }, (_, i) => 2 ** i) } : {}) }],
      series: [{ label: "time", value: clock }, ...c.series.map(([label], i) => ({
        label, stroke: css("--c" + i), width: 1.75, spanGaps: false, points: { show: false },
        value: (u, v, si, di) => c.format(di == null ? c.data && c.data[si] ? c.data[si].at(-1) : null : v),
      }))],
    };
  }

  // The plots are made anew where size or colours change.
  function build() {
    for (const c of charts) {
      if (c.plot) c.plot.destroy();
      c.data = c.data || [[], ...c.series.map(() => [])];
      c.plot = new uPlot(options(c, c.box.lastChild.clientWidth || 460), c.data, c.box.lastChild);
    }
  }

  function draw() {
    for (const c of charts) {
      c.data = [looks.slice(1).map((d) => d.t), ...c.series.map(([, get]) => looks.slice(1).map((d, i) => get(looks[i], d)))];
      c.plot.setData(c.data);
    }
  }

  // ---- Tiles and table ---------------------------------------------------------------

  const tiles = [
    ["ops", "operations a second", (a, b) => number(rate(a, b, (d) => d.total))],
    ["share", "without the kernel", (a, b) => percent(share((d) => d.total - (d.path.kernel || 0), (d) => d.total)(a, b))],
    ["read", "read a second", (a, b) => bytes(rate(a, b, (d) => d.bytes.read))],
    ["written", "written a second", (a, b) => bytes(rate(a, b, (d) => d.bytes.write))],
    ["memory", "memory", (a, b) => bytes(b.memory)],
    ["inodes", "files and directories", (a, b) => number(b.inodes)],
    ["processes", "processes, with daemons", (a, b) => number(b.processes)],
    ["open", "open files", (a, b) => number(b.open)],
  ];

  function fill() {
    const b = looks.at(-1), a = looks.at(-2), old = looks.at(Math.max(-1 - WINDOW, -looks.length));
    for (const [id, , get] of tiles) $("tile-" + id).textContent = get(a, b);
    const body = $("ops").tBodies[0];
    const rows = Object.keys(b.ops).map((op) => ({ op, n: rate(old, b, (d) => (d.ops[op] || {}).all) || 0 }));
    body.replaceChildren();
    for (const { op, n } of rows.filter((r) => r.n > 0).sort((x, y) => y.n - x.n)) {
      const q = (p, path) => seconds(quantile(p, b.hist[path + " " + op], old.hist[path + " " + op]));
      const of = (what) => rate(old, b, (d) => (d.ops[op] || {})[what]);
      const row = body.insertRow();
      for (const text of [op, number(n), percent(of("error") / n), percent(1 - of("kernel") / n),
                          q(0.5, "process"), q(0.99, "process"), q(0.5, "kernel"), q(0.99, "kernel")])
        row.insertCell().textContent = text;
    }
  }

  // ---- Going on ------------------------------------------------------------------------

  let chosen = "";

  function offerMounts(samples) {
    const info = samples.filter((s) => s.name === "btfuse_mount_info").map((s) => s.labels);
    const have = [...$("mount").options].slice(1).map((o) => o.value).join();
    const names = info.map((l) => l.mount);
    if (chosen && !names.includes(chosen)) names.push(chosen);  // it may come again
    if (have !== names.join())
      $("mount").replaceChildren(new Option("all", ""), ...names.map((n) => new Option(n, n, false, n === chosen)));
    const at = info.filter((l) => !chosen || l.mount === chosen).map((l) => l.mountpoint);
    $("where").textContent = at.length ? "on " + at.join(", ") : chosen ? "not mounted" : "nothing is mounted";
  }

  function tell(text, how) {
    $("state").textContent = text;
    $("state").className = how;
  }

  async function look() {
    try {
      const reply = await fetch("metrics", { headers: { Accept: "text/plain" }, cache: "no-store" });
      if (!reply.ok) throw new Error("HTTP " + reply.status);
      const samples = parse(await reply.text());
      offerMounts(samples);
      grow(samples);
      looks.push(digest(samples, chosen, looks.at(-1)));
      if (looks.length > KEEP) looks.shift();
      tell("live, every " + EVERY / 1000 + " s", "good");
      if (looks.length > 1) { draw(); fill(); }
    } catch (e) {
      tell("the exporter does not answer", "bad");
    }
    setTimeout(look, EVERY);
  }

  for (const c of charts) {
    c.box = document.createElement("div");
    c.box.className = "card";
    c.box.innerHTML = "<h2></h2><div></div>";
    c.box.firstChild.textContent = c.title;
    $("charts").append(c.box);
  }
  for (const [id, label] of tiles) {
    const tile = document.createElement("div");
    tile.className = "card tile";
    tile.innerHTML = "<b></b><span></span>";
    tile.firstChild.id = "tile-" + id;
    tile.firstChild.textContent = "–";
    tile.lastChild.textContent = label;
    $("tiles").append(tile);
  }
  $("mount").addEventListener("change", () => { chosen = $("mount").value; looks.length = 0; });
  build();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", build);
  let resized;
  addEventListener("resize", () => { clearTimeout(resized); resized = setTimeout(build, 100); });
  window.btfuse = { looks, charts };  // for tests, and for who is curious
  look();
})();
