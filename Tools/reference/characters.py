"""stlm-1, sections 8.8 to 8.10: characters, their classes, and the places where a text is cut."""

import bisect
import os
from functools import lru_cache

LETTER, NUMBER, WHITE, OTHER = "LNWO"
SPACE = b" "
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CONTRACTIONS = tuple(b"'" + tail for tail in (b"s", b"t", b"re", b"ve", b"m", b"ll", b"d"))


# 8.8

@lru_cache(maxsize=None)
def ranges():
    """First and last code points and classes, ascending."""
    with open(os.path.join(ROOT, "Formats", "character-classes.txt"), encoding="ascii") as file:
        rows = [line.split() for line in file if not line.startswith("#")]
    return [int(row[1], 16) for row in rows], [int(row[2], 16) for row in rows], [row[0] for row in rows]


def class_of(code_point):
    firsts, lasts, classes = ranges()
    k = bisect.bisect_right(firsts, code_point) - 1
    return classes[k] if k >= 0 and code_point <= lasts[k] else OTHER


def character_size(text, at):
    """Bytes of the well-formed UTF-8 character at this place, or 0."""
    for size in range(1, 5):
        try:
            text[at:at + size].decode("utf-8")
            return size
        except UnicodeDecodeError:
            pass
    return 0


def character(text, at):
    """Size and class of the character that begins at this place of a text, before its end."""
    size = character_size(text, at)
    return (size, class_of(ord(text[at:at + size].decode("utf-8")))) if size else (1, OTHER)


def run(text, at, limit):
    """Where the characters of the run that begins here begin, and its end. What is past the limit may be left out."""
    kind, marks = character(text, at)[1], [at]
    while marks[-1] < min(len(text), limit) and character(text, marks[-1])[1] == kind:
        marks.append(marks[-1] + character(text, marks[-1])[0])
    return marks


def is_white(text, at):
    return character(text, at)[1] == WHITE


def leading_space(text, at):
    """1 if here is a space before a character that is not white, else 0."""
    return int(text.startswith(SPACE, at) and at + 1 < len(text) and not is_white(text, at + 1))


# 8.9

def end_of_piece(text, at):
    """Where the piece ends that begins at this place, by GPT-2's rule."""
    if text.startswith(CONTRACTIONS, at):
        return at + max(len(c) for c in CONTRACTIONS if text.startswith(c, at))
    marks = run(text, at + leading_space(text, at), len(text))
    if not is_white(text, marks[0]) or marks[-1] == len(text):
        return marks[-1]
    return marks[-2] if len(marks) > 2 else marks[-1]


# 8.10

def end_of_word(text, at, size):
    """Where the word ends that begins at this place, of at most size bytes."""
    space = leading_space(text, at)
    marks = [at] * space + run(text, at + space, at + size + 1)
    if text.startswith(SPACE, marks[-2]) and marks[-1] < len(text):  # a space that begins the next word
        marks.pop()
    fitting = [mark for mark in marks[1:] if mark - at <= size]
    return fitting[-1] if fitting else at + size


def cut(text, end_of):
    """The text in pieces, given where the one ends that begins at a place."""
    at = 0
    while at < len(text):
        end = end_of(text, at)
        yield text[at:end]
        at = end
