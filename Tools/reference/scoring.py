"""arithmetic-1, section 9: what a text costs in bits, over windows of inputs."""

from arithmetic import LOG2E_Q40, exp2n, exponentials, log2q, shifted_product

WHITE_SPACE = b" \t\n\v\f\r"


def cost(logits, fraction_bits, target):
    """Bits of the target in units of 2^-24."""
    difference = logits.max() - logits
    total = int(exponentials(shifted_product(difference, LOG2E_Q40, 16 + fraction_bits)).sum())
    own = int(shifted_product(difference[target:target + 1], LOG2E_Q40, 16 + fraction_bits)[0])
    return log2q(total) - (30 << 24) + own


def windows(tokens, bos, size, first=None):
    """Pairs of inputs and targets. With bos every window starts from it and every token is scored. Without it windows
    overlap by one token, and the first token is scored only if there is a first input to score it from."""
    if bos is None and first is not None:
        tokens = [first] + tokens
    at = 0 if bos is not None else 1
    while at < len(tokens):
        targets = tokens[at:at + size]
        yield [tokens[at - 1] if bos is None else bos] + targets[:-1], targets
        at += len(targets)


def parts(text, separator):
    """What stands between separators, without white space around it; empty parts are left out."""
    return [part for part in (piece.strip(WHITE_SPACE) for piece in text.split(separator)) if part]


def score(forward, tokens, size, first=None):
    """Number of scored tokens and the exact sum of their costs."""
    model = forward.model
    count = total = 0
    for inputs, targets in windows(tokens, model.bos, size, first):
        forward.reset()
        for row, target in zip(forward.logits(inputs), targets):
            total += cost(row, model.logit_fraction_bits, target)
            count += 1
    return count, total


def decimal(numerator, denominator, places=6):
    """A quotient as text, rounded half up."""
    n = (numerator * 10**places * 2 + denominator) // (2 * denominator)
    return f"{n // 10**places}.{n % 10**places:0{places}d}"


def perplexity(total, count):
    """2^(total / count) as a numerator over 2^30."""
    M = total // count
    return 2 * int(exp2n(2**24 - M % 2**24)) << (M >> 24)
