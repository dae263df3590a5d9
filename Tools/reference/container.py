"""stlm-1, sections 1, 2 and 9: header, region table, padding and checksums."""

import struct
import zlib
from dataclasses import dataclass

from refusal import require

NONE = 0xFFFFFFFF
MAGIC = b"\x89STLM\r\n\x1a"
WEIGHTS = 64
# kind: (name, record bytes; None where the size follows from elsewhere)
KINDS = {1: ("model", 384), 2: ("schedule", 32), 3: ("attentions", 64), 4: ("feed-forwards", 64), 5: ("norms", 32),
         6: ("tensors", 32), 7: ("names", 20), 8: ("text", 1), 9: ("tokenizer", 1024), 10: ("piece offsets", 4),
         11: ("piece bytes", 1), 12: ("merges", 8), 13: ("characters", 8), 14: ("adjacency", 8192),
         15: ("ledger", 256), 16: ("tensor errors", 8), **{kind: ("for later", 1) for kind in range(33, 64)}, 32: ("transcript", 64),
         WEIGHTS: ("weights", 1)}
ALWAYS = (1, 2, 6, 7, 8)
ONE_RECORD = (1, 9, 14, 15, 32)


@dataclass
class Region:
    index: int
    kind: int
    alignment: int
    offset: int
    byte_count: int
    checksum: int

    @property
    def title(self):
        return f"region {self.index} ({KINDS[self.kind][0]})"


def align(n, a):
    return -(-n // a) * a


def read_header(data):
    require(len(data) >= 64, f"the file has {len(data)} bytes, fewer than a header of 64")
    require(len(data) <= 2**40, f"the file has {len(data)} bytes, more than 2^40")
    require(data[:8] == MAGIC, "this is no stlm file: the first eight bytes are not its mark")
    version, draft, features, size, count, checksum = struct.unpack_from("<HHIQII", data, 8)
    require(version == 1, f"header: format version {version} is not 1")
    require(draft == 0, f"header: draft {draft}, from before the format was frozen")
    require(features == 0, f"header: required features 0x{features:x} are unknown")
    require(size == len(data), f"header: the file should have {size} bytes and has {len(data)}")
    require(1 <= count <= 65535, f"header: region count {count} is not in 1 ... 65535")
    require(64 + 32 * count <= len(data), f"header: {count} regions do not fit in {len(data)} bytes")
    require(not any(data[32:64]), "header: reserved bytes are not zero")
    head = bytearray(data[:64 + 32 * count])
    head[28:32] = bytes(4)
    actual = zlib.crc32(head)
    require(actual == checksum, f"header: checksum 0x{actual:08x} is not the stated 0x{checksum:08x}")
    return count


def read_regions(data):
    """The region table, every rule of section 2.2 checked, and the checksums of the tables."""
    count = read_header(data)
    regions, end, before = [], 64 + 32 * count, 0
    for i in range(count):
        kind, alignment, offset, size, checksum, reserved = struct.unpack_from("<IIQQII", data, 64 + 32 * i)
        require(kind in KINDS, f"region {i}: kind {kind} is unknown")
        region = Region(i, kind, alignment, offset, size, checksum)
        title = region.title
        require(kind > before or kind == before == WEIGHTS, f"{title}: kind {kind} may not follow kind {before}")
        require(alignment in (64, 16384), f"{title}: alignment {alignment} is neither 64 nor 16384")
        require(kind == WEIGHTS or alignment == 64, f"{title}: alignment {alignment} of a table is not 64")
        require(size >= 1, f"{title}: it is empty")
        start = align(end, alignment)
        require(offset == start, f"{title}: offset {offset} is not {start}, where the region before makes it start")
        require(offset + size <= len(data), f"{title}: {offset} + {size} is past the file's end at {len(data)}")
        require(reserved == 0, f"{title}: the reserved field is {reserved}")
        require(not any(data[end:start]), f"{title}: padding before it is not zero")
        record = KINDS[kind][1]
        require(size % record == 0, f"{title}: {size} bytes are no multiple of the record's {record}")
        require(kind not in ONE_RECORD or size == record, f"{title}: {size} bytes are not {record}")
        if kind != WEIGHTS:
            check_sum(data, region)
        regions.append(region)
        end, before = offset + size, kind
    require(end == len(data), f"the last region ends at {end}, the file at {len(data)}")
    present = {region.kind for region in regions}
    for kind in ALWAYS:
        require(kind in present, f"there is no {KINDS[kind][0]} region")
    for kind in range(10, 15):
        require(9 in present or kind not in present, f"there is a {KINDS[kind][0]} region but no tokenizer")
    return regions


def check_sum(data, region):
    actual = zlib.crc32(data[region.offset:region.offset + region.byte_count])
    require(actual == region.checksum, f"{region.title}: checksum 0x{actual:08x} is not the stated 0x{region.checksum:08x}")


def table_bytes(data, regions, kind):
    for region in regions:
        if region.kind == kind:
            return data[region.offset:region.offset + region.byte_count]
    return b""
