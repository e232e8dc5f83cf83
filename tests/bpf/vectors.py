#!/usr/bin/env python3
"""Programs with the value that they must return, as lines for test_vectors.

The expected values come from a model of the arithmetic in Python's integers,
written from RFC 9669 and independent of the runtime. Most programs are
tables: an operation on all pairs of awkward operands, folded into one number.

usage: vectors.py OUT.tsv
"""
import itertools
import struct
import sys

M64 = (1 << 64) - 1
M32 = (1 << 32) - 1
EXIT = struct.pack('<BBhI', 0x95, 0, 0, 0)

DST = [0, 1, M64, 1 << 63, (1 << 63) - 1, 0xffffffff80000000, 0x123456789abcdef0, 0x80000000, 0xfffffff9]
SRC = [0, 1, 3, 10, M64, M64 - 2, 31, 33, 63, 1 << 63, 0xffffffff]
IMM = [1, 3, 7, 10, 48, 641, 1000, 4096, -1, -3, 0x7fffffff, -0x80000000]
MEM = '80ff0180fe7f000180ffffff00000080'

vectors = []


def insn(code, dst=0, src=0, off=0, imm=0):
    return struct.pack('<BBhI', code, dst | src << 4, off, imm & M32)


def lddw(dst, value):
    return insn(0x18, dst, imm=value) + insn(0, imm=value >> 32)


def vector(name, prog, r0, mem='-'):
    vectors.append('%s\t%s\t%s\t0x%x' % (name, (prog + EXIT).hex(), mem, r0 & M64))


def signed(value, bits):
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> bits - 1 else value


def divide(a, b):
    """Towards zero."""
    q = abs(a) // abs(b)
    return -q if (a < 0) != (b < 0) else q


class Table:
    """A program that folds many results into R0, and what it must come to."""

    def __init__(self):
        self.prog = lddw(0, 0)
        self.value = 0

    def add(self, prog, reg, value):
        self.prog += prog + insn(0x27, 0, imm=31) + insn(0x0f, 0, reg)
        self.value = (self.value * 31 + value) & M64

    def write(self, name):
        vector(name, self.prog, self.value)


ALU = {'add': 0x00, 'sub': 0x10, 'mul': 0x20, 'div': 0x30, 'or': 0x40, 'and': 0x50, 'lsh': 0x60, 'rsh': 0x70,
       'mod': 0x90, 'xor': 0xa0, 'arsh': 0xc0}


