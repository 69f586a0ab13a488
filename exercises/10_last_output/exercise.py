"""The features are the outputs at the last position: for most texts, of padding."""

from exercises.edits import swap
from exercises.kit import first_difference

chapter = '10_text_classification/lstm'
kind = 'fault'

place = ('model.py', 'SequenceClassifier.forward')
pack = 'x = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)'
code = (
    *place,
    f'{pack}\n...\nfeatures = torch.cat([h_n[-2], h_n[-1]], dim=-1)',
)
edit = swap(
    *code,
    """
    outputs, _ = self.rnn(x)
    # |outputs| = (batch_size, length, hidden_size * 2)
    features = outputs[:, -1]
    """,
)
wrong = [
    # The final states, but both directions have read the padding.
    swap(
        *code,
        """
        _, (h_n, _) = self.rnn(x)
        features = torch.cat([h_n[-2], h_n[-1]], dim=-1)
        """,
    ),
    # At the last token, the backward direction has read one token.
    swap(
        *code,
        f"""
        {pack}
        outputs, _ = nn.utils.rnn.pad_packed_sequence(self.rnn(x)[0], batch_first=True)
        features = outputs[torch.arange(len(lengths)), lengths - 1]
        """,
    ),
    # The states of the first layer.
    swap(
        *place,
        'torch.cat([h_n[-2], h_n[-1]], dim=-1)',
        'torch.cat([h_n[0], h_n[1]], dim=-1)',
    ),
]


def check(chapter):
    """Compare the logits of texts in a batch with those of each text alone."""
    import torch
    from torch import nn

    embedding = nn.Embedding(9, 4, padding_idx=0)
    sizes = {'output_size': 2, 'hidden_size': 3, 'n_layers': 2, 'dropout_p': 0.0}
    model = chapter.model.SequenceClassifier(embedding, **sizes).eval()
    original = chapter.original.model.SequenceClassifier(embedding, **sizes).eval()
    original.load_state_dict(model.state_dict())
    lengths = torch.tensor([3, 5, 1])
    x = torch.randint(1, 9, (3, 5))
    x[torch.arange(5) >= lengths.unsqueeze(1)] = 0
    with torch.no_grad():
        alone = [
            model(x[i : i + 1, :n], lengths[i : i + 1]) for i, n in enumerate(lengths)
        ]
        found, expected = model(x, lengths), original(x, lengths)
    difference = first_difference('y_hat', found, torch.cat(alone))
    if difference:
        return (
            'The logits of a text change if there are longer texts in its batch. '
            f'{difference[0]}',
            f'배치에 더 긴 텍스트가 있으면 텍스트의 로짓이 달라져요. {difference[1]}',
        )
    difference = first_difference('y_hat', found, expected)
    if difference:
        return (
            'The logits do not depend on padding any more, but they are not those of '
            'the final states of both directions of the last layer. What has the '
            f'backward direction read? {difference[0]}',
            '이제 로짓이 패딩에 따라 달라지지 않아요. 하지만 마지막 층 두 방향의 최종 '
            f'상태로 구한 값이 아니에요. 역방향은 무엇까지 읽었나요? {difference[1]}',
        )
    return None
