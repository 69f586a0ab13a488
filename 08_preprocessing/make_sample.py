"""Write the sample: made-up Korean film reviews, for a first try without a download.

    python make_sample.py

writes sample.train.tsv and sample.test.tsv, lines of `label<tab>text`. They are random
combinations of a few words; results on them say nothing about real text.
"""

import random

from guards import get_argparser, number, run, write_file

# Slashes separate the alternatives.
OPENINGS = '///정말 /진짜 /와 /솔직히 /오랜만에 /역시 /아 '
SUBJECTS = (
    '영화가/스토리가/연기가/배우들이/감독이/결말이/음악이/영상이/대사가/전개가/주인공이/반전이/'
    '초반이/마지막 장면이/CG가/OST가'
)
ADVERBS = '/너무 /참 /꽤 /생각보다 /기대보다 /끝까지 /의외로 '
STEMS = {
    1: '재밌/재미있/멋있/좋/감동적이/훌륭하/아름답/신선하/웃기',
    0: '재미없/지루하/아쉽/뻔하/허무하/별로/유치하/실망스럽/답답하',
}
ENDINGS = {
    '하': '했다/했어요/합니다/했음/하네요/하더라/했지만 볼만함/하다',
    '이': '이다/이었다/입니다/이네요/이었음/이더라',
    '답': '답다/다웠다/다웠어요/답네요/다웠음',
    '럽': '럽다/러웠다/러웠어요/럽네요/러웠음',
    '쉽': '쉽다/쉬웠다/쉬웠어요/쉽네요/쉬움',
    '로': '로다/로였다/로예요/로네요/로였음/로',
    '기': '기다/겼다/겼어요/기네요/겼음/기더라',
    '': '다/었다/었어요/습니다/었음/네요/더라/었지만 길다',
}
ADVICE = {
    1: '꼭 보세요/추천합니다/또 보고 싶다/10점 만점/최고의 작품/강추',
    0: '보지 마세요/돈 아깝다/시간 낭비/1점도 아깝다/최악의 작품/비추',
}
TAILS = {
    1: '//./!/!!/~/ ㅎㅎ/ㅋㅋㅋ/ ^^/ 😀/ ♥',
    0: '//./../.../ ㅠㅠ/ㅡㅡ/ ㅜㅜㅜ/;;/ 😡/?',
}


def define_argparser():
    """Return the parser of the command line."""
    p = get_argparser('Write the sample.', has_model=False)

    p.add_argument('--n_train', type=number(int, 1), default=3000, help='lines')
    p.add_argument('--n_test', type=number(int, 1), default=300, help='lines')
    p.add_argument('--seed', type=number(int, 0), default=0, help='random seed')
    return p


def conjugate(stem, choose):
    """Return a stem with an ending that fits."""
    last = stem[-1] if stem[-1] in ENDINGS else ''
    ending = choose(ENDINGS[last])
    if stem == '좋':
        ending = ending.replace('었', '았')
    return stem.removesuffix(last) + ending


def make_review(label, choose):
    """Return a review."""
    subject, adverb = choose(SUBJECTS), choose(ADVERBS)
    predicate = conjugate(choose(STEMS[label]), choose)
    review = f'{choose(OPENINGS)}{subject} {adverb}{predicate}{choose(TAILS[label])}'
    if choose('long/short') == 'long':
        review += f' {choose(ADVICE[label])}{choose(TAILS[label])}'
    return review


def main(config):
    """Write the two files, which have no line in common."""
    chance = random.Random(config.seed)

    def choose(texts):
        return chance.choice(texts.split('/'))

    n_lines = config.n_train + config.n_test
    lines = {}
    while len(lines) < n_lines:
        label = len(lines) % 2
        lines.setdefault(f'{label}\t{make_review(label, choose)}\n')
    lines = list(lines)
    write_file('sample.train.tsv', ''.join(lines[: config.n_train]).encode('utf-8'))
    write_file('sample.test.tsv', ''.join(lines[config.n_train :]).encode('utf-8'))


if __name__ == '__main__':
    run(main, define_argparser())
