"""What checks are made of: comparisons that say what differs, and looks inside.

A sentence for a learner is always a pair: English and Korean.
"""

import contextlib
import copy
import io
from types import SimpleNamespace


class CheckError(Exception):
    """What is wrong, found deep inside a check: in English and in Korean."""


def get_config(**options):
    """Return options as the functions of a chapter take them, without messages."""
    return SimpleNamespace(**{'verbose': 0, **options})


def random_tensor(*shape):
    """Return normal random numbers; the seed is set before each check."""
    import torch

    return torch.randn(*shape)


def first_difference(name, found, expected, tolerance=1e-4):
    """Say where a tensor first differs from the expected one; None: nowhere.

    Arguments:
        name: what the tensor is called in the code of the learner.
        found: what this code returned.
        expected: a tensor of the right shape with the right values.
    """
    import torch

    if not isinstance(found, torch.Tensor):
        kind = type(found).__name__
        return (
            f'{name} should be a tensor, but it is of type {kind}.',
            f'{name}: 텐서여야 하는데 타입이 {kind}이에요.',
        )
    if found.shape != expected.shape:
        shapes = tuple(found.shape), tuple(expected.shape)
        return (
            f'|{name}| is {shapes[0]}, expected {shapes[1]}.',
            f'|{name}|: shape이 {shapes[0]}인데 {shapes[1]}이어야 해요.',
        )
    gap = (found.double() - expected.double()).abs()
    wrong = ~(gap <= tolerance * (1 + expected.double().abs()))
    if not wrong.any():
        return None
    place = tuple(wrong.nonzero()[0].tolist())
    values = f'{found[place].item():.4g}', f'{expected[place].item():.4g}'
    where = f'{name}[{", ".join(map(str, place))}]' if place else name
    return (
        f'The shapes agree. The first difference is at {where}: '
        f'it is {values[0]}, expected {values[1]}.',
        f'shape은 맞아요. 처음으로 다른 값은 {where}예요. '
        f'{values[0]}인데 {values[1]}이어야 해요.',
    )


@contextlib.contextmanager
def recorded(owner, name, result=None):
    """Replace a method or function in a block; yield the list of its calls.

    Each call is the tuple of its arguments, and returns the result.
    """
    calls, original = [], getattr(owner, name)

    def record(*args, **options):
        calls.append(args)
        return result

    setattr(owner, name, record)
    try:
        yield calls
    finally:
        setattr(owner, name, original)


def run_program(program, *arguments):
    """Run the main() of a module with a command line; return what it printed.

    Messages on stderr are dropped. Files go into the current folder, which is a
    temporary one during a check.

    Raises:
        CheckError: the program has no such option.
    """
    words, output, messages = [*map(str, arguments)], io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(messages):
        try:
            config = program.define_argparser().parse_args(words)
        except SystemExit as error:
            reason = messages.getvalue().strip().rpartition('error: ')[2]
            name = f'{program.__name__}.py'
            raise CheckError(
                f'{name} does not take an option of the task yet: {reason}.',
                f'{name}에 과제의 옵션이 아직 없어요: {reason}.',
            ) from error
        program.main(config)
    return output.getvalue()


def compare_steps(train, x, y, crit, model, n_steps=3):
    """Compare a training with gradient descent that is written out here.

    Arguments:
        train: a function of model, optimizer and the number of steps. Each step uses
            all of x and y.
        model: the model to begin with; both trainings get a copy of it.

    Returns:
        None, or what differs after the first step that is wrong.
    """
    import torch

    for n in range(1, n_steps + 1):
        found, expected = copy.deepcopy(model), copy.deepcopy(model)
        for _ in range(n):
            parameters = list(expected.parameters())
            gradients = torch.autograd.grad(crit(expected(x), y), parameters)
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter.data -= 0.01 * gradient
        train(found, torch.optim.SGD(found.parameters(), lr=0.01), n)
        pairs = zip(found.parameters(), expected.parameters(), strict=True)
        if all(torch.allclose(a, b, atol=1e-5) for a, b in pairs):
            continue
        if all(map(torch.equal, found.parameters(), model.parameters())):
            return (
                'The parameters do not change. Which gradient does the step use?',
                '파라미터가 변하지 않아요. step은 어떤 기울기를 쓰나요?',
            )
        if n > 1:
            return (
                f'{n - 1} step(s) are right, but step {n} is not. '
                'What is still there from the step before?',
                f'{n - 1}번째 step까지는 맞지만 {n}번째 step부터 틀려요. '
                '앞 step에서 무엇이 남아 있나요?',
            )
        return (
            'The first step is already wrong: each parameter should become '
            'parameter - lr * gradient of the loss.',
            '첫 step부터 틀려요. 각 파라미터는 '
            '파라미터 - lr * (손실의 기울기)가 되어야 해요.',
        )
    return None