def alu(op, a, b, bits, is_signed):
    mask = (1 << bits) - 1
    a &= mask
    b &= mask
    sa, sb = signed(a, bits), signed(b, bits)
    if op == 'div':
        return 0 if b == 0 else (divide(sa, sb) if is_signed else a // b) & mask
    if op == 'mod':
        return a if b == 0 else (sa - divide(sa, sb) * sb if is_signed else a % b) & mask
    return {'add': a + b, 'sub': a - b, 'mul': a * b, 'or': a | b, 'and': a & b, 'xor': a ^ b,
            'lsh': a << b % bits, 'rsh': a >> b % bits, 'arsh': sa >> b % bits}[op] & mask


def alu_tables():
    for (op, code), bits in itertools.product(ALU.items(), (64, 32)):
        cls = 7 if bits == 64 else 4
        for sign in (0, 1) if op in ('div', 'mod') else (0,):
            name = '%s%s%d' % ('s' if sign else '', op, bits)
            table = Table()
            for a, b in itertools.product(DST, SRC):
                table.add(lddw(1, a) + lddw(2, b) + insn(cls | code | 8, 1, 2, sign), 1, alu(op, a, b, bits, sign))
            table.write(name + '-reg')
            table = Table()
            for a, b in itertools.product(DST, IMM):
                if op in ('lsh', 'rsh', 'arsh') and not 0 <= b < bits:
                    continue
                table.add(lddw(1, a) + insn(cls | code, 1, 0, sign, b), 1, alu(op, a, b & M64, bits, sign))
            table.write(name + '-imm')


def extensions():
    for bits, code in ((64, 0xbf), (32, 0xbc)):
        for width in (8, 16, 32):
            if width == bits:
                continue
            table = Table()
            for a in DST + [0x80, 0x7f, 0x8000, 0x7fff, 0xff80]:
                table.add(lddw(1, a) + insn(code, 2, 1, width), 2, signed(a, width) & (1 << bits) - 1)
            table.write('movsx%d-%d' % (bits, width))
    mem = bytes.fromhex(MEM)
    for name, size, n in (('b', 0x10, 1), ('h', 0x08, 2), ('w', 0x00, 4)):
        for at in (0, n):
            vector('ldxs%s-%d' % (name, at), insn(0x81 | size, 0, 1, at),
                   int.from_bytes(mem[at:at + n], 'little', signed=True), MEM)
            vector('ldx%s-%d' % (name, at), insn(0x61 | size, 0, 1, at), int.from_bytes(mem[at:at + n], 'little'), MEM)


def swaps():
    value = 0x1122334455667788
    for bits in (16, 32, 64):
        low = value & (1 << bits) - 1
        swapped = int.from_bytes(low.to_bytes(bits // 8, 'little'), 'big')
        vector('bswap%d' % bits, lddw(0, value) + insn(0xd7, 0, imm=bits), swapped)
        vector('be%d' % bits, lddw(0, value) + insn(0xdc, 0, imm=bits), swapped)
        vector('le%d' % bits, lddw(0, value) + insn(0xd4, 0, imm=bits), low)
    vector('neg64-keeps-64', lddw(0, 1 << 32) + insn(0x87), -(1 << 32))
    vector('neg32-clears-upper', lddw(0, 5 << 32 | 1) + insn(0x84), M32)


JUMPS = {'jeq': (0x10, lambda a, b: a == b), 'jne': (0x50, lambda a, b: a != b), 'jgt': (0x20, lambda a, b: a > b),
         'jge': (0x30, lambda a, b: a >= b), 'jlt': (0xa0, lambda a, b: a < b), 'jle': (0xb0, lambda a, b: a <= b),
         'jset': (0x40, lambda a, b: a & b != 0), 'jsgt': (0x60, lambda a, b: a > b),
         'jsge': (0x70, lambda a, b: a >= b), 'jslt': (0xc0, lambda a, b: a < b), 'jsle': (0xd0, lambda a, b: a <= b)}


def jump_tables():
    for (name, (code, holds)), bits, reg in itertools.product(JUMPS.items(), (64, 32), (True, False)):
        cls = 5 if bits == 64 else 6
        prog, value = lddw(0, 0), 0
        for a, b in itertools.product(DST, SRC if reg else [0, 1, -1, 3, 0x7fffffff, -0x80000000]):
            prog += lddw(1, a) + (lddw(2, b) if reg else b'') + insn(0x67, 0, imm=1)
            prog += insn(cls | code | 8, 1, 2, 1) if reg else insn(cls | code, 1, 0, 1, b)
            prog += insn(0xa7, 0, imm=0x55)
            value = value << 1 & M64
            x, y = a & (1 << bits) - 1, b & (1 << bits) - 1
            if name.startswith('js') and name != 'jset':
                x, y = signed(x, bits), signed(y, bits)
            if not holds(x, y):
                value ^= 0x55
        vector('%s%d-%s' % (name, bits, 'reg' if reg else 'imm'), prog, value)


def atomics():
    old, src = 0xf0f0f0f0f0f0f0f0, 0x123456789abcdef1
    ops = (('add', 0x00, lambda o, s: o + s), ('and', 0x50, lambda o, s: o & s), ('or', 0x40, lambda o, s: o | s),
           ('xor', 0xa0, lambda o, s: o ^ s))
    store = lddw(3, old) + insn(0x7b, 10, 3, -8)

    def fold(reg):
        """R0 = what is in memory * 31 + reg"""
        return insn(0x79, 0, 10, -8) + insn(0x27, 0, imm=31) + insn(0x0f, 0, reg)

    def fold_r0():
        """R0 = R0 * 31 + what is in memory"""
        return insn(0x79, 1, 10, -8) + insn(0x27, 0, imm=31) + insn(0x0f, 0, 1)

    for bits, code, mask in ((64, 0xdb, M64), (32, 0xc3, M32)):
        for (name, op, compute), fetch in itertools.product(ops, (0, 1)):
            new = old & ~mask | compute(old & mask, src & mask) & mask
            vector('atomic%d-%s%s' % (bits, 'fetch-' if fetch else '', name),
                   store + lddw(2, src) + insn(code, 10, 2, -8, op | fetch) + fold(2),
                   new * 31 + (old & mask if fetch else src))
        vector('atomic%d-xchg' % bits, store + lddw(2, src) + insn(code, 10, 2, -8, 0xe1) + fold(2),
               (old & ~mask | src & mask) * 31 + (old & mask))
        for hit in (True, False):
            expect = old & mask | (0x77 << 56 if bits == 32 else 0)
            vector('atomic%d-cmpxchg-%s' % (bits, 'hit' if hit else 'miss'),
                   store + lddw(2, src) + lddw(0, expect if hit else expect ^ 1) + insn(code, 10, 2, -8, 0xf1) +
                   fold_r0(), (old & mask) * 31 + (old & ~mask | src & mask if hit else old))
        vector('atomic%d-fetch-and-r0' % bits, store + lddw(0, src) + insn(code, 10, 0, -8, 0x51) + fold_r0(),
               (old & mask) * 31 + (old & ~mask | old & src & mask))


def control():
    vector('gotol', insn(0xb7, 0, imm=1) + insn(0x06, imm=1) + EXIT + insn(0xb7, 0, imm=2), 2)
    vector('loop-to-the-first-instruction', insn(0x07, 2, imm=-1) + insn(0xb7, 0, imm=7) + insn(0x55, 2, 0, -3), 7,
           '00000000')
    for n in (0, 1, 2, 3, 4, 7, 8, 17, 18, 19, 31, 32, 33, 63):
        vector('jump-over-%d' % n, insn(0xb7, 0, imm=1) + insn(0x05, 0, 0, n) + insn(0xb7, 0, imm=2) * n, 1)
    vector('jump-far', insn(0xb7, 0, imm=1) + insn(0x06, imm=70000) + lddw(0, 0x1122334455667788) * 35000, 1)


def calls():
    kept = b''.join(insn(0xb7, r, imm=r) for r in (6, 7, 8, 9))
    spoil = b''.join(insn(0xb7, r) for r in (6, 7, 8, 9))
    add = b''.join(insn(0x0f, 0, r) for r in (6, 7, 8, 9))
    vector('call-keeps-r6-to-r9', kept + insn(0x85, 0, 1, 0, 5) + add + EXIT + spoil + insn(0xb7, 0, imm=100), 130)
    vector('call-own-stack', insn(0x7a, 10, 0, -8, 1) + insn(0x85, 0, 1, 0, 3) + insn(0x79, 1, 10, -8) +
           insn(0x0f, 0, 1) + EXIT + insn(0x7a, 10, 0, -8, 40) + insn(0x79, 0, 10, -8), 41)
    vector('call-callers-stack', insn(0x7a, 10, 0, -8, 1) + insn(0xbf, 1, 10) + insn(0x07, 1, imm=-8) +
           insn(0x85, 0, 1, 0, 2) + insn(0x79, 0, 10, -8) + EXIT + insn(0x7a, 1, 0, 0, 41) + insn(0xb7), 41)
    vector('call-seven-deep', (insn(0x85, 0, 1, 0, 2) + insn(0x07, imm=1) + EXIT) * 7 + insn(0xb7, imm=1), 8)


def pairs():
    """What the compiler turns into one instruction, and what it must not."""
    mem = bytes.fromhex(MEM)
    zext, sext = insn(0x67, 0, imm=32) + insn(0x77, 0, imm=32), insn(0x67, 0, imm=32) + insn(0xc7, 0, imm=32)
    vector('extension-zero', lddw(1, 0xdeadbeef12345678) + insn(0xbf, 0, 1) + zext, 0x12345678)
    vector('extension-sign', lddw(1, 0xdeadbeef92345678) + insn(0xbf, 0, 1) + sext, 0xffffffff92345678)
    vector('extension-jumped-into', lddw(0, 0xdeadbeef92345678) + insn(0xb7, 1) + insn(0x15, 1, 0, 1) + zext,
           0xdeadbeef)
    vector('mov-add-imm', insn(0xb7, 3, imm=5) + insn(0xbf, 0, 3) + insn(0x07, 0, imm=-7), -2)
    vector('mov-add-itself', insn(0xb7, 3, imm=5) + insn(0xbf, 0, 3) + insn(0x0f, 0, 0), 10)
    vector('shift-add-itself', insn(0xb7, 0, imm=5) + insn(0x67, 0, imm=2) + insn(0x0f, 0, 0), 40)
    for base, index, dst in itertools.product((1, 7, 9), (3, 5, 8), (0, 4, 7, 9)):
        if dst in (base, index):
            continue
        start = insn(0xbf, base, 1) if base != 1 else b''
        vector('indexed-r%d-r%d-r%d' % (base, index, dst),
               start + insn(0xb7, index, imm=3) + insn(0xbf, dst, base) + insn(0x0f, dst, index) +
               insn(0x71, dst, dst, 1) + insn(0xbf, 0, dst), mem[4], MEM)
    vector('indexed-sign', insn(0xb7, 9, imm=3) + insn(0xbf, 7, 1) + insn(0x0f, 7, 9) + insn(0x91, 7, 7, 1) +
           insn(0xbf, 0, 7), signed(mem[4], 8), MEM)


for section in (alu_tables, extensions, swaps, jump_tables, atomics, control, calls, pairs):
    section()
with open(sys.argv[1], 'w') as out:
    out.write('\n'.join(vectors) + '\n')
