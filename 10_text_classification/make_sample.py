"""Write the sample of Korean film reviews of this chapter.

    python make_sample.py

The reviews are generated from sentence patterns, and are called a sample everywhere:
results on them say nothing about real reviews. But no single word decides the label: a
negation reverses a word, the second half of a sentence counts more than the first, and
expectations are disappointed. The test reviews combine patterns, subjects and words in
ways that the training reviews do not.
"""

import random
from pathlib import Path

from guards import get_argparser

# Stem, past, adnominal, future adnominal and quoted form, to be combined with endings:
# 좋 + 지 않았어요, 좋았 + 다, 좋은 + 영화, 좋을 + 줄, 좋다 + 는.
POSITIVE = """
좋 좋았 좋은 좋을 좋다
훌륭하 훌륭했 훌륭한 훌륭할 훌륭하다
재미있 재미있었 재미있는 재미있을 재미있다
감동적이 감동적이었 감동적인 감동적일 감동적이라
탄탄하 탄탄했 탄탄한 탄탄할 탄탄하다
신선하 신선했 신선한 신선할 신선하다
인상적이 인상적이었 인상적인 인상적일 인상적이라
흥미롭 흥미로웠 흥미로운 흥미로울 흥미롭다
아름답 아름다웠 아름다운 아름다울 아름답다
자연스럽 자연스러웠 자연스러운 자연스러울 자연스럽다
뛰어나 뛰어났 뛰어난 뛰어날 뛰어나다
매력적이 매력적이었 매력적인 매력적일 매력적이라
"""
NEGATIVE = """
나쁘 나빴 나쁜 나쁠 나쁘다
지루하 지루했 지루한 지루할 지루하다
뻔하 뻔했 뻔한 뻔할 뻔하다
엉성하 엉성했 엉성한 엉성할 엉성하다
유치하 유치했 유치한 유치할 유치하다
억지스럽 억지스러웠 억지스러운 억지스러울 억지스럽다
허술하 허술했 허술한 허술할 허술하다
어색하 어색했 어색한 어색할 어색하다
식상하 식상했 식상한 식상할 식상하다
답답하 답답했 답답한 답답할 답답하다
실망스럽 실망스러웠 실망스러운 실망스러울 실망스럽다
형편없 형편없었 형편없는 형편없을 형편없다
"""
SUBJECTS = [
    '연기',
    '스토리',
    '영상',
    '음악',
    '연출',
    '결말',
    '대사',
    '배우',
    '캐릭터',
    '반전',
    '액션',
    '전개',
    '분위기',
    '촬영',
]

# A pattern, and whether the label of the review is that of its first word. The particle
# in {topic} and {subject} depends on the final consonant; {other_past} is a word of the
# other label; {end} is an ending of the past.
PATTERNS = [
    ('{topic} {past}{end}', True),
    ('{subject} 정말 {past}{end}', True),
    ('{subject} {present} 영화였{end}', True),
    ('{subject} 이렇게 {present} 영화는 처음이었{end}', True),
    ('{topic} {stem}지 않았{end}', False),
    ('{subject} 그렇게 {stem}지는 않았{end}', False),
    ('{topic} 전혀 {stem}지 않았{end}', False),
    ('{present} 장면이 하나도 없었{end}', False),
    ('{subject} {quoted}고 할 수는 없었{end}', False),
    ('{topic} {past}지만 {topic_2} {other_past}{end}', False),
    ('{topic} {past}는데 갈수록 {other_past}{end}', False),
    ('{subject} {future} 줄 알았는데 {other_past}{end}', False),
    ('{subject} {future} 줄 알았는데 {stem}지 않았{end}', False),
    ('{subject} {quoted}는 평이 많았는데 저한테는 {other_past}{end}', False),
    ('{subject} {present} 것만 빼면 다 {other_past}{end}', False),
    ('{topic} {other_past}지만 {stem}지는 않았{end}', False),
    ('{topic} {stem}지 않았지만 {topic_2} {past}{end}', True),
]
BEGINNINGS = [
    *[''] * 8,
    '친구랑 봤는데 ',
    '극장에서 봤어요. ',
    '감독 이름만 보고 골랐는데 ',
    '주말에 가족과 함께 봤습니다. ',
    '10년 만에 다시 봤는데 ',
    '예고편만 보고 갔는데 ',
    '늦은 밤에 혼자 봤는데 ',
    '솔직히 말해서 ',
]
ENDINGS = ['다', '다', '어요', '습니다', '네요', '음', '거든요', '던데요']
TAILS = [
    *[''] * 4,
    '.',
    '.',
    '..',
    '...',
    '!',
    '!!',
    ' ㅋㅋ',
    ' ㅋㅋㅋㅋ',
    ' ㅠㅠ',
    ' ㅎㅎ',
    '~',
]
TYPOS = [
    ('지 않', '지않'),
    ('지 않', '지 안'),
    ('재미있', '재밌'),
    ('었어요', '었어여'),
    ('했어요', '했어여'),
    ('습니다', '슴다'),
    ('네요', '네여'),
    ('줄 알았는데', '줄알았는데'),
    ('감동적', '감동적 '),
    ('영화', '영와'),
    ('정말', '증말'),
    ('하나도', '한개도'),
    ('할 수는', '할수는'),
]


