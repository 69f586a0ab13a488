"""From embedded tokens to the final states of both directions, to be written."""

from exercises.edits import swap
from exercises.kit import first_difference

chapter = '10_text_classification/lstm'
kind = 'write'

place = ('model.py', 'SequenceClassifier.forward')
pack = 'x = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)'
code = (
    *place,
    f'{pack}\n...\nfeatures = torch.cat([h_n[-2], h_n[-1]], dim=-1)',
)
edit = swap(
    *code,
    """
    # Pack, so that neither direction reads any padding

    # The final states of both directions of the last layer, the forward one first
    features = ...
    """,
)
states = 'torch.cat([h_n[-2], h_n[-1]], dim=-1)'
wrong = [
    # Without packing.
    swap(*place, pack, ''),
    # The states of the first layer.
    swap(*place, states, 'torch.cat([h_n[0], h_n[1]], dim=-1)'),
    # The two directions are exchanged.
    swap(*place, states, 'torch.cat([h_n[-1], h_n[-2]], dim=-1)'),
    # The cells in the place of the hidden states.
    swap(*place, '_, (h_n, _) = self.rnn(x)', '_, (_, h_n) = self.rnn(x)'),
    # All layers and directions of one text are not in one row of h_n.
    swap(
        *place,
        states,
        'h_n[-2:].reshape(len(lengths), -1)',
    ),
]


def check(chapter):
    """Compare with the LSTM of each text alone, first without padding, then with it."""
    import torch
    from torch import nn

    embedding = nn.Embedding(9, 4, padding_idx=0)
    sizes = {'output_size': 2, 'hidden_size': 3, 'dropout_p': 0.0}
    for n_layers, lengths in ((1, [4, 4]), (2, [4, 4]), (2, [2, 4, 1])):
        model = chapter.model.SequenceClassifier(embedding, n_layers=n_layers, **sizes)
        model.eval()
        lengths = torch.tensor(lengths)
        x = torch.randint(1, 9, (len(lengths), 4))
        x[torch.arange(4) >= lengths.unsqueeze(1)] = 0
        with torch.no_grad():
            expected = [
                get_expected(model, x[i : i + 1, :n]) for i, n in enumerate(lengths)
            ]
            found = model(x, lengths)
        difference = first_difference('y_hat', found, torch.cat(expected))
        if difference:
            n = lengths.tolist()
            return (
                f'{n_layers} layer(s), texts of {n} tokens: {difference[0]}',
                f'층 {n_layers}개, 토큰이 {n}개인 텍스트들: {difference[1]}',
            )
    return None


def get_expected(model, x):
    """Return the logits of one text without padding."""
    import torch

    outputs, _ = model.rnn(model.embedding(x))
    # The forward direction ends at the last token, the backward one at the first.
    forward, backward = outputs.chunk(2, dim=-1)
    return model.linear(torch.cat([forward[:, -1], backward[:, 0]], dim=-1))
