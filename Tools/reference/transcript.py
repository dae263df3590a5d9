"""stlm-1, section 12: what the packer's computer made of a file."""

import struct
import zlib

from forward import Forward
from model import SYMBOLS
from refusal import require
from sampling import SplitMix

TYPES = ("int16", "int8", "int4")


def read_transcript(record, model):
    """The region's bytes, empty where there is none; the number of positions and the checksum for each type."""
    if not record:
        return None
    count, *checksums = struct.unpack_from("<4I", record)
    require(1 <= count <= min(64, model.context_maximum), f"transcript: position_count {count}")
    require(not any(record[16:]), "transcript: reserved bytes are not zero")
    return count, checksums


def inputs(model, count):
    random = SplitMix(0)

    def number(limit):
        return (random.draw() >> 32) * limit >> 32
    if model.bytes_in:
        return [[number(SYMBOLS) for _ in range(model.block_size)] for _ in range(count)]
    return [number(model.vocabulary_size) for _ in range(count)]


def checksum(model, kind, count):
    fed = inputs(model, count)
    rows = Forward(model, kind).logits(fed, fed[1:] if model.bytes_in else ())
    return zlib.crc32(rows.astype("<i4").tobytes())


def checksums(model, count):
    made = [checksum(model, kind, count) for kind in (TYPES if model.causal else TYPES[:1])]
    return made + [0] * (3 - len(made))


def is_right(model):
    count, stated = model.transcript
    made = checksums(model, count)
    return made[:3 if model.causal else 1] == stated[:3 if model.causal else 1]


def region(model):
    count = min(8, model.context_maximum)
    return struct.pack("<4I48x", count, *checksums(model, count))
