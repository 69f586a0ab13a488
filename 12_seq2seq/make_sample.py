"""Write the sample of Korean-English sentence pairs that this chapter ships.

    python make_sample.py
    python make_sample.py --short_dir attention/sample

The second command also writes the sample of the program in attention/: the sentences of
at most five Korean words.

The sentences are put together from words by a small grammar of both languages, and are
called a sample everywhere: a score on them says nothing about real translation. The
combination of subject, verb and object of a test sentence never occurs in a training
sentence, whatever its tense, form or place.

The Korean contains all that the English needs. Its level of politeness has no
counterpart: 삽니다 is more polite than 사, and both are "buys".
"""

import functools
import hashlib
import random
import re
from pathlib import Path
from typing import NamedTuple

from guards import get_argparser

# ------------------------------------------------------------------------------- words

# Korean, English, plural of what can be counted, counter. A noun without a plural
# takes no article; its counter has an English name in MEASURES.
NOUNS = """
빵 | bread | |
사과 | apple | apples | 개
수박 | watermelon | watermelons | 통
감자 | potato | potatoes | 개
달걀 | egg | eggs | 개
샌드위치 | sandwich | sandwiches | 개
케이크 | cake | cakes | 개
김밥 | gimbap | | 줄
비빔밥 | bibimbap | | 그릇
라면 | ramen | | 그릇
냉면 | cold noodles | | 그릇
고기 | meat | |
생선 | fish | |
아침 | breakfast | |
점심 | lunch | |
저녁 | dinner | |
커피 | coffee | | 잔
녹차 | green tea | | 잔
우유 | milk | | 잔
주스 | juice | | 잔
물 | water | | 병
맥주 | beer | | 병
책 | book | books | 권
소설 | novel | novels | 권
잡지 | magazine | magazines | 권
사전 | dictionary | dictionaries | 권
신문 | newspaper | newspapers | 부
편지 | letter | letters | 통
이메일 | email | emails | 통
일기 | diary | diaries |
보고서 | report | reports | 부
영화 | movie | movies | 편
드라마 | TV series | |
뉴스 | the news | |
음악 | music | |
라디오 | the radio | |
노래 | song | songs | 곡
그림 | picture | pictures | 장
사진 | photo | photos | 장
한국어 | Korean | |
영어 | English | |
수학 | math | |
역사 | history | |
가방 | bag | bags | 개
모자 | hat | hats | 개
우산 | umbrella | umbrellas | 개
시계 | watch | watches | 개
연필 | pencil | pencils | 자루
의자 | chair | chairs | 개
자전거 | bicycle | bicycles | 대
컴퓨터 | computer | computers | 대
신발 | shoes | | 켤레
양말 | socks | | 켤레
안경 | glasses | |
꽃 | flower | flowers | 송이
선물 | present | presents | 개
지갑 | wallet | wallets | 개
열쇠 | key | keys | 개
휴대폰 | cell phone | cell phones | 대
표 | ticket | tickets | 장
방 | the room | |
부엌 | the kitchen | |
교실 | the classroom | |
문 | the door | |
창문 | the window | |
버스 | bus | buses | 대
기차 | train | trains | 대
택시 | taxi | taxis | 대
피아노 | the piano | |
기타 | the guitar | |
바이올린 | the violin | |
축구 | soccer | |
농구 | basketball | |
야구 | baseball | |
테니스 | tennis | |
배드민턴 | badminton | |
친구 | friend | friends | 명
손님 | guest | guests | 명
의사 | doctor | doctors | 명
기자 | reporter | reporters | 명
"""

# The English words for counters of uncountable things; 세 권 is just "three".
MEASURES = {'잔': 'cup', '병': 'bottle', '그릇': 'bowl', '줄': 'roll', '켤레': 'pair'}
NUMBERS = """
한 one | 두 two | 세 three | 네 four | 다섯 five | 여섯 six | 일곱 seven | 여덟 eight |
아홉 nine | 열 ten | 열한 eleven | 열두 twelve
"""

# Korean, where one is in English, where one goes.
PLACES = """
집 | at home | home
학교 | at school | to school
회사 | at work | to work
시장 | at the market | to the market
백화점 | at the department store | to the department store
서점 | at the bookstore | to the bookstore
도서관 | at the library | to the library
식당 | at the restaurant | to the restaurant
카페 | at the café | to the café
공원 | in the park | to the park
은행 | at the bank | to the bank
병원 | at the hospital | to the hospital
우체국 | at the post office | to the post office
극장 | at the theater | to the theater
교실 | in the classroom | to the classroom
수영장 | at the swimming pool | to the swimming pool
체육관 | at the gym | to the gym
역 | at the station | to the station
공항 | at the airport | to the airport
호텔 | at the hotel | to the hotel
바닷가 | at the beach | to the beach
서울 | in Seoul | to Seoul
부산 | in Busan | to Busan
제주도 | on Jeju Island | to Jeju Island
일본 | in Japan | to Japan
"""

# Korean, English, tenses, objects, places. A habit can also be in progress; an event
# is in the past or in the future; an accident is in the past.
VERBS = """
먹다 | eat | often | 빵 사과 수박 달걀 샌드위치 케이크 김밥 비빔밥 라면 냉면 고기 생선 \
아침 점심 저녁 | 집 학교 회사 식당 공원 호텔
마시다 | drink | often | 커피 녹차 우유 주스 물 맥주 | 집 회사 카페 공원 호텔
만들다 | make | often | 빵 샌드위치 케이크 김밥 비빔밥 의자 가방 아침 저녁 | 집 학교
굽다 | grill | often | 고기 생선 감자 | 집 식당 바닷가
사다 | buy | event | 빵 사과 수박 감자 케이크 꽃 책 소설 잡지 사전 신문 가방 모자 우산 \
시계 연필 의자 자전거 컴퓨터 신발 양말 안경 선물 휴대폰 표 | 시장 백화점 서울 부산
팔다 | sell | often | 빵 사과 수박 꽃 가방 모자 우산 신발 양말 자전거 표 | 시장 역 공원
고르다 | choose | event | 책 가방 모자 시계 신발 안경 선물 케이크 | 백화점 시장
읽다 | read | often | 책 소설 잡지 신문 편지 보고서 | 집 도서관 카페 공원 학교
쓰다 | write | often | 편지 이메일 일기 보고서 소설 | 집 도서관 카페 회사
보다 | watch | often | 영화 드라마 뉴스 | 집 호텔
듣다 | listen to | often | 음악 라디오 노래 뉴스 | 집 카페 회사 공원
부르다 | sing | often | 노래 | 집 학교 공원 바닷가
그리다 | draw | often | 그림 | 집 학교 공원 바닷가
찍다 | take | event | 사진 | 공원 바닷가 서울 제주도 학교
공부하다 | study | often | 한국어 영어 수학 역사 | 집 도서관 학교 카페
배우다 | learn | often | 한국어 영어 수학 피아노 기타 바이올린 테니스 | 학교 서울 일본
가르치다 | teach | often | 한국어 영어 수학 역사 피아노 바이올린 | 학교 서울 일본
치다 | play | often | 피아노 기타 | 집 학교 카페
치다 | play | often | 테니스 배드민턴 | 학교 공원 체육관
하다 | play | often | 축구 농구 야구 | 학교 공원
청소하다 | clean | often | 방 부엌 교실 |
열다 | open | event | 문 창문 |
닫다 | close | event | 문 창문 |
돕다 | help | event | 친구 손님 의사 기자 | 학교 병원 공항 시장
만나다 | meet | event | 친구 손님 의사 기자 | 카페 역 공항 호텔 병원 식당
기다리다 | wait for | often | 친구 손님 버스 기차 택시 | 역 공항 호텔 공원
타다 | take | event | 버스 기차 택시 | 역 공항 서울
찾다 | look for | event | 열쇠 지갑 안경 휴대폰 우산 표 | 집 학교 회사 도서관 공항
잃어버리다 | lose | accident | 열쇠 지갑 안경 휴대폰 우산 표 시계 | 공원 역 극장 시장
수영하다 | swim | often | | 수영장 바닷가 호텔
걷다 | walk | often | | 공원 바닷가
쉬다 | rest | often | | 집 호텔 공원 바닷가
자다 | sleep | often | | 집 호텔
일하다 | work | often | | 은행 병원 호텔 서점 우체국 식당 공항
운동하다 | exercise | often | | 체육관 공원 집
울다 | cry | event | | 학교 극장 공항 병원
웃다 | laugh | event | | 교실 극장
"""
# Korean, English, when, particle of the place, where to, if not just anywhere.
MOVES = """
가다 | go | often | 에 |
오다 | come | event | 에 |
돌아가다 | go back | event | 으로/로 |
이사하다 | move | event | 으로/로 | 서울 부산 제주도 일본
여행을 가다 | go on a trip | event | 으로/로 | 서울 부산 제주도 일본
"""
PASTS = """
buy bought | choose chose | come came | draw drew | drink drank | eat ate | find found |
give gave | go went | have had | lose lost | make made | meet met |
read read | sell sold | send sent | sing sang | sleep slept | swim swam | take took |
teach taught | write wrote
"""

