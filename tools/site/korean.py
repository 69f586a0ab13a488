"""Search in Korean, which writes particles without a space: 어텐션을, 어텐션은.

Hangul is indexed by pairs of letters, so that 어텐션 (어텐, 텐션) is found in both. The
browser splits what a reader types in the same way. All else is split into words.
"""

import re

from sphinx.search import SearchLanguage

WORD = re.compile(r'[가-힣]+|[^\W가-힣]+')


def split(text):
    """Return the words of a text, with Hangul as pairs of letters.

    A single letter is a word of its own.
    """
    words = []
    for word in WORD.findall(text):
        if len(word) > 2 and '가' <= word[0] <= '힣':
            words += [word[i : i + 2] for i in range(len(word) - 1)]
        else:
            words.append(word)
    return words


class SearchKorean(SearchLanguage):
    """Korean for the search of Sphinx."""

    lang = 'ko'
    language_name = 'Korean'
    js_splitter_code = r"""
var splitQuery = (query) =>
  (query.match(/[가-힣]+|(?:(?![가-힣])[\p{L}\p{N}_])+/gu) || []).flatMap((word) =>
    word.length > 2 && /[가-힣]/.test(word)
      ? Array.from({ length: word.length - 1 }, (_, i) => word.slice(i, i + 2))
      : [word]);
"""

    def split(self, input):
        """Return the words of a text, as the browser does."""
        return split(input)

    def stem(self, word):
        """Return a word in lower case."""
        return word.lower()
