"""Word dropout (Iyyer et al. 2015): in training, some tokens become unknown."""

from exercises.edits import swap
from exercises.kit import recorded, run_program

chapter = '10_text_classification'
kind = 'change'

option = swap(
    'train.py',
    'add_model_options',
    'p_help = ...',
    """
    word_help = 'probability that a token becomes unknown in training, not of bert'
    option('--word_dropout_p', type=number(float, 0, 0.95), default=0.1, help=word_help)
    p_help = 'probability that a feature is set to zero in training'
    """,
)
build = swap(
    'model.py',
    'get_model',
    'embedding = ...',
    """
    embedding = NGramEmbedding(vocabulary, *sizes)
    embedding.unknown_id = vocabulary.unknown_id
    embedding.word_dropout_p = config['word_dropout_p']
    """,
)
forward = ('n_grams.py', 'NGramEmbedding.forward', 'vectors = [self.words(x)]')
code = """
{}
vectors = [self.words(x)]
"""
drop = """
if self.training:
    is_dropped = torch.rand(x.shape, device=x.device) < self.word_dropout_p
    x = x.masked_fill(is_dropped & (x != self.pad_id), self.unknown_id)
"""
solution = [option, build, swap(*forward, code.format(drop))]
wrong = [
    # The option has no effect.
    [option, build],
    # Padding becomes unknown, too.
    [
        option,
        build,
        swap(*forward, code.format(drop.replace(' & (x != self.pad_id)', ''))),
    ],
    # Tokens are dropped in the prediction, too.
    [option, build, swap(*forward, code.format(drop.replace('self.training', 'True')))],
    # Whole texts are dropped.
    [
        option,
        build,
        swap(*forward, code.format(drop.replace('x.shape', '(len(x), 1)'))),
    ],
    # The n-grams still have the word.
    [
        option,
        build,
        swap(
            *forward,
            """
            words = x
            if self.training:
                is_dropped = torch.rand(x.shape) < self.word_dropout_p
                words = x.masked_fill(is_dropped & (x != self.pad_id), self.unknown_id)
            vectors = [self.words(words)]
            """,
        ),
    ],
    # Single numbers of the vectors are set to zero, as --dropout_p does already.
    [
        option,
        build,
        swap(
            *forward,
            """
            words = self.words(x)
            words = nn.functional.dropout(words, self.word_dropout_p, self.training)
            vectors = [words]
            """,
        ),
    ],
]


def check(chapter):
    """Look at the token ids that are looked up, in training and afterwards."""
    import torch

    with recorded(chapter.train, 'main') as calls:
        run_program(chapter.train, '--word_dropout_p', 0.4)
    config = vars(calls[0][0])
    chapter.train.fill_in(calls[0][0])
    tokens = ['<pad>', '<unk>', *'abcdef']
    vocabulary = chapter.n_grams.NGramVocabulary(tokens)
    x = torch.randint(2, 8, (40, 30))
    vocabulary.learn_n_grams(x.tolist(), max_n_gram=2, min_freq=1)
    model = chapter.model.get_model(config, 2, vocabulary)
    inputs, pairs = [], []
    for layer, found in (
        (model.embedding.words, inputs),
        (model.embedding.n_grams[0], pairs),
    ):
        layer.register_forward_pre_hook(
            lambda _, values, found=found: found.append(values[0])
        )
    lengths = torch.full((40,), 30)
    lengths[20:] = 15
    x[20:, 15:] = 0
    with torch.no_grad():
        model.train()(x, lengths)
        model.eval()(x, lengths)
    is_token, is_dropped = x != 0, inputs[0] == 1
    if (inputs[0] != x)[~is_token].any():
        return (
            'In training, padding became another token. It should stay padding.',
            '학습 중에 패딩이 다른 토큰으로 바뀌었어요. 패딩은 패딩으로 남아야 해요.',
        )
    if (inputs[0] != x)[~is_dropped].any():
        return (
            'In training, a token became another one than the unknown token.',
            '학습 중에 토큰이 <unk>가 아닌 다른 토큰으로 바뀌었어요.',
        )
    share = is_dropped[is_token].float().mean().item()
    if abs(share - 0.4) > 0.06:
        return (
            f'With --word_dropout_p 0.4, {share:.0%} of the tokens are unknown in '
            'training.',
            f'--word_dropout_p가 0.4일 때 학습 중에 토큰의 {share:.0%}가 <unk>예요.',
        )

    if is_dropped[:20].all(dim=1).any():
        return (
            'In some texts, all tokens are unknown: each token should be drawn alone.',
            '어떤 텍스트는 모든 토큰이 <unk>예요. 토큰마다 따로 뽑아야 해요.',
        )
    if pairs[0][is_dropped].any():
        return (
            'A token is unknown, but the pair that it forms with the token before it '
            'still has its vector.',
            '토큰은 <unk>가 됐는데, 그 토큰과 앞 토큰이 이루는 쌍의 벡터는 그대로 '
            '쓰이고 있어요.',
        )
    if not torch.equal(inputs[1], x):
        return (
            'After the training, the tokens should stay as they are.',
            '학습이 끝나면 토큰은 그대로여야 해요.',
        )
    return None
