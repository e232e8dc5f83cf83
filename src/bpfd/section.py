"""section.py OBJECT SECTION OUT: writes the bytes of a section of a 64-bit little-endian ELF file."""
import struct
import sys

data = open(sys.argv[1], 'rb').read()
shoff, = struct.unpack_from('<Q', data, 40)
shentsize, shnum, shstrndx = struct.unpack_from('<HHH', data, 58)


def header(i):
    name, _, _, _, off, size = struct.unpack_from('<IIQQQQ', data, shoff + i * shentsize)
    return name, off, size


names = header(shstrndx)[1]
for i in range(shnum):
    name, off, size = header(i)
    if data[names + name:data.index(b'\0', names + name)].decode() == sys.argv[2]:
        open(sys.argv[3], 'wb').write(data[off:off + size])
        sys.exit(0)
sys.exit('%s: no section %s' % (sys.argv[1], sys.argv[2]))
