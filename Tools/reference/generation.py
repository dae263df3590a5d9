"""arithmetic-1, section 10: sequences, sliding, and where a generation ends."""

from forward import Forward
from refusal import require
from sampling import SplitMix, sample


class Session:
    """Tokens fed at the positions of one context, and all that were fed or drawn since it began."""

    def __init__(self, model, context, slide, seed):
        require(1 <= context <= model.context_maximum, f"context {context} is not in 1 ... {model.context_maximum}")
        self.model, self.context, self.slide = model, context, slide
        self.forward, self.random = Forward(model), SplitMix(seed)
        self.window, self.history, self.logits = [], [], None

    def begin(self, ids):
        require(ids, "there is no token to begin with")
        if len(ids) > self.context:
            require(self.slide, f"the prompt's {len(ids)} tokens are more than the context of {self.context}")
            ids = self.last(ids, self.context)
        self.history = list(ids)
        self.feed(ids)

    def feed(self, ids):
        self.window += ids
        self.logits = self.forward.logits(ids if self.model.causal else self.window)[-1]

    def draw(self, settings):
        token = sample(self.logits, self.model.logit_fraction_bits, settings, self.history, self.random)
        self.history.append(token)
        return token

    def last(self, tokens, count):
        """The last tokens, the first of them replaced by bos_token where the model has one."""
        kept = tokens[len(tokens) - count:]
        return kept if self.model.bos is None or not kept else [self.model.bos] + kept[1:]

    def go_on(self, token):
        """Feeds a drawn token; False if the context is full. What sliding feeds anew is not drawn or begun anew:
        the history stays as it is."""
        if len(self.window) < self.context:
            self.feed([token])
        elif not self.slide:
            return False
        else:
            kept = self.last(self.window, self.context // 2)
            self.window = []
            self.forward.reset()
            self.feed(kept + [token])
        return True


def first_stop(text, stops):
    """Where the stop string begins that is the first to be complete, or None; of several at once the longest."""
    found = [(at + len(stop), at) for stop in stops if (at := text.find(stop)) >= 0]
    return min(found)[1] if found else None


def generate(model, ids, settings, count, seed=0, context=None, slide=False, ignore_end=False, stops=()):
    """Up to count drawn tokens after ids and, where the model has a tokenizer, the bytes they stand for. Without stop
    strings the bytes are those of all the tokens, with one they end before it."""
    session = Session(model, model.context_default if context is None else context, slide, seed)
    session.begin(list(ids))
    made, text = [], b""
    while len(made) < count:
        token = session.draw(settings)
        if token in model.end_tokens and not ignore_end:
            break
        made.append(token)
        if model.tokenizer:
            text += model.tokenizer.bytes_of([token])
        end = first_stop(text, stops)
        if end is not None:
            return made, text[:end]
        if len(made) < count and not session.go_on(token):
            break
    return made, text
