"""Each README in English has one in Korean that says the same.

What a machine can compare is compared, section by section: headings, commands, tables,
figures, links and numbers. A failure names the section.
"""

import re
from collections import Counter
from itertools import zip_longest
from typing import NamedTuple

import pytest
from chapters import ROOT, all_chapters

FOLDERS = ['.', 'exercises', *all_chapters()]
FENCE = re.compile(r'^```(\w*)\n(.*?)^```$', re.MULTILINE | re.DOTALL)
# An indented block, as in the root README.
INDENTED = re.compile(r'(?<=\n\n)(?: {4}.*\n)+')
SHELL_COMMENT = re.compile(r'(?:^|\s+)#(?: .*|)$', re.MULTILINE)
INLINE_CODE = re.compile(r'`[^`\n]+`')
LINK = re.compile(r'(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)')
URL = re.compile(r'<?https?://\S+')
NUMBER = re.compile(r'(?<![\w.])\d+(?:,\d{3})*(?:\.\d+)?(?![\w]*_)')
HANGUL = re.compile('[가-힣]')
# Numbers that English writes as words, and Korean may write in digits.
WORDS = dict.fromkeys(['a', 'an', 'one', 'once', 'first', 'single', 'each', 'per'], '1')
WORDS |= dict.fromkeys(['two', 'twice', 'second', 'both', 'double', 'half'], '2')
WORDS |= dict.fromkeys(['three', 'third'], '3') | {'four': '4', 'fourth': '4'}
WORDS |= {'zero': '0', 'five': '5', 'fifth': '5', 'six': '6', 'seven': '7'}
WORDS |= {'eight': '8', 'nine': '9', 'ten': '10', 'eleven': '11', 'twelve': '12'}
WORDS |= {'fourteen': '14', 'twenty': '20', 'tenth': '10'}


class Section(NamedTuple):
    """What a section contains that is the same in all languages."""

    heading: str
    level: int
    commands: list  # the text of each block of code, comments left out
    tables: list  # the first cell of each row if it is code, and the number of cells
    figures: list
    links: list
    numbers: Counter
    words: set  # numbers that are written as words


def read_table_rows(text):
    """Return each row of each table: its first cell, if that is code, and its width."""
    rows = []
    for line in text.splitlines():
        if line.startswith('|'):
            cells = [c.strip() for c in re.split(r'(?<!\\)\|', line.strip('|'))]
            is_code = INLINE_CODE.fullmatch(cells[0])
            rows.append((cells[0] if is_code else '', len(cells)))
    return rows


def get_target(target):
    """Return the target of a link without the language and the name of a section."""
    return target.replace('README.ko.md', 'README.md').split('#')[0]


def make_section(heading, level, blocks, text):
    """Return the Section of a piece of Markdown whose blocks of code are taken out."""
    links = [m for m in LINK.findall(text) if not is_switch(m)]
    plain = URL.sub('', LINK.sub(r' \2 ', INLINE_CODE.sub(' ', text)))
    return Section(
        heading,
        level,
        [SHELL_COMMENT.sub('', block) for block in blocks],
        read_table_rows(text),
        [target for mark, _, target in links if mark],
        sorted(get_target(target) for mark, _, target in links if not mark),
        Counter(NUMBER.findall(plain)),
        {WORDS[w] for w in re.findall(r'[a-z]+', plain.lower()) if w in WORDS},
    )


def is_switch(link):
    """Return whether a link only leads to the same page in the other language."""
    return link[1] in ('English', '한국어')


def read_sections(fn):
    """Return the Sections of a README, the one before the first heading included."""
    text = fn.read_text(encoding='utf-8')
    blocks = []

    def take_out(match):
        blocks.append(match[0])
        return f'\0{len(blocks) - 1}\0\n'

    text = INDENTED.sub(take_out, FENCE.sub(take_out, text))
    parts = re.split(r'^(#+) (.*)$', text, flags=re.MULTILINE)
    sections = []
    for i in range(1, len(parts), 3):
        level, heading, body = parts[i : i + 3]
        own = [blocks[int(number)] for number in re.findall('\0(\\d+)\0', body)]
        body = re.sub('\0\\d+\0', '', body)
        sections.append(make_section(heading, len(level), own, f'{heading}\n{body}'))
    return sections


