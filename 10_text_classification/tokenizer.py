"""From text to tokens, and from tokens to ids, the numbers that a network reads."""

import re
import unicodedata
from collections import Counter


def refine(text):
    """Make texts equal that mean the same, such as ㅋㅋㅋㅋㅋㅋ and ㅋㅋ.

    Three or more equal characters become two, each character gets its composed form,
    and white space and control characters become one space.
    """
    text = unicodedata.normalize('NFC', text)
    text = re.sub(r'[\s\x00-\x1f\x7f]+', ' ', text).strip()
    return re.sub(r'(.)\1{2,}', r'\1\1', text)


class Tokenizer:
    """Splits texts into tokens.

    Arguments:
        kind: one of the choices of --tokenizer.
    """

    def __init__(self, kind):
        self.state = {'kind': kind}
        if kind == 'kiwi':
            import kiwipiepy

            self.kiwi = kiwipiepy.Kiwi()
            self.state['version'] = kiwipiepy.__version__

    def tokenize(self, texts):
        """Yield the tokens of each text, a list of strings.

        Kiwi splits Korean into morphemes: 재밌었다 becomes 재밌 었 다. In characters, a
        space is a token too.
        """
        texts = map(refine, texts)
        if self.state['kind'] == 'kiwi':
            for morphemes in self.kiwi.tokenize(texts):
                yield [morpheme.form for morpheme in morphemes]
        else:
            split = {'space': str.split, 'character': list}[self.state['kind']]
            yield from map(split, texts)

    def state_dict(self):
        """Return plain data, from which load_tokenizer() makes the tokenizer again."""
        return self.state


def get_vocabulary(words, min_freq=1, specials=()):
    """Return words in the order of their ids: the most frequent ones first.

    Words with the same count are in the order of Unicode, so that the ids do not depend
    on the order of the lines.
    """
    counts = Counter(words)
    frequent = [word for word in counts if counts[word] >= min_freq]
    frequent.sort(key=lambda word: (-counts[word], word))
    return [*specials, *(word for word in frequent if word not in specials)]


class Vocabulary:
    """The id of each token: its index in a list.

    Arguments:
        tokens: a list of different strings.
        pad: the token that fills short texts up to the length of the longest one.
        unknown: the token that replaces all tokens that are not in the list.
    """

    def __init__(self, tokens, pad='<pad>', unknown='<unk>'):
        self.tokens, self.pad, self.unknown = tokens, pad, unknown
        self.ids = {token: i for i, token in enumerate(tokens)}
        self.pad_id, self.unknown_id = self.ids[pad], self.ids[unknown]

    def __len__(self):
        return len(self.tokens)

    def encode(self, tokens):
        """Return the ids of tokens; an empty text becomes one unknown token."""
        return [self.ids.get(token, self.unknown_id) for token in tokens or ['']]

    def state_dict(self):
        """Return plain data: Vocabulary(**state) makes the vocabulary again."""
        return {'tokens': self.tokens, 'pad': self.pad, 'unknown': self.unknown}