def compare_models(expected_class, found_class, arguments, *inputs):
    """Compare two classes of models that get the same weights and the same inputs.

    Arguments:
        expected_class, found_class: that of chapter.original, and that of the learner.
        arguments: a dict of what both are built with.

    Returns:
        None, or the first difference of what they return.
    """
    import torch

    expected, found = expected_class(**arguments), found_class(**arguments)
    expected.load_state_dict(found.state_dict())
    with torch.no_grad():
        outputs = found.eval()(*inputs), expected.eval()(*inputs)
    return first_difference('y_hat', *outputs)


def build_trainer(chapter, model, crit, optimizer, **options):
    """Return the Trainer of a chapter that uses Ignite; it saves into x.pth.

    Arguments:
        options: those of the training that differ from one silent epoch.
    """
    config = {'seed': 0, 'n_epochs': 1, 'early_stop': 0, 'verbose': 0}
    config |= {'log_dir': None, 'model_fn': 'x.pth', 'amp': 'off', **options}
    checkpoint = {'chapter': chapter.folder.name, 'config': config}
    return chapter.trainer.Trainer(model, crit, optimizer, {}, checkpoint)


def compare_final_states(chapter):
    """Compare the logits of 07's SequenceClassifier with those of its final states.

    They are those of both directions of the last layer, in any order, without padding.

    Returns:
        None, or the first difference.
    """
    import torch

    sizes = {'input_size': 4, 'output_size': 3, 'hidden_size': 5}
    model = chapter.model.SequenceClassifier(**sizes, n_layers=2, dropout_p=0.5).eval()
    x, lengths = random_tensor(3, 1, 6, 4), torch.tensor([6, 2, 4])

    def get_expected(x):
        h_n = model.rnn(x.squeeze(1))[1]
        h_n = h_n[0] if isinstance(h_n, tuple) else h_n
        orders = (h_n[-2], h_n[-1]), (h_n[-1], h_n[-2])
        return [model.linear(torch.cat(states, dim=-1)) for states in orders]

    with torch.no_grad():
        y_hat = model(x)
        differences = [first_difference('y_hat', y_hat, y) for y in get_expected(x)]
        if all(differences):
            english, korean = differences[0]
            return (
                f'{english} Which rows has each direction read before its numbers are '
                'classified?',
                f'{korean} 각 방향은 분류에 쓰이는 값을 내기까지 어느 행들을 읽었나요?',
            )
        order = differences.index(None)
        for i, y_hat_i in enumerate(model(x, lengths)):
            n_rows = lengths[i].item()
            expected = get_expected(x[i : i + 1, :, :n_rows])[order][0]
            if not torch.allclose(y_hat_i, expected, atol=1e-4):
                return (
                    f'With lengths={lengths.tolist()}, the logits of image {i} are not '
                    f'those of its first {n_rows} rows alone.',
                    f'lengths가 {lengths.tolist()}일 때 {i}번 이미지의 로짓이 처음 '
                    f'{n_rows}행만 읽은 로짓과 달라요.',
                )
        model.train()
        model.rnn.dropout = 0.0
        if torch.equal(model(x), model(x)) or model.dropout.p != 0.5:
            return (
                'In training, no dropout is applied to the features.',
                '학습할 때 특징에 드롭아웃을 적용하지 않아요.',
            )
    return None