def compare(english, korean):
    """Yield what differs between a section and its translation, in words."""
    if english.level != korean.level:
        yield f'a heading of level {korean.level}, expected {english.level}'
    for name in ('commands', 'tables', 'figures', 'links'):
        pairs = zip_longest(getattr(english, name), getattr(korean, name))
        for ours, theirs in pairs:
            if ours != theirs:
                yield f'{name}: expected {ours!r}, found {theirs!r}'
                break
    missing = set(english.numbers) - set(korean.numbers)
    if missing:
        yield f'numbers: {sorted(missing)} are missing'
    unknown = set(korean.numbers) - set(english.numbers) - english.words
    if unknown:
        yield f'numbers: {sorted(unknown)} are not in the English text'


@pytest.mark.parametrize('folder', FOLDERS)
def test_both_languages_say_the_same(folder):
    english = read_sections(ROOT / folder / 'README.md')
    korean = read_sections(ROOT / folder / 'README.ko.md')
    faults = []
    for ours, theirs in zip_longest(english, korean):
        if ours is None or theirs is None:
            only = ours or theirs
            faults.append(f'{only.heading}: only in one language')
            break
        names = f'{ours.heading} / {theirs.heading}'
        faults += [f'{names}: {fault}' for fault in compare(ours, theirs)]
    assert not faults, '\n'.join(faults)


@pytest.mark.parametrize('folder', FOLDERS)
def test_the_pages_lead_to_each_other(folder):
    english = (ROOT / folder / 'README.md').read_text(encoding='utf-8')
    korean = (ROOT / folder / 'README.ko.md').read_text(encoding='utf-8')
    assert '[한국어](README.ko.md)' in english
    assert '[English](README.md)' in korean


@pytest.mark.parametrize('folder', FOLDERS)
def test_each_paragraph_is_translated(folder):
    """A paragraph of some length without a Korean letter was forgotten."""
    text = (ROOT / folder / 'README.ko.md').read_text(encoding='utf-8')
    text = INDENTED.sub('', FENCE.sub('', text))
    for paragraph in re.split(r'\n\s*\n', text):
        prose = URL.sub('', INLINE_CODE.sub('', paragraph))
        is_source = 'https://' in paragraph
        n_words = len(re.findall('[A-Za-z]{2,}', prose))
        assert is_source or n_words < 12 or HANGUL.search(prose), paragraph


ENGLISH = """# A title

One [page](a/README.md) with 96.6 % of 1,797.

## Use it

```sh
python train.py  # trains
```

| option | default |
| --- | --- |
| `--lr` | 0.1 |

![A figure](figure.png)
"""
KOREAN = """# 제목

[페이지](a/README.ko.md) 1개, 1,797개의 96.6 %.

## 사용하기

```sh
python train.py  # 학습
```

| 옵션 | 기본값 |
| --- | --- |
| `--lr` | 0.1 |

![그림](figure.png)
"""


def find_faults(folder, korean):
    """Return what compare() finds between ENGLISH and a translation of it."""
    sections = []
    for name, text in (('README.md', ENGLISH), ('README.ko.md', korean)):
        (folder / name).write_text(text, encoding='utf-8')
        sections.append(read_sections(folder / name))
    assert len(sections[0]) == len(sections[1])
    return [fault for pair in zip(*sections, strict=True) for fault in compare(*pair)]


def test_a_faithful_translation_has_no_faults(tmp_path):
    assert find_faults(tmp_path, KOREAN) == []


@pytest.mark.parametrize(
    ('old', 'new', 'word'),
    [
        ('96.6', '96.5', 'numbers'),
        ('1,797개의', '모두의', 'numbers'),
        ('## 사용하기', '### 사용하기', 'level'),
        ('train.py ', 'train.py --lr 1 ', 'commands'),
        ('| `--lr` | 0.1 |\n', '', 'tables'),
        ('`--lr`', '`--l`', 'tables'),
        ('figure.png', 'other.png', 'figures'),
        ('a/README', 'b/README', 'links'),
    ],
)
def test_a_change_in_one_language_is_a_fault(tmp_path, old, new, word):
    assert any(
        word in fault for fault in find_faults(tmp_path, KOREAN.replace(old, new))
    )