# Korean, English, comparative, of what it is said.
ADJECTIVES = """
비싸다 | expensive | more expensive | 책 사전 가방 모자 우산 시계 의자 자전거 컴퓨터 \
신발 안경 휴대폰 표 커피 고기
싸다 | cheap | cheaper | 책 사전 가방 모자 우산 시계 의자 자전거 신발 표 커피 빵 김밥
예쁘다 | pretty | prettier | 가방 모자 우산 시계 신발 꽃 그림 안경
크다 | big | bigger | 가방 모자 우산 의자 방 창문 케이크 수박 사과
작다 | small | smaller | 가방 모자 우산 의자 방 창문 케이크 수박 사과
무겁다 | heavy | heavier | 책 사전 가방 의자 자전거 컴퓨터 수박
가볍다 | light | lighter | 책 우산 가방 의자 자전거 컴퓨터 신발 안경
재미있다 | interesting | more interesting | 책 소설 잡지 영화 드라마 역사 수학
맛있다 | delicious | more delicious | 빵 사과 수박 케이크 비빔밥 라면 냉면 고기 커피
맵다 | spicy | spicier | 비빔밥 라면 냉면 생선 김밥
어렵다 | difficult | more difficult | 한국어 영어 수학 역사 피아노 바이올린 책 노래
쉽다 | easy | easier | 한국어 영어 수학 역사 기타 책 노래
빠르다 | fast | faster | 버스 기차 택시 자전거 컴퓨터 노래
길다 | long | longer | 편지 이메일 보고서 소설 영화 노래
유명하다 | famous | more famous | 책 소설 영화 드라마 노래 그림 사진 의사 기자
"""
# How people are.
MOODS = """
바쁘다 busy | 피곤하다 tired | 배고프다 hungry | 건강하다 healthy | 친절하다 kind |
행복하다 happy | 외롭다 lonely | 심심하다 bored
"""
JOBS = """
학생 student | 선생님 teacher | 의사 doctor | 간호사 nurse | 가수 singer |
변호사 lawyer | 요리사 cook | 화가 artist | 경찰관 police officer |
회사원 office worker | 기자 reporter | 배우 actor
"""

# Korean, English, pronoun.
SUBJECTS = """
나 | I | I
우리 | we | we
그 | he | he
그녀 | she | she
그들 | they | they
민수 | Minsu | he
준호 | Junho | he
민석 | Minseok | he
유나 | Yuna | she
수미 | Sumi | she
지영 | Jiyeong | she
남동생 | my younger brother | he
여동생 | my younger sister | she
아들 | my son | he
딸 | my daughter | she
어머니 | my mother | she
아버지 | my father | he
할머니 | my grandmother | she
할아버지 | my grandfather | he
아이들 | the children | they
학생들 | the students | they
"""
NAMES = ['민수', '준호', '민석', '유나', '수미', '지영']
# Of the younger one says 제 남동생, my brother; for the elders the verb shows respect.
CLOSE = ['남동생', '여동생', '아들', '딸']
ELDERS = ['어머니', '아버지', '할머니', '할아버지']

TIMES = {
    'past': """
어제 yesterday | 그저께 the day before yesterday | 어젯밤에 last night |
지난주에 last week | 지난달에 last month | 작년 여름에 last summer |
지난주 토요일에 last Saturday | 지난주 일요일에 last Sunday | 오늘 아침에 this morning
""",
    'present': """
매일 every day | 아침마다 every morning | 주말마다 every weekend | 요즘 these days |
월요일마다 every Monday | 수요일마다 every Wednesday | 금요일마다 every Friday
""",
    'future': """
내일 tomorrow | 모레 the day after tomorrow | 오늘 저녁에 this evening |
다음 주에 next week | 다음 달에 next month | 이번 주말에 this weekend |
다음 주 화요일에 next Tuesday | 다음 주 목요일에 next Thursday
""",
    'progressive': '지금 right now',
}
# Times that can be followed by an hour or a part of the day.
DAYS = ['어제', '그저께', '내일', '모레']
# Reasons for not doing something.
REASONS = """
바쁘다 | busy
피곤하다 | tired
아프다 | sick
시간이 없다 | didn't have time
돈이 없다 | didn't have money
"""
WEATHER = """
비가 오다 | it rains
눈이 오다 | it snows
날씨가 좋다 | the weather is good
날씨가 춥다 | the weather is cold
날씨가 덥다 | the weather is hot
"""
# As VERBS, with a receiver.
GIFTS = """
주다 | give | event | 꽃 책 소설 선물 시계 모자 가방 우산 사진 표 빵 사과 케이크 |
보내다 | send | event | 편지 이메일 사진 선물 꽃 책 사과 그림 |
보여 주다 | show | event | 사진 그림 편지 이메일 표 책 보고서 시계 |
"""
VEHICLES = """
버스 by bus | 기차 by train | 택시 by taxi | 지하철 by subway | 자전거 by bicycle |
비행기 by plane
"""
# Events with a time of day, and their verbs.
EVENTS = """
수업 the class | 회의 the meeting | 시험 the exam | 영화 the movie | 경기 the game |
연극 the play | 음악회 the concert | 회견 the press conference
"""
HAPPENING = '시작하다 start | 끝나다 end'
# As NOUNS, and where they are.
LIVING = """
고양이 | cat | cats | 마리 | 방 공원 카페 학교
개 | dog | dogs | 마리 | 공원 학교 카페
새 | bird | birds | 마리 | 공원 학교
학생 | student | students | 명 | 교실 도서관 학교 카페 공원
아이 | child | children | 명 | 방 교실 도서관 병원 공원
의사 | doctor | doctors | 명 | 병원 호텔
손님 | guest | guests | 명 | 호텔 카페
의자 | chair | chairs | 개 | 방 교실 도서관 병원 카페
책상 | desk | desks | 개 | 방 교실 도서관
컴퓨터 | computer | computers | 대 | 방 교실 도서관 병원 호텔
자전거 | bicycle | bicycles | 대 | 공원 학교
"""
ROOMS = """
방 in the room | 교실 in the classroom | 공원 in the park | 도서관 in the library |
병원 in the hospital | 카페 in the café | 호텔 in the hotel | 학교 in the school
"""
THINGS = """
열쇠 지갑 안경 휴대폰 우산 책 사전 가방 모자 시계 신문 편지 연필 사과 신발
"""
FURNITURE = """
책상 the desk | 의자 the chair | 침대 the bed | 식탁 the table | 상자 the box |
소파 the sofa | 냉장고 the refrigerator
"""
POSITIONS = """
위 on | 아래 under | 옆 next to | 앞 in front of | 뒤 behind
"""
FORECASTS = """
내일 tomorrow | 모레 the day after tomorrow | 이번 주말에 this weekend |
다음 주 화요일에 next Tuesday | 다음 주 목요일에 next Thursday
"""
DEGREES = '아주 very | 정말 really | 꽤 quite'
MOOD_TIMES = {
    'past': '어제 yesterday | 그저께 the day before yesterday | 지난주에 last week',
    'present': '요즘 these days | 오늘 today | 지금 right now',
}
SCHEDULE_DAYS = {
    'past': '어제 yesterday | 그저께 the day before yesterday',
    'future': '내일 tomorrow | 모레 the day after tomorrow',
}
# What can be learned: "this Korean" would make no sense.
SKILLS = ['한국어', '영어', '수학', '역사', '피아노', '기타', '바이올린']
MONTHS = """
January February March April May June July August September October November December
"""


@functools.cache
def read_table(text):
    """Return the rows of a table of words, each a list of its columns."""
    return [
        [cell.strip() for cell in row.split('|')] for row in text.strip().split('\n')
    ]


@functools.cache
def read_pairs(text):
    """Return a dict from the Korean to the English: of 다음 주에 next week."""
    return dict(
        re.split(' (?=[a-zA-Z])', entry.strip(), maxsplit=1)
        for entry in text.split('|')
    )


