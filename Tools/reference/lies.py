"""Files that break one rule of stlm-1, made from an Example. Tests only."""

import struct

from example_files import Example, seal, set32

MODEL, SCHEDULE, ATTENTION, FFN, NORM, TENSORS, NAMES, TEXT = range(1, 9)
TOKENIZER, OFFSETS, PIECES, MERGES, CHARACTERS, ADJACENCY, LEDGER, TENSOR_ERRORS = range(9, 17)
TRANSCRIPT, WEIGHTS = 32, 64


def poke(kind, *pairs, model=(), **settings):
    """A file in which u32 fields (place, value) of a region, and of the model record, are changed; all checksums are right."""
    def make():
        example = Example(**settings)
        for at, value in zip(pairs[::2], pairs[1::2]):
            example.poke(kind, at, value)
        for at, value in zip(model[::2], model[1::2]):
            example.poke(MODEL, at, value)
        return example.image()
    return make


def change(function, **settings):
    """A file whose Example has been changed by a function."""
    def make():
        example = Example(**settings)
        function(example)
        return example.image()
    return make


def other_matrix(kind, at, rows, columns, **settings):
    """A file in which a field of a region names a matrix of this shape."""
    def function(example):
        k = example.matrix(rows, columns)
        example.regions = example.make_regions()
        example.poke(kind, at, k)
    return change(function, **settings)


def raw(function, right_checksum=True):
    """A file whose final bytes have been changed."""
    def make():
        data = bytearray(Example().image())
        data = function(data) or data
        return seal(data) if right_checksum else bytes(data)
    return make


def put(at, *values):
    """Writes single bytes."""
    def function(data):
        data[at:at + len(values)] = bytes(values)
    return function


def drop(kind):
    def function(example):
        example.regions = [r for r in example.regions if r[0] != kind]
    return function


def resize(kind, edit):
    def function(example):
        region = example.region(kind)
        region[2] = edit(region[2])
    return function


def insert(at, region):
    return lambda example: example.regions.insert(at, region)


def weights(k, edit):
    def function(example):
        region = [r for r in example.regions if r[0] == WEIGHTS][k]
        region[2] = edit(region[2])
    return function


def with_byte(data, at, value):
    at %= len(data)
    return data[:at] + bytes([value]) + data[at + 1:]


def entry(i, field):
    return 64 + 32 * i + field


def last_weights_padding(data):
    """The byte before the last region is padding in this example."""
    count = struct.unpack_from("<I", data, 24)[0]
    offset = struct.unpack_from("<Q", data, entry(count - 1, 8))[0]
    before = struct.unpack_from("<QQ", data, entry(count - 2, 8))
    assert sum(before) < offset
    data[offset - 1] = 1


def first_tensor(encoding, **settings):
    return next(k for k, t in enumerate(Example(**settings).tensors) if t[0] == encoding)


def tensor_lie(encoding, field, value, **settings):
    return poke(TENSORS, 32 * first_tensor(encoding, **settings) + field, value, **settings)


def swap_pieces(example, one, other):
    """Writes one piece's bytes over another of the same size."""
    region = example.region(PIECES)
    at = sum(map(len, example.piece_list[:example.piece_list.index(other)]))
    region[2] = region[2][:at] + one + region[2][at + len(other):]


def before_weights(*regions):
    """Puts regions between the tables and the weights."""
    def function(example):
        at = next(k for k, region in enumerate(example.regions) if region[0] == WEIGHTS)
        example.regions[at:at] = [list(region) for region in regions]
    return function


def damaged_later():
    """A checksum that is wrong, of a region that no reader knows."""
    example = Example()
    before_weights([40, 64, b"for later"])(example)
    return example.image().replace(b"for later", b"for latex")


def part_lie(field, value, **settings):
    """A file in which a u32 of the first corrected matrix is changed; value is a number, or makes one of an Example."""
    k = first_tensor(13, **settings)
    def function(example):
        weights(k, lambda d: set32(d, field, value(example) if callable(value) else value))(example)
    return change(function, **settings)


def ranked(size, **settings):
    """A file whose first corrected matrix has parts of this rank."""
    def function(example):
        k = first_tensor(13, **settings)
        rows, columns = example.real[k].shape
        down, up = example.matrix(size, columns), example.matrix(rows, size)
        example.bodies[k] = example.bodies[k][:4] + struct.pack("<3I", down, up, 16)
        example.regions = example.make_regions()
    return change(function, **settings)


def unused(rows, columns, **settings):
    """A file with one more matrix, that no part has."""
    def function(example):
        example.matrix(rows, columns)
        example.regions = example.make_regions()
    return change(function, **settings)


def level(k, value, bits):
    """A file whose first matrix, of groups, has this level."""
    return change(weights(0, lambda d: with_byte(d, k - 2**bits, value % 256)), encodings=(bits + 4,))


def set_bits(at, value):
    """Sets bits of a byte of the first matrix."""
    return weights(0, lambda d: with_byte(d, at, d[at] | value))


def other_digits(at, kept):
    """Changes a byte of five ternary digits, but not the first of them."""
    digits = lambda v: [v * 3**k % 256 * 3 >> 8 for k in range(5)]
    def edit(data):
        old = digits(data[at])
        return with_byte(data, at, next(v for v in range(256) if digits(v)[:kept] == old[:kept] and digits(v)[kept:] != old[kept:]))
    return weights(0, edit)