def has_final_consonant(word):
    """Return whether the last syllable of a Korean word ends in a consonant."""
    return (ord(word[-1]) - ord('가')) % 28 > 0


def topic(noun):
    """Return the noun with its topic particle: 결말은, 연기는."""
    return noun + ('은' if has_final_consonant(noun) else '는')


def subject(noun):
    """Return the noun with its subject particle: 결말이, 연기가."""
    return noun + ('이' if has_final_consonant(noun) else '가')


def make_typos(text, rng):
    """Add typos to some reviews: a usual misspelling, or a missing space."""
    wrong = [(good, bad) for good, bad in TYPOS if good in text]
    if wrong and rng.random() < 0.3:
        text = text.replace(*rng.choice(wrong), 1)
    spaces = [i for i, character in enumerate(text) if character == ' ']
    if spaces and rng.random() < 0.15:
        i = rng.choice(spaces)
        text = text[:i] + text[i + 1 :]
    return text


def make_review(rng):
    """Return the combination of a review, its label (1: good, 0: bad), and its text."""
    pattern, is_same = rng.choice(PATTERNS)
    is_positive = rng.random() < 0.5
    words = [POSITIVE, NEGATIVE] if is_positive else [NEGATIVE, POSITIVE]
    word, other = (rng.choice(lines.strip().split('\n')) for lines in words)
    first, second = rng.sample(SUBJECTS, 2)
    stem, past, present, future, quoted = word.split()
    review = pattern.format(
        topic=topic(first),
        subject=subject(first),
        topic_2=topic(second),
        stem=stem,
        past=past,
        present=present,
        future=future,
        quoted=quoted,
        other_past=other.split()[1],
        end=rng.choice(ENDINGS),
    )
    review = rng.choice(BEGINNINGS) + review + rng.choice(TAILS)
    combination = (pattern, first, stem)
    return combination, int(is_positive == is_same), make_typos(review, rng)


def main(config):
    """Write train.tsv and test.tsv."""
    rng = random.Random(config.seed)
    parts = {'train': {}, 'test': {}}
    part_of = {}
    sizes = {'train': config.n_train, 'test': config.n_test}
    while any(len(parts[name]) < size for name, size in sizes.items()):
        combination, label, review = make_review(rng)
        name = part_of.setdefault(
            combination, 'test' if rng.random() < 0.15 else 'train'
        )
        if len(parts[name]) < sizes[name]:
            parts[name][review] = label

    folder = Path(config.out_dir)
    folder.mkdir(parents=True, exist_ok=True)
    for name, reviews in parts.items():
        lines = [f'{label}\t{review}\n' for review, label in reviews.items()]
        (folder / f'{name}.tsv').write_text(''.join(lines), encoding='utf-8')


def define_argparser():
    """Return the parser of the command line."""
    p = get_argparser('Write the sample of Korean film reviews.', has_model=False)
    p.add_argument('--out_dir', default='sample', help='folder to write to')
    p.add_argument('--n_train', type=int, default=5400, help='reviews to train on')
    p.add_argument('--n_test', type=int, default=600, help='reviews to test on')
    p.add_argument('--seed', type=int, default=0, help='of the random numbers')
    return p


if __name__ == '__main__':
    main(define_argparser().parse_args())
