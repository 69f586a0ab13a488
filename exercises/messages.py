"""Every line that a learner reads, in English and in Korean."""

import os

LANGUAGES = ('en', 'ko')

KINDS = {
    'fault': ('find the fault', '오류 찾기'),
    'write': ('write it', '직접 작성'),
    'shape': ('say the shape', 'shape 맞히기'),
    'change': ('change it', '바꿔 보기'),
}

MESSAGES = {
    # Commands
    'usage': (
        'python exercises.py COMMAND [--lang en|ko]\n'
        '\n'
        '  list          all exercises by chapter, and which of them are done\n'
        '  start NAME    copy the chapter into work/NAME, with the exercise in it\n'
        '  check [NAME]  check what you wrote; without NAME, the latest exercise\n'
        '  hint NAME     the next of three hints: where, why, what\n'
        '  solve NAME    show the solution as a diff, with its reason\n'
        '  reset NAME    start the exercise again; your changes are lost\n'
        '  report --format csv   the progress as a table\n'
        '\n'
        '  --yes         answer yes to all questions',
        'python exercises.py 명령 [--lang en|ko]\n'
        '\n'
        '  list          챕터별 연습 문제와 진행 상황을 보여 줘요\n'
        '  start 이름    챕터를 work/이름 폴더에 복사하고 문제를 넣어 줘요\n'
        '  check [이름]  작성한 코드를 채점해요. 이름이 없으면 최근 문제를 채점해요\n'
        '  hint 이름     힌트를 하나씩 보여 줘요: 어디, 왜, 무엇\n'
        '  solve 이름    정답을 diff와 해설로 보여 줘요\n'
        '  reset 이름    문제를 처음 상태로 되돌려요. 고친 내용은 사라져요\n'
        '  report --format csv   진행 상황을 표로 출력해요\n'
        '\n'
        '  --yes         모든 질문에 예라고 답해요',
    ),
    'bad_command': (
        'error: {error}; `python exercises.py --help` shows the commands',
        '오류: {error}. 명령 목록은 `python exercises.py --help`에서 볼 수 있어요.',
    ),
    'error': ('error: {error}', '오류: {error}'),
    'broken_progress': (
        'error: {error}; repair the file or move it away: it is not overwritten',
        '오류: {error}. 파일을 고치거나 다른 곳으로 옮기세요. 덮어쓰지 않아요.',
    ),
    'unknown': (
        'error: there is no exercise {name}; did you mean {guess}?',
        '오류: {name}이라는 문제가 없어요. 혹시 {guess}인가요?',
    ),
    'no_name': (
        'error: no exercise was started; `python exercises.py list` shows them',
        '오류: 시작한 문제가 없어요. `python exercises.py list`로 목록을 보세요.',
    ),
    'interrupted': (
        'interrupted; what you wrote is as it was',
        '중단했어요. 작성한 내용은 그대로 있어요.',
    ),
    'yes_or_no': ('{question} [y/N] ', '{question} [y/N] '),
    # start and reset
    'started': (
        '{title}\n\n{task}\n\nEdit the files in {folder}, then run:\n'
        '  python exercises.py check {name}',
        '{title}\n\n{task}\n\n{folder} 폴더의 파일을 고친 다음 실행하세요.\n'
        '  python exercises.py check {name}',
    ),
    'already_started': (
        '{folder} is already there, with what you wrote. To start again: '
        'python exercises.py reset {name}',
        '{folder} 폴더가 이미 있고, 작성한 내용도 그대로예요. 처음부터 다시 하려면: '
        'python exercises.py reset {name}',
    ),
    'really_reset': (
        'Start {name} again? Your changes in {folder} are lost.',
        '{name} 문제를 처음부터 다시 할까요? {folder}에서 고친 내용은 사라져요.',
    ),
    'nothing_changed': ('Nothing was changed.', '아무것도 바꾸지 않았어요.'),
    # check
    'checking': ('Checking {name} …', '{name} 문제를 채점하고 있어요 …'),
    'passed': (
        'Right: {name} is solved. It took {checks} checks and {hints} hints.',
        '정답이에요! {name} 문제를 풀었어요. 채점 {checks}번, 힌트 {hints}개를 썼어요.',
    ),
    'failed': (
        'Not yet: {sentence}\nNext hint: python exercises.py hint {name}',
        '아직이에요. {sentence}\n다음 힌트: python exercises.py hint {name}',
    ),
    'printed': ('Your code printed:', '코드가 출력한 내용이에요:'),
    'more_output': ('… and more', '… 그 밖에 더 있어요'),
    'syntax_error': (
        '{file}, line {line}: Python cannot read this: {error}.',
        '{file} {line}번째 줄: Python 문법에 맞지 않아요: {error}.',
    ),
    'file_missing': (
        '{file} is missing in work/{name}. `python exercises.py reset {name}` '
        'makes the folder again; save your other files first.',
        'work/{name} 폴더에 {file} 파일이 없어요. `python exercises.py reset {name}`'
        '으로 폴더를 다시 만들 수 있어요. 다른 파일은 먼저 백업하세요.',
    ),
    'no_folder': (
        'there is no folder work/{name}: python exercises.py start {name}',
        'work/{name} 폴더가 없어요: python exercises.py start {name}',
    ),
    'no_torch': (
        'this Python ({python}) has no torch; use .venv/bin/python, or '
        'pip install -r requirements.txt',
        '이 Python({python})에는 torch가 없어요. .venv/bin/python을 쓰거나 '
        'pip install -r requirements.txt를 실행하세요.',
    ),
    'not_written': (
        '{file}, line {line}: this function is not written yet.',
        '{file} {line}번째 줄: 함수를 아직 작성하지 않았어요.',
    ),
    'module_missing': (
        '{file}, line {line}: a module is missing: {error}.',
        '{file} {line}번째 줄: 모듈을 찾을 수 없어요: {error}.',
    ),
    'exit_called': (
        '{file}, line {line}: the program ends itself here ({error}).',
        '{file} {line}번째 줄: 여기서 프로그램이 스스로 끝나요({error}).',
    ),
    'recursion': (
        '{file}, line {line}: a function calls itself without end.',
        '{file} {line}번째 줄: 함수가 자기 자신을 끝없이 호출해요.',
    ),
    'error_in_file': (
        '{file}, line {line}: {error}',
        '{file} {line}번째 줄: {error}',
    ),
    'error_of_check': (
        'the check could not use what your code returned or defined ({error}). '
        'Does it do what its docstring says?',
        '코드가 돌려준 값이나 정의한 이름을 채점에 쓸 수 없어요({error}). '
        'docstring에 적힌 대로 동작하나요?',
    ),
    'time_limit': (
        'your code did not finish within {seconds} seconds, and was stopped. '
        'Is there a loop that does not end?',
        '코드가 {seconds}초 안에 끝나지 않아서 멈췄어요. 끝나지 않는 반복문이 있나요?',
    ),
    'output_limit': (
        'your code printed more than a million characters, and was stopped. '
        'Is there a print in a loop?',
        '코드가 백만 자 넘게 출력해서 멈췄어요. 반복문 안에 print가 있나요?',
    ),
    'no_result': (
        'the process of your code ended by itself, with exit status {status}.',
        '코드를 실행하던 프로세스가 종료 코드 {status}로 끝나 버렸어요.',
    ),
    # The question after a change
    'choose': ('Your answer (a letter): ', '답(글자 하나): '),
    'right_answer': ('Right. {comment}', '맞아요. {comment}'),
    'wrong_answer': ('No. {comment}', '아니에요. {comment}'),
    'no_answer': (
        'The question is asked again after the next check.',
        '다음에 채점할 때 다시 물어볼게요.',
    ),
    # hint and solve
    'where': ('Where: {text}', '어디: {text}'),
    'why': ('Why: {text}', '왜: {text}'),
    'what': ('What: {text}', '무엇: {text}'),
    'really_solve': (
        'Show the solution of {name}?',
        '{name} 문제의 정답을 볼까요?',
    ),
    'no_reset_of_shapes': (
        'The questions of {name} start again.',
        '{name} 문제를 처음부터 다시 물어볼게요.',
    ),
    # Shapes
    'shape_title': ('Say the shapes of this chapter', '이 챕터의 shape 맞히기'),
    'shape_intro': (
        'Which shape belongs at the mark? Answer with names, such as {example}.\n'
        'Enter alone leaves a question out; ? shows its answer; Ctrl-C ends.',
        '표시한 자리의 shape은 무엇일까요? {example}처럼 이름으로 답하세요.\n'
        'Enter만 누르면 건너뛰고, ?는 정답을 보여 주고, Ctrl-C는 끝내요.',
    ),
    'shape_question': (
        '{number} of {total}: {place}',
        '{total}문제 중 {number}번: {place}',
    ),
    'shape_names': ('Names and numbers: {names}', '쓸 수 있는 이름과 숫자: {names}'),
    'shape_right': ('Right: {shape}', '맞아요: {shape}'),
    'shape_answer': ('It is {shape}.', '정답은 {shape}예요.'),
    'shape_form': (
        'Write names in parentheses, such as {example}.',
        '{example}처럼 괄호 안에 이름을 쓰세요.',
    ),
    'shape_n_dimensions': (
        'You gave {found} dimensions, the tensor has {expected}.',
        '{found}차원으로 답했는데, 이 텐서는 {expected}차원이에요.',
    ),
    'shape_dimension': (
        'Dimension {position} is not {found}.',
        '{position}번 차원이 틀렸어요: {found}.',
    ),
    'shape_order': (
        'These are the right names in another order.',
        '이름은 모두 맞지만 순서가 달라요.',
    ),
    'shape_made_by': (
        'Look at the line that makes it: `{code}`',
        '이 텐서를 만드는 줄을 보세요: `{code}`',
    ),
    'shape_known': (
        'Known in this line: {known}.',
        '이 줄에 나오는 shape: {known}.',
    ),
    'shape_left': (
        '{n_right} of {total} are answered. Go on: python exercises.py check {name}',
        '{total}문제 중 {n_right}문제를 맞혔어요. '
        '계속하려면: python exercises.py check {name}',
    ),
    'hint_where': ('{place}: {code}', '{place}: {code}'),
    'hint_why': (
        'it has {n} dimensions',
        '{n}차원이에요',
    ),
    'hint_what': ('the first of them is {first}', '첫 번째 차원은 {first}예요'),
}


def in_all_languages(key, **values):
    """Return a message in English and in Korean."""
    return tuple(text.format(**values) for text in MESSAGES[key])


def say(language, key, **values):
    """Return a message in one language."""
    return in_all_languages(key, **values)[LANGUAGES.index(language)]


def default_language():
    """Return the language of the environment: ko for Korean, else en."""
    names = (os.environ.get(name) for name in ('LC_ALL', 'LC_MESSAGES', 'LANG'))
    first = next(filter(None, names), '')
    return 'ko' if first.lower().startswith('ko') else 'en'
