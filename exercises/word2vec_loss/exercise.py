"""The loss of negative sampling is to be written."""

from exercises.edits import blank, swap
from exercises.kit import first_difference

chapter = 'appendix_word2vec'
kind = 'write'

place = ('model.py', 'NegativeSampling.forward')
edit = blank(*place)
wrong = [
    # A noise word that is the target counts, too.
    swap(
        *place,
        '-functional.logsigmoid(-noise_scores) * is_noise',
        '-functional.logsigmoid(-noise_scores)',
    ),
    # The sign of the noise is missing.
    swap(
        *place,
        'functional.logsigmoid(-noise_scores)',
        'functional.logsigmoid(noise_scores)',
    ),
    # The output vectors of the noise words are exchanged for input vectors.
    swap(
        *place,
        'functional.embedding(noise, self.out_vectors)',
        'functional.embedding(noise, self.in_vectors)',
    ),
    # The mean of the examples, not their sum.
    swap(
        *place,
        'return y_loss.sum() + noise_loss.sum(), len(y)',
        'return (y_loss.sum() + noise_loss.sum()) / len(y), len(y)',
    ),
]


def check(chapter):
    """Compare with a loop: true pairs alone, with noise, with a target as noise."""
    import torch

    model = chapter.model.SkipGram(6, 4)
    torch.nn.init.normal_(model.in_vectors)
    torch.nn.init.normal_(model.out_vectors)
    x, y = torch.tensor([[0], [1], [2]]), torch.tensor([3, 4, 5])
    noise = torch.tensor([[1, 2], [5, 0], [0, 1]])
    cases = [
        (noise[:, :0], 'no noise words', '노이즈 단어가 없을 때'),
        (noise, 'two noise words for each pair', '쌍마다 노이즈 단어가 2개일 때'),
        (
            torch.cat([noise, y.unsqueeze(1)], dim=1),
            'noise with the target word among it',
            '노이즈에 정답 단어가 섞여 있을 때',
        ),
    ]
    for noise_i, english, korean in cases:
        with torch.no_grad():
            expected = get_expected(model, x, y, noise_i)
            loss, n = model(x, y, noise_i)
        difference = first_difference('loss', loss, expected)
        if difference:
            return (
                f'With {english}: {difference[0]}',
                f'{korean}: {difference[1]}',
            )
        if n != len(y):
            return (
                f'The second value should be the number of examples, {len(y)}: {n}.',
                f'두 번째 값은 예제의 수 {len(y)}이어야 하는데 {n}이에요.',
            )
    return check_gradients(model, x, y, noise)


def get_expected(model, x, y, noise):
    """Return the sum of the losses, by a loop over examples and noise words."""
    expected, u = 0, model.out_vectors
    for h, y_i, noise_i in zip(
        model.in_vectors[x[:, 0]], y.tolist(), noise.tolist(), strict=True
    ):
        expected = expected - (u[y_i] @ h).sigmoid().log()
        for k in noise_i:
            if k != y_i:
                expected = expected - (-u[k] @ h).sigmoid().log()
    return expected


def check_gradients(model, x, y, noise):
    """Compare the gradients of both matrices with those of the loop."""
    import torch

    vectors = [model.in_vectors, model.out_vectors]
    found = torch.autograd.grad(model(x, y, noise)[0], vectors)
    expected = torch.autograd.grad(get_expected(model, x, y, noise), vectors)
    for name, pair in zip(
        ('in', 'out'), zip(found, expected, strict=True), strict=True
    ):
        difference = first_difference(f'{name}_vectors.grad', *pair)
        if difference:
            return difference
    return None
