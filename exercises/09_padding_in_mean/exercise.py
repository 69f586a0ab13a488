"""The mean of a context is divided by all places, the padding included."""

from exercises.edits import swap
from exercises.kit import first_difference, random_tensor

chapter = '09_word_embedding'
kind = 'fault'

place = ('model.py', 'get_loss')
h = (*place, 'h = ...')
edit = swap(*h, 'h = (in_vectors[x_i.clamp(min=0)] * is_input).mean(dim=1)')
wrong = [
    # The index -1 of the padding is the last word.
    swap(*h, 'h = in_vectors[x_i].mean(dim=1)'),
    # The padding adds word 0, the most frequent one.
    swap(*h, 'h = in_vectors[x_i.clamp(min=0)].sum(dim=1) / is_input.sum(dim=1)'),
    # The sum instead of the mean.
    swap(*h, 'h = (in_vectors[x_i.clamp(min=0)] * is_input).sum(dim=1)'),
]


def check(chapter):
    """Compare the loss of examples with and without padding."""
    import torch

    get_loss = chapter.model.get_loss
    vectors = random_tensor(5, 3), random_tensor(5, 3)
    y, noise = torch.tensor([4, 2]), torch.tensor([[0, 1], [4, 0]])
    for x in ([[0, 1], [3, 2]], [[0, 1, -1, -1], [3, 2, -1, -1]]):
        x = torch.tensor(x)
        h = vectors[0][x[:, :2]].mean(dim=1)
        signs = torch.tensor([1.0, -1, -1])
        u = vectors[1][torch.cat([y.unsqueeze(1), noise], dim=1)]
        scores = (u @ h.unsqueeze(2)).squeeze(2) * signs
        expected = -scores.sigmoid().log().sum(dim=1).mean()
        loss = torch.tensor(get_loss(*vectors, x, y, noise))
        difference = first_difference('loss', loss, expected)
        if difference and x.size(1) == 2:
            return difference
        if difference:
            return (
                'Without padding the loss is right, but two inputs with the padding '
                f'-1 twice give {loss:.4f}, expected {expected:.4f} as before.',
                '패딩이 없으면 손실이 맞아요. 그런데 입력 두 개 뒤에 패딩 -1을 두 번 '
                f'붙이면 {loss:.4f}이에요. 붙이기 전처럼 {expected:.4f}이어야 해요.',
            )
    return None
