"""arithmetic-1, section 9: what a text costs in bits, over windows of inputs."""

from arithmetic import LOG2E_Q40, exp2n, exponentials, log2q, shifted_product
from forward import open_size
from model import BYTE_DECODER

MOST = 2**63 - 1
LN2_Q64 = 12786308645202655660
WHITE_SPACE = b" \t\n\v\f\r"


def cost(logits, fraction_bits, target):
    """Bits of the target in units of 2^-24."""
    difference = logits.max() - logits
    total = int(exponentials(shifted_product(difference, LOG2E_Q40, 16 + fraction_bits)).sum())
    own = int(shifted_product(difference[target:target + 1], LOG2E_Q40, 16 + fraction_bits)[0])
    return min(MOST, log2q(total) - (30 << 24) + own)


def block_cost(model, logits, block):
    """Of all slots, or of a byte decoder's up to the one that closes the block."""
    size = open_size(block) if model.head.kind == BYTE_DECODER else len(block)
    return sum(cost(row, model.logit_fraction_bits, symbol) for row, symbol in zip(logits[:size], block))


def windows(inputs, targets, bos, size, first=None):
    """Pairs of inputs and targets, given what goes in and what comes out for each piece of a text. With bos every window
    starts from it and every piece is scored. Without it windows overlap by one piece, and the first piece is scored only
    if there is a first input to score it from."""
    if bos is None and first is not None:
        inputs, targets = [first] + inputs, [None] + targets
    at = 0 if bos is not None else 1
    while at < len(targets):
        end = min(at + size, len(targets))
        yield [inputs[at - 1] if bos is None else bos] + inputs[at:end - 1], targets[at:end]
        at = end


def parts(text, separator):
    """What stands between separators, without white space around it; empty parts are left out."""
    return [part for part in (piece.strip(WHITE_SPACE) for piece in text.split(separator)) if part]


def score(forward, inputs, targets, size, first=None):
    """Number of scored tokens or blocks and the sum of their costs."""
    model = forward.model
    count = total = 0
    for given, wanted in windows(inputs, targets, model.bos, size, first):
        total += window_cost(forward, given, wanted)
        count += len(wanted)
    return count, min(MOST, total)


def window_cost(forward, inputs, targets):
    model = forward.model
    forward.reset()
    pairs = zip(forward.logits(inputs, targets), targets)
    if model.bytes_out:
        return sum(block_cost(model, logits, block) for logits, block in pairs)
    return sum(cost(logits, model.logit_fraction_bits, token) for logits, token in pairs)


def option_cost(forward, inputs, targets, size):
    """Multiple choice: the last of the pieces and what ends them, but for the first of these, in one window."""
    model = forward.model
    ends = [model.end_block] if model.bytes_out else model.end_tokens[:1]
    inputs, targets = inputs + [None] * len(ends), targets + ends
    if model.bos is not None:
        inputs, targets = [model.bos] + inputs, [None] + targets
    inputs, targets = inputs[-size:-1], targets[-size:][1:]
    return min(MOST, window_cost(forward, inputs, targets)) if targets else 0


def decimal(numerator, denominator, places=6):
    """A quotient as text, rounded half up."""
    n = (numerator * 10**places * 2 + denominator) // (2 * denominator)
    return f"{n // 10**places}.{n % 10**places:0{places}d}"


def perplexity(total, count):
    """2^(total / count) as a numerator over 2^30."""
    M = total // count
    return 2 * int(exp2n(2**24 - M % 2**24)) << (M >> 24)
