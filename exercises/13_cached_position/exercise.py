"""In translation, every token gets the encoding of position 0."""

from exercises.edits import swap
from exercises.kit import first_difference

chapter = '13_transformer'
kind = 'fault'

place = ('model.py', 'Transformer.step')
embed = (*place, 'self.embed(self.y_embedding, y.view(-1, 1), state.t)')
edit = swap(*embed, 'self.embed(self.y_embedding, y.view(-1, 1))')
wrong = [
    # BOS has position 0, not 1.
    swap(*embed, 'self.embed(self.y_embedding, y.view(-1, 1), state.t + 1)'),
    # The number of hypotheses is no position.
    swap(*embed, 'self.embed(self.y_embedding, y.view(-1, 1), y.size(1))'),
    # The position stays 0.
    swap(*place, 'state.t += 1', ''),
]


def check(chapter):
    """Compare the logits of each step with those of forward()."""
    import torch

    model = chapter.model.Transformer(
        *(9, 9, 8, 2, 16, 2, 0.0, 'plain', 0), is_joint=False, is_tied=False
    ).eval()
    x, lengths = torch.tensor([[4, 5, 6], [7, 8, 0]]), torch.tensor([3, 2])
    y = torch.tensor([[2, 5, 8, 5], [2, 4, 4, 7]])
    with torch.no_grad():
        expected, state = model(x, lengths, y), model.start(x, lengths)
        for t in range(y.size(1)):
            logits = model.step(y[:, t : t + 1], state)
            difference = first_difference('logits', logits, expected[:, t : t + 1])
            if difference:
                return (
                    f'Step {t + 1} differs from forward(). {difference[0]}',
                    f'{t + 1}번째 step이 forward()와 달라요. {difference[1]}',
                )
    return None
