"""The embedding vectors are not scaled, so the positions drown the words."""

from exercises.edits import swap

chapter = '13_transformer'
kind = 'fault'

place = ('model.py', 'Transformer.embed')
scaled = (*place, 'embedding(x) * math.sqrt(embedding.embedding_dim)')
total = (*place, 'self.dropout(x + self.positions(start, x.size(1)))')
unscaled = swap(*scaled, 'embedding(x)')
edit = unscaled
wrong = [
    swap(*scaled, 'embedding(x) * embedding.embedding_dim'),
    swap(*scaled, 'embedding(x) / math.sqrt(embedding.embedding_dim)'),
    # The encodings grow, too.
    [
        unscaled,
        swap(
            *total,
            """
            self.dropout(
                (x + self.positions(start, x.size(1)))
                * math.sqrt(embedding.embedding_dim)
            )
            """,
        ),
    ],
    # Large embeddings make large logits, because the generator shares them.
    [
        unscaled,
        swap(
            'model.py', 'Transformer._initialize', 'embedding.embedding_dim**-0.5', '1'
        ),
    ],
]


def check(chapter):
    """Compare the sizes of words and encodings, and look at the logits."""
    import torch

    model = chapter.model.Transformer(
        *(200, 200, 64, 2, 8, 1, 0.0, 'plain', 0), is_joint=False, is_tied=True
    ).eval()
    tokens = torch.arange(4, 200).unsqueeze(0)
    with torch.no_grad():
        encodings = model.positions(0, tokens.size(1))
        words = model.embed(model.y_embedding, tokens) - encodings
        logits = model.generator(torch.nn.functional.layer_norm(words, [64]))
    size, expected = words.square().mean().sqrt(), encodings.square().mean().sqrt()
    if not 0.5 < size / expected < 2:
        return (
            f'In what embed() returns, the features of the tokens are {size:.2f} on '
            f'average, those of the positions {expected:.2f}: they should be similar.',
            f'embed()의 결과에서 토큰의 특성은 평균 {size:.2f}, 위치의 특성은 '
            f'{expected:.2f}예요. 크기가 비슷해야 해요.',
        )
    size = logits.square().mean().sqrt()
    if size > 3:
        return (
            f'At the start, the logits are {size:.1f} on average: the generator shares '
            'the embedding, and the softmax needs logits of about 1.',
            f'학습 시작 때 로짓의 크기가 평균 {size:.1f}이에요. 출력층이 임베딩을 '
            '함께 쓰고, softmax에는 1 정도의 로짓이 맞아요.',
        )
    return None
