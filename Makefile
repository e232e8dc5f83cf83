# The front door: names for what one does here. Meson does the work, in build/.
#
#   make demo     set up, build, mount, work on the mount, unmount
#   make test     set up, then everything that must pass before a commit lands

# Variables of meson's own: CC, CFLAGS and DESTDIR are taken from the environment.
PREFIX ?= /usr/local

MESON_TEST = meson test --print-errorlogs --no-stdsplit

.PHONY: all setup demo test check mount-test stress soak fuzz bench bench-quick install format format-check tidy clean

all: build/build.ninja
	ninja -C build

setup:
	tools/setup

demo:
	tools/demo

test:
	tools/test

# The quick ones, while one works: no mount, under a minute.
check: all
	$(MESON_TEST) -C build --no-suite mount --no-suite stress --no-suite fuzz --no-suite crash

# The scripts of tests/mount, on a real mount.
mount-test: all
	$(MESON_TEST) -C build --suite mount

# Long: the model, crash and size tests, then all the quick ones under TSan.
stress: all build-tsan/build.ninja
	$(MESON_TEST) -C build --suite stress --timeout-multiplier 0
	ninja -C build-tsan
	$(MESON_TEST) -C build-tsan --no-suite stress --no-suite fuzz --no-suite static --no-suite timing --timeout-multiplier 5

# Half an hour of mixed load; five minutes of it are in `stress`.
soak: all
	tests/see/soak.sh 30

fuzz: build-fuzz/build.ninja
	ninja -C build-fuzz
	$(MESON_TEST) -C build-fuzz --suite fuzz --timeout-multiplier 0

# Five minutes; under one. docs/bench.md.
bench: all
	tools/bench full

bench-quick: all
	tools/bench quick

install: all
	meson configure build -Dprefix=$(PREFIX)
	meson install -C build

format:
	tools/format

format-check:
	tools/format --check

# Configured anew: meson has the target only if it finds clang-tidy then.
tidy: build-clang/build.ninja
	tools/setup clang-tidy
	meson setup --reconfigure build-clang
	ninja -C build-clang clang-tidy

clean:
	rm -rf build build-asan build-tsan build-clang build-fuzz

# What cannot be set up leaves no half-made directory that the next make takes for whole.
SETUP = meson setup

build/build.ninja:
	$(SETUP) build

# gcc's checks see through its own instrumentation and warn of it (sprintf to "null"): not errors here.
build-asan/build.ninja:
	$(SETUP) build-asan -Db_sanitize=address,undefined -Dwerror=false

# gcc's refuses fences. Meson's check for undefined symbols does not go with clang's sanitizers.
build-tsan/build.ninja:
	CC=clang $(SETUP) build-tsan -Db_sanitize=thread -Db_lundef=false

build-clang/build.ninja:
	CC=clang $(SETUP) build-clang

build-fuzz/build.ninja:
	CC=clang $(SETUP) build-fuzz -Db_sanitize=address,undefined -Db_lundef=false -Dfuzz=true