class Noun(NamedTuple):
    """A thing or a person to do something with."""

    ko: str
    en: str
    plural: str = ''
    counter: str = ''


class Subject(NamedTuple):
    """A subject, and its English pronoun."""

    ko: str
    en: str
    pronoun: str


class Verb(NamedTuple):
    """A verb with its frequency, its objects and its places."""

    ko: str
    en: str
    kind: str
    objects: list
    places: list
    particle: str = '에서'


def read_verbs(text):
    """Return the Verbs of a table."""
    return [
        Verb(ko, en, kind, objects.split(), places.split())
        for ko, en, kind, objects, places in read_table(text)
    ]


# ------------------------------------------------------------------------------ Korean

LEADS = 'ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ'
VOWELS = 'ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ'
FINALS = ' ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ'
FIRST_SYLLABLE = ord('가')

# What the vowel of a stem and 아 or 어 become together: 보 + 아 = 봐.
CONTRACTIONS = dict(zip('ㅏㅓㅐㅔㅕㅗㅜㅣㅚ', 'ㅏㅓㅐㅔㅕㅘㅝㅕㅙ', strict=True))
# The ㅂ or ㄷ of their stems changes before a vowel; that of 입다 and 닫다 does not.
B_IRREGULAR = ['굽다', '돕다', '무겁다', '가볍다', '맵다', '어렵다', '쉽다']
B_IRREGULAR += ['외롭다', '춥다', '덥다']
D_IRREGULAR = ['듣다', '걷다', '묻다']
# They are conjugated as adjectives are.
STATES = ['있다', '없다', '싶다']
HONORIFICS = {
    '먹다': '드시다',
    '마시다': '드시다',
    '자다': '주무시다',
    '있다': '계시다',
    '아프다': '편찮으시다',
}

STYLES = {'해요': 0.4, '합니다': 0.25, '한다': 0.2, '해': 0.15}
FUTURE = {'해요': '거예요', '합니다': '것입니다', '한다': '것이다', '해': '거야'}
BE = {'해요': '이에요', '합니다': '입니다', '한다': '이다', '해': '이야'}
BE_AFTER_VOWEL = {'해요': '예요', '합니다': '입니다', '한다': '다', '해': '야'}
NOT_BE = {'해요': '아니에요', '합니다': '아닙니다', '한다': '아니다', '해': '아니야'}
PAST = {'해요': '어요', '합니다': '습니다', '한다': '다', '해': '어'}


