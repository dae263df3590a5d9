"""grammar-1 and arithmetic-1, section 7.1: a grammar, and what it allows to be drawn, found by trying every token and symbol."""

import re

from model import BYTE_DECODER, BYTES, PAD
from refusal import require

TOKEN = re.compile(r"""(?P<space>[ \t]+|\#[^\n]*)|(?P<line>[\r\n])|(?P<define>::=)|(?P<literal>"(?:[^"\\\n]|\\.)*")|(?P<class>\[\^?(?:[^\]\\\n]|\\.)*\])"""
                   r"""|(?P<repeat>[*+?]|\{[ \t]*\d+[ \t]*(?:,[ \t]*\d*[ \t]*)?\})|(?P<name>[A-Za-z0-9-]+)|(?P<mark>[()|.])""")
CHARACTER = re.compile(r"""\\x([0-9A-Fa-f]{2})|\\u([0-9A-Fa-f]{4})|\\U([0-9A-Fa-f]{8})|\\([nrt\\"\[\]])|([^\\])""", re.DOTALL)
ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}


def characters(text):
    found, at = [], 0
    while at < len(text):
        match = CHARACTER.match(text, at)
        require(match, f"grammar: {text} has an unknown escape")
        digits = match[1] or match[2] or match[3]
        found.append((chr(int(digits, 16)) if digits else ESCAPES.get(match[4], match[4]) or match[5], match[0]))
        at = match.end()
    return found


def ranges_of(inside):
    """[low, high] of each part of a class."""
    found, ranges, k = characters(inside), [], 0
    while k < len(found):
        low = high = ord(found[k][0])
        if k + 2 < len(found) and found[k + 1][1] == "-":
            high, k = ord(found[k + 2][0]), k + 2
        require(low <= high, f"grammar: a range of [{inside}] runs backwards")
        ranges.append((low, high))
        k += 1
    return ranges


class Grammar:
    """A tree of tuples: ("set", ranges, negated), ("all", parts), ("one", parts), ("repeat", part, least, most)."""

    def __init__(self, text, is_list=False):
        text = text.decode("utf-8")
        if is_list:
            lines = [line.removesuffix("\r") for line in text.split("\n")]
            self.root = ("one", [self.literal(line) for line in lines if line])
            require(self.root[1], "grammar: there is no text to choose")
            return
        self.tokens, at = [], 0
        while at < len(text):
            match = TOKEN.match(text, at)
            require(match, f"grammar: nothing begins as {text[at:at + 10]!r}")
            if match.lastgroup != "space":
                self.tokens.append((match.lastgroup, match[0]))
            at = match.end()
        self.at, self.rules = 0, {}
        self.skip_lines()
        while self.peek()[0] == "name":
            name = self.next()[1]
            require(self.next()[0] == "define" and name not in self.rules, f"grammar: rule {name}")
            self.skip_lines()
            self.rules[name] = self.alternatives(False)
            self.skip_lines()
        require(self.peek()[0] is None and "root" in self.rules, "grammar: it does not end with its rules, or has no root")
        self.root = self.resolved(self.rules["root"], ("root",))

    @staticmethod
    def literal(text):
        return ("all", [("set", [(ord(c), ord(c))], False) for c in text])

    def peek(self):
        return self.tokens[self.at] if self.at < len(self.tokens) else (None, "")

    def next(self):
        self.at += 1
        return self.tokens[self.at - 1] if self.at <= len(self.tokens) else (None, "")

    def skip_lines(self):
        while self.peek()[0] == "line":
            self.at += 1

    def alternatives(self, nested):
        parts = [self.sequence(nested)]
        while self.peek()[1] == "|":
            self.next()
            self.skip_lines()
            parts.append(self.sequence(nested))
        return ("one", parts)

    def sequence(self, nested):
        parts = []
        while True:
            if nested:
                self.skip_lines()
            kind, text = self.peek()
            if kind not in ("literal", "class", "name") and text not in ("(", "."):
                return ("all", parts)
            self.next()
            if kind == "literal":
                item = self.literal("".join(c for c, _ in characters(text[1:-1])))
            elif kind == "class":
                negated = text[1] == "^"
                item = ("set", ranges_of(text[2 if negated else 1:-1]), negated)
            elif kind == "name":
                item = ("rule", text)
            elif text == ".":
                item = ("set", [], True)
            else:
                self.skip_lines()
                item = self.alternatives(True)
                require(self.next()[1] == ")", "grammar: a group is not closed")
            if nested:
                self.skip_lines()
            if self.peek()[0] == "repeat":
                item = ("repeat", item, *self.counts(self.next()[1]))
            parts.append(item)

    @staticmethod
    def counts(text):
        if text in "*+?":
            return {"*": (0, None), "+": (1, None), "?": (0, 1)}[text]
        numbers = [number.strip() for number in text[1:-1].split(",")]
        return int(numbers[0]), None if numbers[-1] == "" else int(numbers[-1])

    def resolved(self, node, names):
        kind = node[0]
        if kind == "rule":
            require(node[1] in self.rules and node[1] not in names, f"grammar: rule {node[1]} is missing or leads back to itself")
            return self.resolved(self.rules[node[1]], names + (node[1],))
        if kind in ("one", "all"):
            return (kind, [self.resolved(part, names) for part in node[1]])
        return ("repeat", self.resolved(node[1], names), *node[2:]) if kind == "repeat" else node

    # Matching: the rests of the tree after a character (Brzozowski 1964), as tuples of what is to follow.

    def starts(self):
        return {(self.freeze(self.root), None)}

    def freeze(self, node):
        return tuple(self.freeze(part) for part in node) if isinstance(node, (tuple, list)) else node

    def opened(self, rests):
        """(sets that may come next with what follows them, whether it may end)"""
        seen, stack, sets, ends = set(), list(rests), [], False
        while stack:
            rest = stack.pop()
            if rest in seen:
                continue
            seen.add(rest)
            if rest is None:
                ends = True
                continue
            node, then = rest
            if node[0] == "set":
                sets.append((node, then))
            elif node[0] == "all":
                for part in reversed(node[1]):
                    then = (part, then)
                stack.append(then)
            elif node[0] == "one":
                stack += [(part, then) for part in node[1]]
            else:
                _, part, least, most = node
                if least == 0:
                    stack.append(then)
                if most != 0:
                    again = ("repeat", part, max(0, least - 1), None if most is None else most - 1)
                    stack.append((part, (again, then)))
        return sets, ends

    def after(self, rests, character):
        def takes(node):
            return any(low <= ord(character) <= high for low, high in node[1]) != node[2]
        return {then for node, then in self.opened(rests)[0] if takes(node)}


