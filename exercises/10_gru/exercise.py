"""A GRU in the place of the LSTM, as an option."""

from exercises.edits import redefine, swap
from exercises.kit import first_difference, recorded, run_program

chapter = '10_text_classification/lstm'
kind = 'change'

option = swap(
    'train.py',
    'add_model_options',
    "option('--n_layers', type=size, default=1, help='layers of the LSTM')",
    """
    option('--n_layers', type=size, default=1, help='layers of the LSTM')
    kinds = {'choices': ['lstm', 'gru'], 'default': 'lstm'}
    option('--rnn', **kinds, help='kind of the recurrent layers')
    """,
)
init = redefine(
    'model.py',
    'SequenceClassifier.__init__',
    """
    def __init__(self, embedding, output_size, hidden_size, n_layers, dropout_p, rnn):
        super().__init__()
        self.embedding = embedding
        kind = nn.GRU if rnn == 'gru' else nn.LSTM
        self.rnn = kind(
            embedding.embedding_dim,
            hidden_size,
            n_layers,
            batch_first=True,
            bidirectional=True,
            dropout=dropout_p if n_layers > 1 else 0.0,
        )
        self.dropout = nn.Dropout(dropout_p)
        self.linear = nn.Linear(2 * hidden_size, output_size)
    """,
)
build = swap(
    'model.py',
    'get_model',
    "config['dropout_p']",
    "config['dropout_p'],\n        rnn=config['rnn']",
)
states = ('model.py', 'SequenceClassifier.forward', '_, (h_n, _) = self.rnn(x)')
code = """
_, h_n = self.rnn(x)
# An LSTM has cells beside its hidden states.
h_n = {} if isinstance(h_n, tuple) else h_n
"""
solution = [option, init, build, swap(*states, code.format('h_n[0]'))]
packed = """
outputs, _ = self.rnn(x)
outputs, _ = nn.utils.rnn.pad_packed_sequence(outputs, batch_first=True)
last = outputs[torch.arange(len(lengths)), lengths - 1]
h_n = last.chunk(2, dim=-1)
"""
wrong = [
    # The option has no effect.
    [
        option,
        init,
        swap(
            'model.py',
            'get_model',
            "config['dropout_p']",
            "config['dropout_p'],\n        rnn='lstm'",
        ),
    ],
    # A tuple of an LSTM is expected: of a GRU, the first two states are taken apart.
    [option, init, build],
    # The cells of the LSTM in the place of its hidden states.
    [option, init, build, swap(*states, code.format('h_n[1]'))],
    # At the last token, the backward direction has read one token.
    [option, init, build, swap(*states, packed)],
]


def check(chapter):
    """Compare both kinds, for texts in a batch, with each text alone."""
    import torch
    from torch import nn

    vocabulary = chapter.tokenizer.Vocabulary(['<pad>', '<unk>', *'abcdefg'])
    lengths = torch.tensor([2, 4, 1, 3])
    x = torch.randint(1, 9, (4, 4))
    x[torch.arange(4) >= lengths.unsqueeze(1)] = 0
    for arguments, kind in (
        (['--rnn', 'gru'], nn.GRU),
        (['--rnn', 'lstm'], nn.LSTM),
        ([], nn.LSTM),
    ):
        with recorded(chapter.train, 'main') as calls:
            sizes = ['--word_vec_size', 5, '--hidden_size', 3, '--n_layers', 2]
            run_program(chapter.train, *sizes, *arguments)
        model = chapter.model.get_model(vars(calls[0][0]), 2, vocabulary).eval()
        rnns = [part for part in model.modules() if isinstance(part, nn.RNNBase)]
        kinds = [type(rnn).__name__ for rnn in rnns]
        words = ' '.join(arguments)
        if kinds != [kind.__name__]:
            return (
                f'With {words or "the default"}, the recurrent layers are {kinds}, '
                f'expected one {kind.__name__}.',
                f'{words or "기본값"}일 때 순환층이 {kinds}인데 {kind.__name__} '
                '하나여야 해요.',
            )
        with torch.no_grad():
            expected = [
                get_expected(model, rnns[0], x[i : i + 1, :n])
                for i, n in enumerate(lengths)
            ]
            found = model(x, lengths)
        difference = first_difference('y_hat', found, torch.cat(expected))
        if difference:
            return (
                f'{kind.__name__}, 2 layers, texts of {lengths.tolist()} tokens: '
                f'{difference[0]} The features are the final hidden states of both '
                'directions of the last layer.',
                f'{kind.__name__}, 층 2개, 토큰이 {lengths.tolist()}개인 텍스트들: '
                f'{difference[1]} 특징은 마지막 층 두 방향의 최종 은닉 상태예요.',
            )
    return None


def get_expected(model, rnn, x):
    """Return the logits of one text without padding."""
    import torch

    outputs, _ = rnn(model.embedding(x))
    # The forward direction ends at the last token, the backward one at the first.
    forward, backward = outputs.chunk(2, dim=-1)
    return model.linear(torch.cat([forward[:, -1], backward[:, 0]], dim=-1))
