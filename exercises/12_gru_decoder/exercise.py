"""The decoder becomes a GRU, which has no cell state."""

from exercises.edits import redefine, swap
from exercises.kit import first_difference

chapter = '12_seq2seq'
kind = 'change'

network = swap('model.py', 'Decoder.__init__', 'nn.LSTM', 'nn.GRU')
step = (
    'model.py',
    'Decoder.step',
    'h, (state.h, state.c) = self.rnn(x, (state.h, state.c))',
)
start = ('model.py', 'Seq2Seq.start')
encode = (*start, 'memory, (h, c) = self.encoder(x, lengths)')
state = [
    swap(
        *start,
        'return ...',
        'return State(memory, get_pad_mask(x, lengths), h, h_tilde)',
    ),
    redefine(
        'model.py',
        'State.__init__',
        """
        def __init__(self, memory, pad_mask, h, h_tilde):
            self.memory, self.pad_mask = memory, pad_mask
            self.h, self.h_tilde = h, h_tilde
        """,
    ),
]
select = (
    'model.py',
    'State.select',
    'self.h, self.c = self.h[:, rows.flatten()], self.c[:, rows.flatten()]',
)
new_step = swap(*step, 'h, state.h = self.rnn(x, state.h)')
new_encode = swap(*encode, 'memory, (h, _) = self.encoder(x, lengths)')
new_select = swap(*select, 'self.h = self.h[:, rows.flatten()]')
solution = [network, new_step, new_encode, *state, new_select]
wrong = [
    # The right hypotheses are kept, but not in the right order.
    [
        *(network, new_step, new_encode, *state),
        swap(*select, 'self.h = self.h[:, rows.flatten().sort().values]'),
    ],
    # Each step begins with the state of the encoder.
    [
        *(network, swap(*step, 'h, _ = self.rnn(x, state.h)')),
        *(new_encode, *state, new_select),
    ],
    # The cell state of the encoder instead of its hidden state.
    [
        *(
            network,
            new_step,
            swap(*encode, 'memory, (_, h) = self.encoder(x, lengths)'),
        ),
        *(*state, new_select),
    ],
]


def check(chapter):
    """Compare the steps with hypotheses that change places with teacher forcing."""
    import torch
    from torch import nn

    model = chapter.model.Seq2Seq(9, 9, 4, 6, 2, 0.0, 0, is_tied=False).eval()
    if not isinstance(model.decoder.rnn, nn.GRU):
        kind = type(model.decoder.rnn).__name__
        return (
            f'decoder.rnn is of type {kind}, expected nn.GRU.',
            f'decoder.rnn의 타입이 {kind}이에요. nn.GRU여야 해요.',
        )
    x, lengths = torch.tensor([[4, 5, 6], [7, 8, 0]]), torch.tensor([3, 2])
    calls = []
    hook = model.decoder.rnn.register_forward_hook(
        lambda _, inputs, options, outputs: calls.append(
            ([*inputs, *options.values()][1], outputs[1])
        ),
        with_kwargs=True,
    )
    with torch.no_grad():
        _, (h, _) = model.encoder(x, lengths)
        model.decode(x, lengths, torch.tensor([[2, 4], [2, 5]]))
        hook.remove()
        pairs = (calls[0][0], h), (calls[1][0], calls[0][1])
        for t, pair in enumerate(pairs, 1):
            difference = first_difference('state.h', *pair)
            if difference:
                return (
                    f'Before step {t}: {difference[0]}',
                    f'{t}번째 step을 시작할 때: {difference[1]}',
                )
        state = model.start(x, lengths)
        model.step(torch.tensor([[2], [2]]), state)
        state.select(torch.tensor([[0, 0], [1, 1]]))
        model.step(torch.tensor([[4, 5], [6, 7]]), state)
        # Now the second hypothesis of each sentence comes first.
        state.select(torch.tensor([[1, 0], [3, 2]]))
        logits = model.step(torch.tensor([[8, 8], [8, 8]]), state)
        y = torch.tensor([[2, 5, 8], [2, 4, 8], [2, 7, 8], [2, 6, 8]])
        x, lengths = x.repeat_interleave(2, dim=0), lengths.repeat_interleave(2)
        expected = model(x, lengths, y)[:, -1].view(2, 2, 9)
    difference = first_difference('logits', logits, expected)
    if difference:
        return (
            f'After select(), step() differs from forward(). {difference[0]}',
            f'select() 뒤의 step()이 forward()와 달라요. {difference[1]}',
        )
    return None