def take_apart(syllable):
    """Return the first consonant, the vowel and the final consonant: ㅎ, ㅏ, ㄴ."""
    number = ord(syllable) - FIRST_SYLLABLE
    return LEADS[number // 588], VOWELS[number % 588 // 28], FINALS[number % 28]


def put_together(lead, vowel, final=' '):
    """Return the syllable of these letters: 한 of ㅎ, ㅏ and ㄴ."""
    number = LEADS.index(lead) * 588 + VOWELS.index(vowel) * 28 + FINALS.index(final)
    return chr(FIRST_SYLLABLE + number)


def get_final(word):
    """Return the final consonant of the last syllable, a space if it has none."""
    return take_apart(word[-1])[2]


def set_final(word, final):
    """Return the word with another final consonant: 가 + ㄴ = 간."""
    lead, vowel, _ = take_apart(word[-1])
    return word[:-1] + put_together(lead, vowel, final)


def with_particle(word, particles):
    """Return the word with the particle that its last sound asks for.

    Arguments:
        particles: the one after a consonant and the one after a vowel: 은/는, 이/가,
            을/를, 과/와, 으로/로; or one for all words.
    """
    after_consonant, _, after_vowel = particles.partition('/')
    final = get_final(word)
    is_vowel = final == ' ' or (final == 'ㄹ' and after_vowel == '로')
    return word + (after_vowel or particles if is_vowel else after_consonant)


def get_vowel_stem(word):
    """Return the stem before endings with 으: 먹으, 가, 들으, 도우; 만드 of 만들다."""
    stem, verb = word[:-1], word.split()[-1]
    if verb in B_IRREGULAR:
        return set_final(stem, ' ') + '우'
    if verb in D_IRREGULAR:
        return set_final(stem, 'ㄹ') + '으'
    if get_final(stem) == 'ㄹ':
        return set_final(stem, ' ')
    return stem if get_final(stem) == ' ' else stem + '으'


def get_infinitive(word):
    """Return the form with 아 or 어: 먹어, 가, 봐, 해, 도와, 들어, 골라, 써."""
    stem, verb = word[:-1], word.split()[-1]
    lead, vowel, final = take_apart(stem[-1])
    a_or_eo = '아' if vowel in 'ㅏㅗ' else '어'
    if stem[-1] == '하':
        return stem[:-1] + '해'
    if verb in B_IRREGULAR:
        return get_vowel_stem(word)[:-1] + ('와' if verb == '돕다' else '워')
    if verb in D_IRREGULAR:
        return set_final(stem, 'ㄹ') + a_or_eo
    if stem[-1] == '르':
        is_bright = take_apart(stem[-2])[1] in 'ㅏㅗ'
        return set_final(stem[:-1], 'ㄹ') + ('라' if is_bright else '러')
    if final != ' ':
        return stem + a_or_eo
    if vowel == 'ㅡ':
        is_bright = len(verb) > 2 and take_apart(stem[-2])[1] in 'ㅏㅗ'
        return stem[:-1] + put_together(lead, 'ㅏ' if is_bright else 'ㅓ')
    if vowel in CONTRACTIONS:
        return stem[:-1] + put_together(lead, CONTRACTIONS[vowel])
    return stem + a_or_eo


def get_past_stem(word):
    """Return the stem of the past: 먹었, 갔, 했."""
    return set_final(get_infinitive(word), 'ㅆ')


def with_ending(word, final, ending):
    """Return the word with an ending that begins with a consonant without a vowel.

    Such as ㄹ 거예요, ㄴ, ㅂ니다, before which the stem may need 으: 먹을 거예요.
    """
    return set_final(get_vowel_stem(word), final) + ending


def show_respect(word):
    """Return a verb of the same meaning that honours the subject: 읽으시다, 드시다."""
    *words, verb = word.split()
    return ' '.join([*words, HONORIFICS.get(verb, get_vowel_stem(verb) + '시다')])


def conjugate(word, tense, style, is_adjective=False, is_question=False):
    """Return the form of a verb or an adjective that ends a sentence.

    Arguments:
        word: as the dictionary has it, such as 먹다.
        tense: past, present or future.
        style: how it is said to whom, one of STYLES.
    """
    stem = word[:-1]
    is_adjective = is_adjective or word.split()[-1] in STATES
    if tense == 'future':
        text = with_ending(word, 'ㄹ', ' ' + FUTURE[style])
    elif tense == 'past':
        text = get_past_stem(word) + PAST[style]
    elif style == '합니다':
        has_final = get_final(stem) not in ' ㄹ'
        text = stem + '습니다' if has_final else with_ending(word, 'ㅂ', '니다')
    elif style == '한다':
        has_final = get_final(stem) not in ' ㄹ'
        text = stem + '는다' if has_final else with_ending(word, 'ㄴ', '다')
        text = word if is_adjective else text
    else:
        text = get_infinitive(word) + ('요' if style == '해요' else '')
        if not word.endswith('마시다'):
            text = re.sub('셔요$', '세요', text)
    if is_question:
        return re.sub('니다$', '니까', text) + '?'
    return text + '.'


def with_copula(noun, tense, style, is_negative=False):
    """Return a noun with 이다 or 아니다: 학생이에요, 의사예요, 가수가 아니에요."""
    if is_negative:
        noun = with_particle(noun, '이/가') + ' '
        past, endings = '아니었', NOT_BE
    elif get_final(noun) == ' ':
        past, endings = '였', BE_AFTER_VOWEL
    else:
        past, endings = '이었', BE
    return noun + (past + PAST[style] if tense == 'past' else endings[style]) + '.'


# ----------------------------------------------------------------------------- English

NOT = {'am': 'am not', 'will': "won't", 'can': "can't"}


def with_article(noun):
    """Return the English noun with its article, if it has one."""
    if not noun.plural:
        return noun.en
    return ('an ' if noun.en[0] in 'aeiou' else 'a ') + noun.en


def inflect(phrase, ending):
    """Return an English phrase whose first word, a verb, gets an ending."""
    verb, space, rest = phrase.partition(' ')
    is_short = re.fullmatch('[^aeiou]*[aeiou][^aeiouwxy]', verb)
    if ending == 's' and verb == 'have':
        verb = 'has'
    elif ending == 's' and verb.endswith(('s', 'sh', 'ch', 'x', 'o')):
        verb += 'es'
    elif ending != 'ing' and re.search('[^aeiou]y$', verb):
        verb = verb[:-1] + ('ies' if ending == 's' else 'ied')
    elif ending == 's':
        verb += 's'
    elif ending == 'ed' and verb in read_pairs(PASTS):
        verb = read_pairs(PASTS)[verb]
    else:
        stem = verb[:-1] if verb.endswith('e') else verb
        verb = (verb + verb[-1] if is_short else stem) + ending
    return verb + space + rest


def get_auxiliary(pronoun, tense):
    """Return the auxiliary verb of a subject: does, did, will, is, can, could."""
    if tense == 'progressive':
        return {'I': 'am', 'we': 'are', 'they': 'are'}.get(pronoun, 'is')
    if tense == 'present':
        return 'do' if pronoun in ('I', 'we', 'they') else 'does'
    return {'past': 'did', 'future': 'will'}.get(tense, tense)


def get_be(pronoun, tense):
    """Return was, were, am, are, is, or will be."""
    if tense == 'past':
        return 'were' if pronoun in ('we', 'they') else 'was'
    return 'will be' if tense == 'future' else get_auxiliary(pronoun, 'progressive')


def negate(auxiliary):
    """Return the short form with not: didn't, isn't, won't."""
    first, space, rest = auxiliary.partition(' ')
    return NOT.get(first, f"{first}n't") + space + rest


def get_parts(pronoun, phrase, tense):
    """Return the parts before and after the subject of a question: did, buy it."""
    if tense == 'progressive':
        phrase = inflect(phrase, 'ing')
    return get_auxiliary(pronoun, tense), phrase


def get_predicate(pronoun, phrase, tense, is_negative=False):
    """Return the predicate of an English subject: buys it, didn't buy it."""
    auxiliary, phrase = get_parts(pronoun, phrase, tense)
    if is_negative:
        return f'{negate(auxiliary)} {phrase}'
    if tense == 'past':
        return inflect(phrase, 'ed')
    if tense == 'present':
        return inflect(phrase, 's') if auxiliary == 'does' else phrase
    return f'{auxiliary} {phrase}'


def is_plural(noun):
    """Return whether a noun takes a plural verb even for one piece: glasses are."""
    return noun.en.endswith('s') and not noun.plural and not noun.en.startswith('the ')


def with_this(noun, this):
    """Return this book or these shoes, by `this` being this or that."""
    many = {'this': 'these', 'that': 'those'}[this]
    return f'{many if is_plural(noun) else this} {noun.en.removeprefix("the ")}'


def finish(text):
    """Return an English sentence: a capital letter, and a full stop or what it has."""
    return text[0].upper() + text[1:] + ('' if text[-1] in '?.' else '.')


# --------------------------------------------------------------------------- sentences


class Phrase(NamedTuple):
    """A part of a sentence, or a whole one, in both languages."""

    ko: str = ''
    en: str = ''


NOTHING = Phrase()


class Clause(NamedTuple):
    """Who does what to what, where and when; `names` are the nouns of the object."""

    subject: Subject
    verb: Verb
    form: str
    tense: str
    names: list
    object: Phrase
    place: Phrase
    time: Phrase


class Form(NamedTuple):
    """What a verb can be extended to: the English, and in which tenses."""

    en: str
    is_negative: bool
    tenses: list


WHO = Subject('누', 'who', 'he')
SPEAKERS = ['나', '우리']
PRONOUNS = ['그', '그녀', '그들']
BORN = ['나', *NAMES, *CLOSE]
MEALS = ['아침', '점심', '저녁']
PART_OF_DAY = r'morning|evening|night|m\.'
# Verbs of which one says how many, or of many; and those of some patterns.
COUNTING = """
사다 팔다
먹다 마시다 읽다 쓰다 부르다 그리다 찍다 만들다 굽다 고르다 돕다 만나다
"""
TRADING = ['사다', '팔다']
ASKED_FOR = """
먹다 마시다 만들다 굽다 사다 팔다 고르다 읽다 쓰다 보다 듣다 부르다 그리다
공부하다 배우다 가르치다 기다리다 찾다 잃어버리다 청소하다
"""
KEEPING = """
먹다 마시다 만들다 굽다 사다 팔다 고르다 읽다 쓰다 보다 듣다 그리다 찍다
"""
MAKING = ['사다', '만들다', '굽다', '고르다', '쓰다', '그리다']
USING = ['먹다', '마시다', '읽다', '팔다', '사다', '보다']
REQUESTED = """
먹다 마시다 만들다 사다 읽다 쓰다 듣다 부르다 그리다 열다 닫다 돕다 청소하다
기다리다 타다 찾다 고르다
"""
PROPOSED = """
먹다 마시다 만들다 굽다 사다 보다 듣다 부르다 그리다 찍다 공부하다 배우다 치다
하다 청소하다 돕다 만나다 기다리다 타다 수영하다 걷다 쉬다 운동하다
"""
DIGITS = ' 일이삼사오육칠팔구'

FORMS = {
    'plain': Form('', False, ['past', 'present', 'future', 'progressive']),
    '안': Form('', True, ['past', 'present', 'future']),
    '-지 않다': Form('', True, ['past', 'present', 'future']),
    '못': Form('', True, ['could']),
    '-지 못하다': Form('', True, ['could']),
    '-고 싶다': Form('want to ', False, ['past', 'present']),
    '-고 싶지 않다': Form('want to ', True, ['past', 'present']),
    '-ㄹ 수 있다': Form('', False, ['can']),
    '-ㄹ 수 없다': Form('', True, ['can']),
    '-아야 하다': Form('have to ', False, ['past', 'present']),
}
ALL_TENSES = ['past', 'present', 'future', 'progressive', 'could', 'can']
TENSES = {
    'often': ALL_TENSES,
    'event': ['past', 'future', 'could', 'can'],
    'accident': ['past'],
}
KOREAN_TENSES = {'could': 'past', 'can': 'present', 'progressive': 'present'}


def join(*words):
    """Join words with spaces; empty words are left out."""
    return ' '.join(filter(None, words))


def get_tenses(verb, form):
    """Return the tenses of a form of a verb: one may wish for an event at any time."""
    if FORMS[form].en and verb.kind != 'accident':
        return FORMS[form].tenses
    return [tense for tense in FORMS[form].tenses if tense in TENSES[verb.kind]]


def get_time(form, tense):
    """Return the key of TIMES: what I can do or want now will be done later."""
    if tense == 'can' or (FORMS[form].en and tense == 'present'):
        return 'future'
    return 'past' if tense == 'could' else tense


def get_keys(clause):
    """Return what a clause combines: who does what to what, or where."""
    names = clause.names or [clause.place.en]
    return [(clause.subject.ko, clause.verb.ko, name) for name in names]


def is_honoured(subject):
    """Return whether the verb honours a subject."""
    return subject.ko in ELDERS


def extend(word, form, is_third=True, is_elder=False):
    """Return a Korean verb and what extends it: 읽고 싶다, 안 읽다, 읽을 수 있다.

    Arguments:
        form: one of FORMS, or '-고 있다' for what is going on.
        is_third: whether others do it than the speaker, who alone knows a wish.
        is_elder: whether the verb honours its subject: 읽고 계시다, 안 읽으시다.
    """
    is_outside = form in (
        '-고 있다',
        '-고 싶다',
        '-고 싶지 않다',
        '-지 않다',
        '-지 못하다',
    )
    if is_elder and not is_outside:
        word, is_elder = show_respect(word), False
    if is_third:
        form = form.replace('싶지', '싶어 하지').replace('싶다', '싶어 하다')
    *words, verb = word.split()
    if form in ('안', '못'):
        # 여행을 안 가다, but 안 보여 주다; of 공부하다 only 공부하지 않다.
        has_object = bool(words) and words[-1][-1] in '을를'
        word = join(*words, form, verb) if has_object else join(form, word)
        if verb.endswith('하다') and len(verb) > 2:
            word = join(*words, verb[:-1]) + {'안': '지 않다', '못': '지 못하다'}[form]
    elif form.startswith('-ㄹ'):
        word = with_ending(word, 'ㄹ', form[2:])
    elif form.startswith('-아'):
        word = get_infinitive(word) + form[2:]
    elif form != 'plain':
        word = word[:-1] + form[1:]
    return show_respect(word) if is_elder else word


def get_adnominal(word, tense):
    """Return the form before a noun: 산, 사는, 살."""
    if tense == 'present':
        stem = word[:-1]
        return (set_final(stem, ' ') if get_final(stem) == 'ㄹ' else stem) + '는'
    return with_ending(word, 'ㄴ' if tense == 'past' else 'ㄹ', '')


class Author:
    """Writes sentences: draws words, and forms the same sentence in both languages.

    Each make_... method returns what a sentence combines, and the sentence.
    """

    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.style = '해요'
        self.nouns = {row[0]: Noun(*row) for row in read_table(NOUNS)}
        self.places = {row[0]: row for row in read_table(PLACES)}
        self.subjects = [Subject(*row) for row in read_table(SUBJECTS)]
        self.verbs = read_verbs(VERBS)
        self.gifts = read_verbs(GIFTS)
        self.moves = [
            Verb(ko, en, kind, [], places.split() or list(self.places), particle)
            for ko, en, kind, particle, places in read_table(MOVES)
        ]

    def choose(self, values):
        """Return one of the values, or of the keys of a dict by their weights."""
        weights = values.values() if isinstance(values, dict) else None
        return self.rng.choices(list(values), weights and list(weights))[0]

    def choose_phrase(self, text):
        """Return one entry of a list of words."""
        return Phrase(*self.choose(list(read_pairs(text).items())))

    def write(self, make):
        """Return what a sentence combines, and the sentence in some style of speech.

        Arguments:
            make: a method of this class, one of PATTERNS.
        """
        self.style = self.choose(STYLES)
        return make(self)

    def speak(self):
        """Replace 한다 by 해: written style has no requests."""
        self.style = '해' if self.style == '한다' else self.style

    # Words

    def draw_subject(self, is_third=False):
        """Return who does it. Korean has "he" and "she" in writing alone."""
        is_written = self.style in ('합니다', '한다')
        return self.choose(
            {
                subject: 5 if subject.ko == '나' else 1
                for subject in self.subjects
                if (is_written or subject.ko not in PRONOUNS)
                and not (is_third and subject.ko in SPEAKERS)
            }
        )

    def draw_person(self, subject):
        """Return somebody else than the subject whom one calls by name or as family."""
        others = {*SPEAKERS, *PRONOUNS, subject.ko}
        return self.choose([other for other in self.subjects if other.ko not in others])

    def name(self, subject, particles=''):
        """Return a subject in Korean, as one says it in the style, with a particle."""
        ko, is_polite = subject.ko, self.style in ('해요', '합니다')
        if ko == '나' and particles == '이/가':
            return '제가' if is_polite else '내가'
        if ko == '나' and is_polite:
            ko = '저'
        elif ko in CLOSE:
            ko = ('제 ' if is_polite else '내 ') + ko
        elif ko in NAMES and is_polite:
            ko += ' 씨'
        elif ko in NAMES and self.style == '해' and get_final(ko) != ' ':
            ko += '이'
        return with_particle(ko, particles) if particles else ko

    def count(self, noun, particles, n_most=5):
        """Return some of a noun, by number: 책을 세 권, three books."""
        ko, en = self.choose(list(read_pairs(NUMBERS).items())[:n_most])
        ko = f'{with_particle(noun.ko, particles)} {ko} {noun.counter}'
        if noun.plural:
            return Phrase(ko, f'{en} {noun.en if en == "one" else noun.plural}')
        measure = MEASURES[noun.counter] + ('' if en == 'one' else 's')
        return Phrase(ko, f'{en} {measure} of {noun.en}')

    def draw_object(self, verb):
        """Return the nouns of an object, and the object: one, several or two."""
        if not verb.objects:
            return [], NOTHING
        noun = self.nouns[self.choose(verb.objects)]
        other = self.nouns[self.choose(verb.objects)]
        n_most = 12 if verb.ko in TRADING else 5
        chance = self.rng.random()
        if chance < 0.25 and noun.counter and verb.ko in COUNTING.split():
            return [noun.ko], self.count(noun, '을/를', n_most)
        if chance > 0.85 and noun != other and not {noun.ko, other.ko} & {*MEALS}:
            ko = f'{with_particle(noun.ko, "과/와")} {with_particle(other.ko, "을/를")}'
            en = f'{with_article(noun)} and {with_article(other)}'
            return [noun.ko, other.ko], Phrase(ko, en)
        return [noun.ko], Phrase(with_particle(noun.ko, '을/를'), with_article(noun))

    def draw_hour(self):
        """Return a time of day: 오후 세 시 반에, at 3:30 p.m."""
        ko, en, hours = self.choose(
            [('오전', 'a.m.', range(7, 12)), ('오후', 'p.m.', range(1, 10))]
        )
        hour = self.choose(hours)
        minutes, digits = self.choose([('', ''), (' 반', ':30'), (' 십오 분', ':15')])
        word = list(read_pairs(NUMBERS))[hour - 1]
        return Phrase(f'{ko} {word} 시{minutes}에', f'at {hour}{digits} {en}')

    def draw_time(self, tense):
        """Return when it is, at a tense of TIMES."""
        day = self.choose_phrase(TIMES[tense])
        if day.ko in DAYS and self.rng.random() < 0.4:
            hour = self.draw_hour()
            return Phrase(f'{day.ko} {hour.ko}', f'{hour.en} {day.en}')
        return day

    def draw_place(self, verb):
        """Return where it is done, or where one goes."""
        if not verb.places:
            return NOTHING
        ko, where, direction = self.places[self.choose(verb.places)]
        en = where if verb.particle == '에서' else direction
        return Phrase(with_particle(ko, verb.particle), en)

    # Clauses

    def draw_clause(self, forms, tenses=ALL_TENSES, verbs=None, is_third=False):
        """Return who does what, where and when, in one of the forms and tenses."""
        options = []
        while not options:
            verb = self.choose(verbs or self.verbs + self.moves)
            options = [
                (form, tense)
                for form in forms
                for tense in get_tenses(verb, form)
                if tense in tenses
            ]
        form, tense = self.choose(options)
        subject = self.draw_subject(is_third)
        names, phrase = self.draw_object(verb)
        while FORMS[form].is_negative and len(names) > 1:
            # Not one and not the other would be "or" in English.
            names, phrase = self.draw_object(verb)
        place, time = self.draw_place(verb), self.draw_time(get_time(form, tense))
        if names and self.rng.random() < 0.5:
            place = NOTHING
        if FORMS[form].is_negative and get_time(form, tense) == 'present':
            time = Phrase('요즘', 'these days')
        has_its_time = verb.ko == '자다' or {*MEALS} & {*names}
        is_odd = has_its_time and re.search(PART_OF_DAY, time.en)
        if is_odd or self.rng.random() < 0.4:
            time = NOTHING
        return Clause(subject, verb, form, tense, names, phrase, place, time)

    def get_korean_verb(self, clause, is_question=False):
        """Return the verb of a clause as it ends the sentence."""
        form = '-고 있다' if clause.tense == 'progressive' else clause.form
        is_third, is_elder = (
            clause.subject.ko not in SPEAKERS,
            is_honoured(clause.subject),
        )
        word = extend(clause.verb.ko, form, is_third, is_elder)
        tense = KOREAN_TENSES.get(clause.tense, clause.tense)
        return conjugate(word, tense, self.style, is_question=is_question)

    def begin(self, clause, particles='은/는', lead='', company=NOTHING):
        """Return the Korean of a clause up to the verb.

        Arguments:
            lead: what stands behind the subject, such as a reason or 언제.
            company: with whom, to whom or by what.
        """
        name, phrase = self.name(clause.subject, particles), clause.object.ko
        return join(name, lead, clause.time.ko, company.ko, clause.place.ko, phrase)

    def say(self, clause, particles='은/는', lead='', company=NOTHING):
        """Return a clause as a statement; its arguments are those of begin()."""
        form, subject = FORMS[clause.form], clause.subject
        ko = self.begin(clause, particles, lead, company)
        phrase = form.en + clause.verb.en
        does = get_predicate(subject.pronoun, phrase, clause.tense, form.is_negative)
        en = join(subject.en, does, clause.object.en, clause.place.en)
        en = join(en, company.en, clause.time.en)
        return Phrase(join(ko, self.get_korean_verb(clause)), en)

    def ask(self, clause, word=NOTHING):
        """Return a clause as a question, `word` being what is asked for: 언제, when."""
        form, subject = FORMS[clause.form], clause.subject
        does, do = get_parts(subject.pronoun, form.en + clause.verb.en, clause.tense)
        ko = join(self.begin(clause, lead=word.ko), self.get_korean_verb(clause, True))
        en = join(word.en, does, subject.en, do, clause.object.en, clause.place.en)
        return Phrase(ko, join(en, clause.time.en) + '?')

    # Patterns: what somebody does

    def make_statement(self):
        """저는 어제 시장에서 빵을 샀어요. I bought bread at the market yesterday."""
        form = self.choose({name: 9 if name == 'plain' else 1 for name in FORMS})
        clause = self.draw_clause([form])
        return get_keys(clause), self.say(clause)

    def make_question(self):
        """민수 씨는 책을 읽고 있어요? Is Minsu reading a book?"""
        self.speak()
        form = self.choose(
            {'plain': 6, '-고 싶다': 1, '-ㄹ 수 있다': 1, '-아야 하다': 1}
        )
        clause = self.draw_clause([form], is_third=True)
        return get_keys(clause), self.ask(clause)

    def make_who(self):
        """누가 어제 책을 샀어요? Who bought a book yesterday?"""
        self.speak()
        clause = self.draw_clause(['plain'], ['past', 'future', 'progressive'])
        clause = clause._replace(subject=WHO)
        ko = join(self.begin(clause, '이/가'), self.get_korean_verb(clause, True))
        return get_keys(clause), Phrase(ko, self.say(clause).en + '?')

    def make_what(self):
        """민수 씨는 어제 무엇을 샀어요? What did Minsu buy yesterday?"""
        self.speak()
        verbs = [verb for verb in self.verbs if verb.ko in ASKED_FOR.split()]
        clause = self.draw_clause(['plain'], verbs=verbs, is_third=True)
        what = Phrase('뭘' if self.style == '해' else '무엇을')
        clause = clause._replace(names=['무엇'], object=what)
        return get_keys(clause), self.ask(clause, Phrase('', 'what'))

    def make_where(self):
        """민수 씨는 어디에서 책을 샀어요? Where did Minsu buy a book?"""
        self.speak()
        verbs = [verb for verb in self.verbs + self.moves if verb.places]
        clause = self.draw_clause(['plain'], verbs=verbs, is_third=True)
        where = Phrase(with_particle('어디', clause.verb.particle))
        clause = clause._replace(place=where)
        return get_keys(clause), self.ask(clause, Phrase('', 'where'))

    def make_when(self):
        """민수 씨는 언제 책을 샀어요? When did Minsu buy a book?"""
        self.speak()
        clause = self.draw_clause(['plain'], ['past', 'future'], is_third=True)
        clause = clause._replace(time=NOTHING)
        return get_keys(clause), self.ask(clause, Phrase('언제', 'when'))

    def make_why(self):
        """민수 씨는 왜 책을 샀어요? Why did Minsu buy a book?"""
        self.speak()
        clause = self.draw_clause(['plain'], ['past', 'progressive'], is_third=True)
        return get_keys(clause), self.ask(clause, Phrase('왜', 'why'))

    def make_sequence(self):
        """저는 빵을 먹고 커피를 마셨어요. I ate bread and drank coffee."""
        tense = self.choose(['past', 'future'])
        verbs = [verb for verb in self.verbs if verb.objects and verb.kind == 'often']
        first = self.draw_clause(['plain'], [tense], verbs)._replace(place=NOTHING)
        verbs = [verb for verb in verbs if verb.en != first.verb.en]
        second = self.draw_clause(['plain'], [tense], verbs)
        second = second._replace(subject=first.subject, time=NOTHING, place=NOTHING)

        word = extend(first.verb.ko, 'plain', is_elder=is_honoured(first.subject))
        ko = join(self.begin(first), word[:-1] + '고', second.object.ko)
        did = first.verb.en if tense == 'future' else inflect(first.verb.en, 'ed')
        did_too = second.verb.en if tense == 'future' else inflect(second.verb.en, 'ed')
        en = join(first.subject.en, 'will' if tense == 'future' else '', did)
        en = join(en, first.object.en, 'and', did_too, second.object.en, first.time.en)
        ko = join(ko, self.get_korean_verb(second))
        return get_keys(first) + get_keys(second), Phrase(ko, en)

    def make_contrast(self):
        """민수는 책을 읽었지만 유나는 쉬었다. Minsu read a book, but Yuna rested."""
        first = self.draw_clause(['plain'], ['past'])._replace(time=NOTHING)
        second = self.draw_clause(['plain'], ['past'])._replace(time=NOTHING)
        if first.subject == second.subject:
            second = second._replace(subject=self.draw_person(first.subject))
        word = extend(first.verb.ko, 'plain', is_elder=is_honoured(first.subject))
        but = self.say(second)
        ko = join(self.begin(first), get_past_stem(word) + '지만', but.ko)
        phrase = Phrase(ko, f'{self.say(first).en}, but {but.en}')
        return get_keys(first) + get_keys(second), phrase

    def make_not_both(self):
        """저는 빵을 샀지만 우유는 사지 않았어요. I bought bread but didn't buy milk."""
        verbs = [verb for verb in self.verbs if len(verb.objects) > 2]
        clause = self.draw_clause(['plain'], ['past'], verbs)
        others = [name for name in clause.verb.objects if name not in clause.names]
        other = self.nouns[self.choose(others)]
        form = self.choose(['안', '-지 않다'])
        second = clause._replace(form=form, names=[other.ko])

        subject, verb = clause.subject, clause.verb
        word = extend(verb.ko, 'plain', is_elder=is_honoured(subject))
        ko = join(self.begin(clause), get_past_stem(word) + '지만')
        ko = join(ko, with_particle(other.ko, '은/는'), self.get_korean_verb(second))
        did = get_predicate(subject.pronoun, verb.en, 'past')
        did_not = get_predicate(subject.pronoun, verb.en, 'past', is_negative=True)
        en = join(subject.en, did, clause.object.en, 'but', did_not)
        en = join(en, with_article(other), clause.place.en, clause.time.en)
        return get_keys(clause) + get_keys(second), Phrase(ko, en)

    def make_reason(self):
        """저는 바빠서 학교에 못 갔어요. I couldn't go to school because I was busy."""
        form = self.choose(['못', '-지 못하다', '안', '-지 않다'])
        clause = self.draw_clause([form], ['past', 'could'])
        clause = clause._replace(time=NOTHING)
        subject, pronoun = clause.subject, clause.subject.pronoun
        ko, en = self.choose(read_table(REASONS))
        word = extend(ko, 'plain', is_elder=is_honoured(subject))
        said = self.say(clause, lead=get_infinitive(word) + '서')
        be = '' if en.startswith("didn't") else get_be(pronoun, 'past')
        phrase = Phrase(said.ko, join(said.en, 'because', pronoun, be, en))
        return [*get_keys(clause), (subject.ko, ko)], phrase

    def make_condition(self):
        """내일 비가 오면 저는 쉴 거예요. If it rains tomorrow, I will rest."""
        form = self.choose({'plain': 3, '-지 않다': 1, '-아야 하다': 1})
        tense = 'present' if FORMS[form].en else 'future'
        clause = self.draw_clause([form], [tense])._replace(time=NOTHING)
        weather, it_rains = self.choose(read_table(WEATHER))
        day = self.choose_phrase(FORECASTS)
        said = self.say(clause)
        ko = join(day.ko, get_vowel_stem(weather) + '면', said.ko)
        en = f'if {it_rains} {day.en}, {said.en}'
        return [*get_keys(clause), (clause.verb.ko, weather)], Phrase(ko, en)

    def make_company(self):
        """저는 민수 씨와 영화를 봤어요. I watched a movie with Minsu."""
        verbs = [
            verb for verb in self.verbs if verb.ko in PROPOSED.split()
        ] + self.moves
        clause = self.draw_clause(['plain', '-고 싶다'], verbs=verbs)
        other = self.draw_person(clause.subject)
        company = Phrase(self.name(other, '과/와'), f'with {other.en}')
        return get_keys(clause), self.say(clause, company=company)

    def make_journey(self):
        """저는 버스로 학교에 갔어요. I went to school by bus."""
        clause = self.draw_clause(list(FORMS), verbs=self.moves[:3])
        way = self.choose_phrase(VEHICLES)
        place = join(clause.place.en, way.en)
        clause = clause._replace(place=Phrase(clause.place.ko, place))
        phrase = self.say(clause, company=Phrase(with_particle(way.ko, '으로/로')))
        return [(*get_keys(clause)[0], way.ko)], phrase

    def make_gift(self):
        """저는 어제 친구에게 책을 줬어요. I gave a book to a friend yesterday."""
        clause = self.draw_clause(['plain', '-고 싶다', '안'], verbs=self.gifts)
        other = self.draw_person(clause.subject)
        while other.ko in ELDERS:
            other = self.draw_person(clause.subject)
        company = Phrase(self.name(other) + '에게', f'to {other.en}')
        return get_keys(clause), self.say(clause, company=company)

    # Patterns: relative clauses

    def draw_relative(self, verbs, tenses):
        """Return a clause about one thing without that thing: what I bought yesterday.

        Returns:
            The clause, the noun and the phrase in front of, or behind, the noun.
        """
        clause = self.draw_clause(['plain'], tenses, verbs)
        noun = self.nouns[clause.names[0]]
        clause = clause._replace(names=[noun.ko], object=NOTHING)
        word = extend(clause.verb.ko, 'plain', is_elder=is_honoured(clause.subject))
        which = get_adnominal(word, clause.tense)
        ko = join(self.begin(clause, '이/가'), which)
        return clause, noun, Phrase(ko, self.say(clause).en)

    def make_relative_subject(self):
        """제가 어제 산 책은 비싸요. The book that I bought yesterday is expensive."""
        verbs = [verb for verb in self.verbs if verb.ko in KEEPING.split()]
        clause, noun, which = self.draw_relative(verbs, ['past', 'present', 'future'])
        adjectives = read_table(ADJECTIVES)
        fitting = [row for row in adjectives if noun.ko in row[3].split()]
        if not fitting:
            return self.make_relative_subject()
        ko, en, *_ = self.choose(fitting)
        tense = self.choose({'present': 2, 'past': 1})
        degree = self.choose_phrase(DEGREES)
        verb = conjugate(ko, tense, self.style, is_adjective=True)
        be = get_be('they' if is_plural(noun) else 'it', tense)
        ko_text = join(which.ko, with_particle(noun.ko, '은/는'), degree.ko, verb)
        en_text = join('the', noun.en, 'that', which.en, be, degree.en, en)
        return [*get_keys(clause), (noun.ko, ko)], Phrase(ko_text, en_text)

    def make_relative_object(self):
        """저는 유나가 만든 빵을 먹었다. I ate the bread that Yuna made."""
        verbs = [verb for verb in self.verbs if verb.ko in MAKING]
        relative, noun, which = self.draw_relative(verbs, ['past'])
        verbs = [
            verb
            for verb in self.verbs
            if noun.ko in verb.objects and verb.ko in USING and verb != relative.verb
        ]
        if not verbs:
            return self.make_relative_object()
        form = self.choose({'plain': 4, '-고 싶다': 1, '못': 1, '-지 않다': 1})
        clause = self.draw_clause([form], ['past', 'future', 'could'], verbs)
        if clause.subject.pronoun == relative.subject.pronoun:
            return self.make_relative_object()
        ko = join(which.ko, with_particle(noun.ko, '을/를'))
        phrase = Phrase(ko, f'the {noun.en} that {which.en}')
        clause = clause._replace(
            names=[noun.ko], object=phrase, place=NOTHING, time=NOTHING
        )
        return get_keys(clause) + get_keys(relative), self.say(clause)

    # Patterns: how things are

    def draw_quality(self):
        """Return an adjective's Korean, English and comparative, and two nouns for it.

        What is counted alike can be compared.
        """
        ko, en, more, names = self.choose(read_table(ADJECTIVES))
        first, second = self.rng.sample([self.nouns[name] for name in names.split()], 2)
        is_skill = first.ko in SKILLS, second.ko in SKILLS
        if first.counter != second.counter or len({*is_skill}) > 1:
            return self.draw_quality()
        return (ko, en, more), first, second

    def point_at(self, noun, words=('이 this', '그 that')):
        """Return a noun with this or that; 한국어, Korean, as it is."""
        if noun.ko in SKILLS:
            return Phrase(noun.ko, noun.en)
        ko, en = self.choose(words).split()
        return Phrase(f'{ko} {noun.ko}', with_this(noun, en))

    def make_description(self):
        """이 책은 아주 재미있어요. This book is very interesting."""
        (word, adjective, _), noun, _ = self.draw_quality()
        thing, degree = self.point_at(noun), self.choose_phrase(DEGREES)
        tense = self.choose({'present': 2, 'past': 1})
        form = self.choose({'plain': 3, '안': 1, '-지 않다': 1})
        be = get_be('they' if is_plural(noun) else 'it', tense)
        if form != 'plain':
            be, degree = negate(be), NOTHING
        verb = conjugate(extend(word, form), tense, self.style, is_adjective=True)
        ko = join(with_particle(thing.ko, '은/는'), degree.ko, verb)
        return [(noun.ko, word)], Phrase(ko, join(thing.en, be, degree.en, adjective))

    def make_comparison(self):
        """이 책은 그 책보다 더 비싸요. This book is more expensive than that book."""
        (word, _, more), noun, other = self.draw_quality()
        thing, than = (
            self.point_at(noun, ['이 this']),
            self.point_at(other, ['그 that']),
        )
        is_question = self.rng.random() < 0.3
        if is_question:
            self.speak()
        tense = self.choose({'present': 3, 'past': 1})
        be = get_be('they' if is_plural(noun) else 'it', tense)
        verb = conjugate(word, tense, self.style, True, is_question)
        ko = join(with_particle(thing.ko, '은/는'), f'{than.ko}보다 더', verb)
        en = join(thing.en, be, more, 'than', than.en)
        if is_question:
            en = join(be, thing.en, more, 'than', than.en) + '?'
        return [(noun.ko, word, other.ko)], Phrase(ko, en)

    def make_mood(self):
        """민수 씨는 어제 아주 피곤했어요. Minsu was very tired yesterday."""
        subject, mood = self.draw_subject(), self.choose_phrase(MOODS)
        tense = self.choose(['past', 'present'])
        form = self.choose({'plain': 3, '-지 않다': 1})
        time = self.choose_phrase(MOOD_TIMES[tense])
        degree = self.choose_phrase(DEGREES) if form == 'plain' else NOTHING
        word = extend(mood.ko, form, is_elder=is_honoured(subject))
        verb = conjugate(word, tense, self.style, is_adjective=True)
        ko = join(self.name(subject, '은/는'), time.ko, degree.ko, verb)
        be = get_be(subject.pronoun, tense)
        be = be if form == 'plain' else negate(be)
        en = join(subject.en, be, degree.en, mood.en, time.en)
        return [(subject.ko, mood.ko)], Phrase(ko, en)

    def make_job(self):
        """민수 씨는 의사가 아니에요. Minsu isn't a doctor."""
        subject, job = self.draw_subject(), self.choose_phrase(JOBS)
        if subject.ko in [*ELDERS, '아이들', '학생들']:
            return self.make_job()
        tense = self.choose({'present': 2, 'past': 1})
        is_negative = self.rng.random() < 0.3
        ko = self.name(subject, '은/는') + ' '
        ko += with_copula(job.ko, tense, self.style, is_negative)
        be = get_be(subject.pronoun, tense)
        be = negate(be) if is_negative else be
        is_many = subject.pronoun in ('we', 'they')
        one = f'{job.en}s' if is_many else with_article(Noun(job.ko, job.en, 's'))
        return [(subject.ko, job.ko)], Phrase(ko, join(subject.en, be, one))

    # Patterns: numbers, times and places

    def make_price(self):
        """이 가방은 삼만 오천 원이에요. This bag is 35,000 won."""
        name = self.choose(read_table(ADJECTIVES)[0][3].split())
        thing, price = self.point_at(self.nouns[name]), self.rng.randrange(1, 100)
        tens, ones = (DIGITS[digit] for digit in divmod(price, 10))
        ten_thousands = tens.replace('일', '') + '만' if price >= 10 else ''
        thousands = ones.replace('일', '') + '천' if price % 10 else ''
        won = with_copula('원', 'present', self.style)
        ko = join(with_particle(thing.ko, '은/는'), ten_thousands, thousands, won)
        be = 'are' if is_plural(self.nouns[name]) else 'is'
        return [(name, str(price))], Phrase(ko, f'{thing.en} {be} {price},000 won')

    def make_birthday(self):
        """제 생일은 5월 3일이에요. My birthday is May 3."""
        subject = self.choose([one for one in self.subjects if one.ko in BORN])
        month, day = self.rng.randrange(12), self.rng.randrange(1, 29)
        owner = '제' if self.style in ('해요', '합니다') else '내'
        owner = owner if subject.ko == '나' else f'{self.name(subject)}의'
        ko = with_copula(f'{month + 1}월 {day}일', 'present', self.style)
        my = 'my' if subject.ko == '나' else f"{subject.en}'s"
        en = f'{my} birthday is {MONTHS.split()[month]} {day}'
        return [(subject.ko, str(month), str(day))], Phrase(f'{owner} 생일은 {ko}', en)

    def make_schedule(self):
        """수업은 오전 아홉 시에 시작해요. The class starts at 9 a.m."""
        event, verb = self.choose_phrase(EVENTS), self.choose_phrase(HAPPENING)
        tense = self.choose({'present': 2, 'past': 1, 'future': 1})
        hour, day = self.draw_hour(), NOTHING
        if tense != 'present':
            day = self.choose_phrase(SCHEDULE_DAYS[tense])
        ko = join(with_particle(event.ko, '은/는'), day.ko, hour.ko)
        ko = join(ko, conjugate(verb.ko, tense, self.style))
        en = join(event.en, get_predicate('it', verb.en, tense), hour.en, day.en)
        return [(event.ko, verb.ko, hour.ko)], Phrase(ko, en)

    def make_existence(self):
        """방에 고양이가 두 마리 있어요. There are two cats in the room."""
        *noun, rooms = self.choose(read_table(LIVING))
        noun, room = Noun(*noun), self.choose(rooms.split())
        room = Phrase(room, read_pairs(ROOMS)[room])
        tense = self.choose(['past', 'present'])
        is_negative = self.rng.random() < 0.2
        some = self.count(noun, '이/가', n_most=12)
        if is_negative:
            some = Phrase(with_particle(noun.ko, '이/가'), f'no {noun.plural}')
        verb = conjugate('없다' if is_negative else '있다', tense, self.style)
        be = get_be('it' if some.en.startswith('one ') else 'they', tense)
        phrase = Phrase(
            join(f'{room.ko}에', some.ko, verb), f'there {be} {some.en} {room.en}'
        )
        return [(noun.ko, room.ko)], phrase

    def make_position(self):
        """열쇠는 책상 위에 있어요. The key is on the desk."""
        noun = self.nouns[self.choose(THINGS.split())]
        place, position = self.choose_phrase(FURNITURE), self.choose_phrase(POSITIONS)
        tense = self.choose(['past', 'present'])
        verb = conjugate('있다', tense, self.style)
        ko = f'{with_particle(noun.ko, "은/는")} {place.ko} {position.ko}에 {verb}'
        be = get_be('they' if is_plural(noun) else 'it', tense)
        en = f'the {noun.en} {be} {position.en} {place.en}'
        return [(noun.ko, place.ko, position.ko)], Phrase(ko, en)

    # Patterns: what somebody shall do

    def make_request(self):
        """창문을 여세요. Please open the window."""
        verb = self.choose(
            [verb for verb in self.verbs if verb.ko in REQUESTED.split()]
        )
        names, phrase = self.draw_object(verb)
        is_polite = self.style in ('해요', '합니다')
        word = HONORIFICS.get(verb.ko, verb.ko) if is_polite else verb.ko
        is_negative = self.rng.random() < 0.3
        if is_negative:
            ending = {
                '해요': '마세요',
                '합니다': '마십시오',
                '한다': '마라',
                '해': '마',
            }
            ko = f'{word[:-1]}지 {ending[self.style]}'
        elif self.style == '합니다':
            ko = with_ending(show_respect(verb.ko), 'ㅂ', '시오')
        elif self.style == '해요':
            ko = conjugate(show_respect(verb.ko), 'present', '해요')[:-1]
        else:
            ko = get_infinitive(word) + ('라' if self.style == '한다' else '')
        please = 'please' if is_polite else ''
        en = join(please, "don't" if is_negative else '', verb.en, phrase.en)
        keys = [('', verb.ko, name) for name in names]
        return keys, Phrase(f'{phrase.ko} {ko}.', en)

    def make_proposal(self):
        """내일 같이 영화를 봅시다. Let's watch a movie tomorrow."""
        verbs = [verb for verb in self.verbs if verb.ko in PROPOSED.split()]
        clause = self.draw_clause(['plain'], ['future'], verbs)
        word = clause.verb.ko
        ko = {
            '해요': f'{get_infinitive(word)}요',
            '합니다': with_ending(word, 'ㅂ', '시다'),
            '한다': f'{word[:-1]}자',
            '해': f'{word[:-1]}자',
        }[self.style]
        ko = join(clause.time.ko, '같이', clause.place.ko, clause.object.ko, ko)
        en = join("let's", clause.verb.en, clause.object.en, clause.place.en)
        clause = clause._replace(subject=Subject('같이', '', ''))
        return get_keys(clause), Phrase(f'{ko}.', join(en, clause.time.en))


# How often each pattern is used.
PATTERNS = {
    Author.make_statement: 30,
    Author.make_question: 8,
    Author.make_who: 3,
    Author.make_what: 3,
    Author.make_where: 3,
    Author.make_when: 2,
    Author.make_why: 2,
    Author.make_sequence: 6,
    Author.make_contrast: 5,
    Author.make_not_both: 4,
    Author.make_reason: 6,
    Author.make_condition: 6,
    Author.make_company: 5,
    Author.make_journey: 4,
    Author.make_gift: 5,
    Author.make_relative_subject: 7,
    Author.make_relative_object: 5,
    Author.make_description: 6,
    Author.make_comparison: 6,
    Author.make_mood: 3,
    Author.make_job: 3,
    Author.make_price: 4,
    Author.make_birthday: 2,
    Author.make_schedule: 4,
    Author.make_existence: 4,
    Author.make_position: 4,
    Author.make_request: 4,
    Author.make_proposal: 3,
}


# ------------------------------------------------------------------------------- files

# A sentence with more Korean words is not short.
N_SHORT_WORDS = 5


@functools.cache
def get_part(combination):
    """Return the part of the sample to which all sentences with a combination go.

    By its hash: ten of a hundred to valid, ten to test.
    """
    digest = hashlib.sha256('|'.join(combination).encode()).digest()
    percent = int.from_bytes(digest[:4], 'big') % 100
    return 'test' if percent < 10 else 'valid' if percent < 20 else 'train'


def make_part(author, part, size, part_of):
    """Return `size` different sentences whose combinations all belong to a part.

    Arguments:
        part_of: the part in which each sentence of either language stands.
    """
    pairs = {}
    while len(pairs) < size:
        make = author.choose(PATTERNS)
        combinations, (ko, en) = author.write(make)
        while {*map(get_part, combinations)} != {part}:
            combinations, (ko, en) = author.write(make)
        en = finish(en)
        if part_of.get(ko, part) == part_of.get(en, part) == part:
            pairs[ko] = en
            part_of[ko] = part_of[en] = part
    return pairs


def write_part(folder, part, pairs):
    """Write PART.ko and PART.en into a folder.

    Arguments:
        pairs: a list of (Korean, English).
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for language, lines in zip(('ko', 'en'), zip(*pairs, strict=True), strict=True):
        text = ''.join(f'{line}\n' for line in lines)
        fn = folder / f'{part}.{language}'
        fn.write_text(text, encoding='utf-8', newline='\n')


def main(config):
    """Write train, valid and test, and the short sentences of each once more."""
    author, part_of = Author(config.seed), {}
    sizes = {'train': config.n_train, 'valid': config.n_valid, 'test': config.n_test}
    for part, size in sizes.items():
        pairs = list(make_part(author, part, size, part_of).items())
        write_part(config.out_dir, part, pairs)
        short = [pair for pair in pairs if len(pair[0].split()) <= N_SHORT_WORDS]
        if config.short_dir and short:
            write_part(config.short_dir, part, short)


def define_argparser():
    """Return the parser of the command line."""
    description = 'Write the sample of Korean-English sentence pairs.'
    p = get_argparser(description, has_model=False)
    p.add_argument('--out_dir', default='sample', help='folder to write to')
    p.add_argument('--short_dir', help='folder for the short sentences; None: nowhere')
    p.add_argument('--n_train', type=int, default=9000, help='pairs to train on')
    p.add_argument('--n_valid', type=int, default=500, help='pairs to validate on')
    p.add_argument('--n_test', type=int, default=500, help='pairs to test on')
    p.add_argument('--seed', type=int, default=0, help='of the random numbers')
    return p


if __name__ == '__main__':
    main(define_argparser().parse_args())
