"""arithmetic-1, section 10: sequences, sliding, and where a generation ends."""

import codecs

from constraint import Constrained
from forward import Forward
from model import BYTES
from refusal import require
from sampling import SplitMix, sample
from tokenizer import bytes_of_block


class Session:
    """Tokens or blocks fed at the positions of one context, and all tokens or bytes that were fed or drawn since it began."""

    def __init__(self, model, context, slide, seed, kv="int16", keep=None):
        require(1 <= context <= model.context_maximum, f"context {context} is not in 1 ... {model.context_maximum}")
        require(model.bytes_in == model.bytes_out, "the model's input and output are not of one kind: it cannot go on from what it makes")
        self.model, self.context, self.slide = model, context, slide
        self.kept = min(1, context - 1) if keep is None else keep
        require(0 <= self.kept < context, f"of a context of {context} there cannot be kept {keep}")
        self.forward, self.random = Forward(model, kv), SplitMix(seed)
        self.window, self.history, self.result = [], [], None

    def begin(self, inputs):
        require(inputs, "there is nothing to begin with")
        if len(inputs) > self.context:
            require(self.slide, f"the prompt's {len(inputs)} positions are more than the context of {self.context}")
            inputs = inputs[:self.kept] + inputs[len(inputs) - (self.context - self.kept):]
        for one in inputs:
            self.remember(one if self.model.bytes_in else [one])
        self.feed(inputs)

    def remember(self, drawn):
        """What a penalty is for: of symbols only the bytes."""
        self.history += [i for i in drawn if not self.model.bytes_in or i < BYTES]

    def feed(self, inputs):
        self.window = self.window + inputs
        y, F = self.forward.results(inputs if self.model.causal else self.window)
        self.result = y[-1], F[-1]

    def draw(self, settings, constrained=None):
        def choose(logits):
            allowed = constrained and constrained.allowed()
            chosen = sample(logits, self.model.logit_fraction_bits, settings, self.history, self.random, allowed)
            if constrained:
                constrained.take(chosen)
            self.remember([chosen])
            return chosen
        return self.forward.drawn(self.result, choose)

    def go_on(self, drawn):
        """Feeds what was drawn; False if the context is full. What sliding feeds anew is not drawn or begun anew:
        the history stays as it is."""
        if len(self.window) < self.context:
            self.feed([drawn])
        elif not self.slide:
            return False
        else:
            distance = (self.context - self.kept + 1) // 2
            del self.window[self.kept:self.kept + distance]
            if self.model.causal and not (self.model.embedder.positions and not self.model.bytes_in):
                self.forward.drop(self.kept, distance)
                self.feed([drawn])
            else:
                inputs, self.window = self.window, []
                self.forward.reset()
                self.feed(inputs + [drawn])
        return True


def first_stop(text, stops):
    """Where the stop string begins that is the first to be complete, or None; of several at once the longest."""
    found = [(at + len(stop), at) for stop in stops if (at := text.find(stop)) >= 0]
    return min(found)[1] if found else None


def whole_characters(text):
    """U+FFFD in place of the beginning of a character that text ends in."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    decoder.decode(text)
    beginning = decoder.getstate()[0]
    return text[:len(text) - len(beginning)] + "\uFFFD".encode() if beginning else text


def bytes_of(model, drawn):
    if model.bytes_out:
        return bytes_of_block(drawn)
    return model.tokenizer.bytes_of([drawn]) if model.tokenizer else b""


def generate(model, inputs, settings, count, seed=0, context=None, slide=False, ignore_end=False, stops=(), max_bytes=None,
             kv="int16", keep=None, grammar=None):
    """Up to count drawn tokens or blocks after inputs and, where they stand for bytes, those. Without stop strings and a limit
    the bytes are those of all that was drawn. With a grammar it ends where nothing more is allowed, too."""
    session = Session(model, model.context_default if context is None else context, slide, seed, kv, keep)
    session.begin(list(inputs))
    constrained = Constrained(grammar, model, not ignore_end) if grammar else None
    ends = [model.end_block] if model.bytes_out else model.end_tokens
    made, text = [], b""
    while len(made) < count and not (constrained and constrained.is_complete):
        if constrained:
            constrained.begin_block()
        drawn = session.draw(settings, constrained)
        if drawn in ends and not ignore_end:
            break
        made.append(drawn)
        text = (text + bytes_of(model, drawn))[:max_bytes]
        end = first_stop(text, stops)
        if end is not None:
            return made, text[:end]
        if max_bytes is not None and len(text) == max_bytes:
            return made, whole_characters(text)
        if constrained and constrained.is_complete:
            break
        if len(made) < count and not session.go_on(drawn):
            break
    return made, text
