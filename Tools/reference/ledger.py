"""stlm-1, section 11: what the packer measured. Nothing else reads it."""

import struct
from dataclasses import dataclass

from refusal import require

NAMES = ("verification_context", "float_cost", "cost", "cost_int8_keys_values", "cost_int4_values", "row_count", "divergence",
         "agreement_count")
SUMS = ("float_cost", "cost", "cost_int8_keys_values", "cost_int4_values", "divergence")


@dataclass
class Ledger:
    options: str
    calibration_text: str          # "" if there was none
    calibration_byte_count: int
    calibration_count: int
    verification_text: str         # likewise
    verification_byte_count: int
    verification_count: int
    measured: dict                 # by NAMES
    tensor_errors: list            # (error, divergence) of each tensor


def read_ledger(record, errors, tensors, text_at):
    """The two regions' bytes, both empty where the file has no ledger; text_at(offset, size, what) reads from the text region."""
    require(bool(record) == bool(errors), "there is a ledger without tensor errors, or they without it")
    if not record:
        return None
    texts, counts = {}, {}
    for at, name in ((0, "options"), (8, "calibration_text"), (32, "verification_text")):
        offset, size = struct.unpack_from("<II", record, at)
        require(size or name != "options", "ledger: options are empty")
        require(size or not offset, f"ledger: {name} is {offset}, 0 and not 0, 0")
        texts[name] = text_at(offset, size, f"ledger: {name}")
    for at, name in ((16, "calibration_byte_count"), (24, "calibration_count"), (40, "verification_byte_count"), (48, "verification_count")):
        counts[name] = struct.unpack_from("<Q", record, at)[0]
    measured = dict(zip(NAMES, struct.unpack_from("<8Q", record, 56)))
    require((counts["verification_count"] == 0) == (struct.unpack_from("<I", record, 36)[0] == 0),
            f"ledger: verification_text {texts['verification_text']!r} with verification_count {counts['verification_count']}")
    for name, value in measured.items():
        require(counts["verification_count"] or not value, f"ledger: {name} {value} though nothing was measured")
    for name in SUMS:
        require(measured[name] < 2**62, f"ledger: {name} {measured[name]} is not below 2^62")
    require(measured["agreement_count"] <= measured["row_count"],
            f"ledger: agreement_count {measured['agreement_count']} of {measured['row_count']} rows")
    require(not any(record[120:]), "ledger: reserved bytes are not zero")
    return Ledger(**texts, **counts, measured=measured, tensor_errors=read_errors(errors, tensors))


def read_errors(table, tensors):
    require(len(table) == 8 * len(tensors), f"tensor errors: {len(table)} bytes for {len(tensors)} tensors")
    pairs = list(struct.iter_unpack("<II", table))
    for tensor, (error, divergence) in zip(tensors, pairs):
        require(tensor.is_matrix or tensor.encoding == 13 or error == divergence == 0,
                f"tensor errors: tensor {tensor.index} of encoding {tensor.encoding}, neither a matrix nor corrected, has {error}, {divergence}")
    return pairs
