"""The benchmarks: bench/run puts these modules together; docs/bench.md describes them."""
