"""The words of the pages that come from no file of the repository, in each language."""

TEXTS = {
    'en': {
        'language': 'English',
        'toc_chapters': 'Chapters',
        'toc_more': 'More',
        'map': 'The map',
        'map_intro': (
            'Each chapter is a copy of another one with one new idea. A line leads '
            'from a chapter to those that are adapted from it; a dashed line '
            'is for single files.'
        ),
        'map_label': 'All chapters, in the order in which they are read',
        'from': 'from',
        'results': 'The results',
        'results_intro': (
            'Measured with the default options of each chapter. The command, the data '
            'and the machine are on its page.'
        ),
        'chapter': 'chapter',
        'data': 'data',
        'result': 'result',
        'figures': 'The pictures',
        'figures_intro': 'Each was drawn by the program of its chapter.',
        'course': 'About the course',
        'lineage': 'Lineage',
        'adapted_from': 'Adapted from',
        'root': 'Adapted from no other chapter',
        'children': 'Leads to',
        'file_children': 'Single files in',
        'no_children': 'No chapter is adapted from it',
        'code': 'The code',
        'code_intro': (
            'Each file as what changed since its parent. <em>Kept</em> is the same, '
            'byte for byte, and links to the chapter where it was written. '
            '<em>Changed</em> is a diff: <b>+</b> was added, <b>−</b> removed. '
            '<em>New</em> is shown in full.'
        ),
        'file_adapted': 'Adapted from {origins}.',
        'file_own': 'A file of its own: {reason}.',
        'file_new': 'A new file.',
        'view': 'View of {file}',
        'changes': 'What changed',
        'whole': 'Whole file',
        'kept': 'kept',
        'changed': 'changed',
        'new': 'new',
        'kept_from': 'from {chapter}',
        'preamble': 'Docstring and imports',
        'guards': ' is the same file in all chapters. Read it in {chapter}.',
        'diagram': 'The network',
        'try': 'Try it here',
        'try_intro': (
            'The networks of this chapter, trained with its default options, run in '
            'your browser. Nothing is sent anywhere.'
        ),
        'try_size': (
            'The networks are {size}, and what runs them is {runtime}: both are loaded '
            'when you press the button.'
        ),
        'try_noscript': 'This needs JavaScript. The rest of the page works without it.',
        'untranslated': 'This page has not been translated yet.',
        'enlarge': 'Open the picture in full size',
        'theme': {},
    },
    'ko': {
        'language': '한국어',
        'toc_chapters': '챕터',
        'toc_more': '더 보기',
        'map': '챕터 지도',
        'map_intro': (
            '각 챕터는 다른 챕터를 복사해서 새로운 것을 하나 더한 프로그램이에요. '
            '실선은 바탕이 된 챕터에서, 점선은 파일 하나만 가져온 챕터에서 이어져요.'
        ),
        'map_label': '읽는 순서로 나열한 모든 챕터',
        'from': '바탕:',
        'results': '결과',
        'results_intro': (
            '각 챕터의 기본 옵션으로 측정했어요. 명령과 데이터, 컴퓨터 사양은 챕터 '
            '페이지에 있어요.'
        ),
        'chapter': '챕터',
        'data': '데이터',
        'result': '결과',
        'figures': '그림',
        'figures_intro': '모두 그 챕터의 프로그램이 그린 그림이에요.',
        'course': '강좌 소개',
        'lineage': '챕터의 관계',
        'adapted_from': '바탕이 된 챕터:',
        'root': '다른 챕터를 바탕으로 하지 않아요',
        'children': '이어지는 챕터:',
        'file_children': '파일 하나만 이어지는 챕터:',
        'no_children': '이 챕터에서 이어지는 챕터는 없어요',
        'code': '코드',
        'code_intro': (
            '파일마다 바탕이 된 챕터에서 달라진 점을 보여 줘요. <em>유지</em>는 한 '
            '글자도 다르지 않은 코드이고, 링크를 누르면 그 코드를 쓴 챕터로 가요. '
            '<em>변경</em>은 diff로 보여 줘요. <b>+</b>는 추가한 줄, <b>−</b>는 '
            '삭제한 줄이에요. <em>추가</em>는 새로 쓴 코드예요. 이유와 주석은 '
            '영어로 적혀 있어요.'
        ),
        'file_adapted': '바탕이 된 파일: {origins}',
        'file_own': '이 챕터에만 있는 파일: {reason}',
        'file_new': '새 파일이에요.',
        'view': '{file} 보기 방식',
        'changes': '달라진 점',
        'whole': '전체 파일',
        'kept': '유지',
        'changed': '변경',
        'new': '추가',
        'kept_from': '({chapter})',
        'preamble': '독스트링과 import',
        'guards': '는 모든 챕터에서 똑같은 파일이에요. {chapter}에서 읽어 보세요.',
        'diagram': '신경망의 구조',
        'try': '여기서 해 보기',
        'try_intro': (
            '이 챕터의 기본 옵션으로 학습한 모델이 브라우저 안에서 돌아가요. 입력한 '
            '내용은 어디로도 전송되지 않아요.'
        ),
        'try_size': (
            '모델은 {size}, 모델을 실행하는 프로그램은 {runtime}이고, '
            '버튼을 누르면 불러와요.'
        ),
        'try_noscript': (
            '여기에는 JavaScript가 필요해요. 나머지는 JavaScript 없이도 볼 수 있어요.'
        ),
        'untranslated': '아직 번역하지 않은 페이지라서 영어 원문을 보여 드려요.',
        'enlarge': '그림을 원래 크기로 보기',
        # What the theme says, which has no catalogue for Korean.
        'theme': {
            'On this page': '이 페이지의 내용',
            'Next': '다음',
            'Previous': '이전',
            'Home': '처음',
            'Back to top': '맨 위로',
            'Skip to content': '본문으로 건너뛰기',
        },
    },
}
