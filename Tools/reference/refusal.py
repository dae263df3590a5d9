"""One way to say no: a plain sentence."""


class Refused(Exception):
    """The input breaks a rule; the message is one sentence for the user."""


def require(condition, sentence):
    if not condition:
        raise Refused(sentence)