def takes_between(node, low, high):
    """Whether a set has a character from one to another, none of which is a surrogate."""
    _, ranges, negated = node
    if not negated:
        return any(a <= high and b >= low for a, b in ranges)
    return any(low <= c <= high and not any(a <= c <= b for a, b in ranges) for c in [low] + [b + 1 for _, b in ranges])


class Constrained:
    """What may be drawn, and what was."""

    def __init__(self, grammar, model, allows_end):
        self.grammar, self.model, self.allows_end = grammar, model, allows_end
        self.rests, self.partial = grammar.starts(), b""
        self.part = "bytes"

    def state(self, data):
        """The rests and bytes of a character that has begun, after some more bytes; None if they are not allowed."""
        rests, partial = self.rests, self.partial
        for k in range(len(data)):
            partial += data[k:k + 1]
            size = 1 if partial[0] < 0x80 else 2 if partial[0] < 0xE0 else 3 if partial[0] < 0xF0 else 4
            if len(partial) == size:
                try:
                    rests, partial = self.grammar.after(rests, partial.decode("utf-8")), b""
                except UnicodeDecodeError:
                    return None
                if not rests:
                    return None
            else:
                found = bounds(partial, size)
                if found is None or not any(takes_between(node, *found) for node, _ in self.grammar.opened(rests)[0]):
                    return None
        return rests, partial

    @property
    def is_accepting(self):
        return not self.partial and self.grammar.opened(self.rests)[1]

    @property
    def is_complete(self):
        return self.is_accepting and not self.grammar.opened(self.rests)[0]

    def allowed(self):
        m, end = self.model, self.allows_end and self.is_accepting
        if not m.bytes_out:
            return [token for token in range(m.vocabulary_size)
                    if (end if token in m.end_tokens else token != m.bos and (data := m.tokenizer.bytes_of([token])) and self.state(data) is not None)]
        if self.part == "end":
            return [m.end_block[self.slot]]
        if self.part == "pads":
            return [PAD]
        symbols = [symbol for symbol in range(BYTES) if self.state(bytes([symbol])) is not None]
        if self.slot > 0:
            return symbols + [PAD]
        return symbols + [m.end_block[0]] * bool(end and m.end_block[0] >= PAD and self.draws_end)

    @property
    def draws_end(self):
        """A byte decoder closes a block with its first symbol that is no byte."""
        return self.model.head.kind != BYTE_DECODER or all(symbol == PAD for symbol in self.model.end_block[1:])

    def begin_block(self):
        self.part, self.slot = "bytes", 0

    def take(self, drawn):
        m = self.model
        if not m.bytes_out:
            if drawn not in m.end_tokens:
                self.rests, self.partial = self.state(m.tokenizer.bytes_of([drawn]))
            return
        if self.part == "bytes":
            if drawn < BYTES:
                self.rests, self.partial = self.state(bytes([drawn]))
            else:
                self.part = "end" if self.slot == 0 else "pads"
        self.slot += 1


def bounds(partial, size):
    """The first and the last character whose UTF-8 begins so, or None."""
    def decoded(low, high):
        for byte in low:
            try:
                return ord((partial + bytes([byte]) + bytes([high]) * (size - len(partial) - 1)).decode("utf-8"))
            except UnicodeDecodeError:
                pass
        return None
    low, high = decoded(range(0x80, 0xC0), 0x80), decoded(range(0xBF, 0x7F, -1), 0xBF)
    return None if low is None or high is None else (low, high)
