"""The patterns of the rules are searched for as they are, not as expressions."""

from exercises.edits import swap

chapter = '08_preprocessing'
kind = 'fault'

apply = ('refine.py', 'Rule.apply', 'return ...')
edit = swap(*apply, 'return text.replace(self.pattern.pattern, self.replacement)')
wrong = [
    # Only the first match is replaced.
    swap(*apply, 'return self.pattern.sub(self.replace, text, count=1)'),
    # \1 is two characters, and not a group.
    swap(*apply, 'return self.pattern.sub(lambda match: self.replacement, text)'),
    # A rule that finds the empty string is no longer refused.
    swap(*apply, 'return self.pattern.sub(self.replacement, text)'),
]

# A pattern, its replacement, a text and what becomes of it.
RULES = [
    ('&lt;', '<', 'a &lt;b', 'a <b'),
    (' {2,}', ' ', 'a   b  c', 'a b c'),
    (r'([!?])\1{2,}', r'\1\1', 'a!!!!! b????', 'a!! b??'),
    (r'^ | $', '', ' a b ', 'a b'),
    (r'(?P<n>\d)%', r'\g<n> percent', '5% 6%', '5 percent 6 percent'),
]


def check(chapter):
    """Apply some rules, and one that finds the empty string."""
    refine = chapter.refine
    for pattern, replacement, text, expected in RULES:
        found = refine.Rule('rules.tsv, line 1', pattern, replacement).apply(text)
        if found != expected:
            return (
                f'The rule {pattern!r} with the replacement {replacement!r} makes '
                f'{found!r} of {text!r}, expected {expected!r}.',
                f'패턴 {pattern!r}을 {replacement!r}로 바꾸는 규칙이 {text!r}에서 '
                f'{found!r}를 만들어요. {expected!r}이어야 해요.',
            )
    try:
        refine.Rule('rules.tsv, line 1', 'x*', '-')
    except chapter.guards.InputError:
        return None
    return (
        'The pattern x* also finds the empty string: Rule should refuse it, as its '
        'docstring says. Which method of Rule does that?',
        '패턴 x*는 빈 문자열도 찾아요. 독스트링대로 Rule이 거부해야 해요. '
        'Rule의 어느 메서드가 그 일을 하나요?',
    )
