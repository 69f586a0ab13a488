"""The noise words are added up before the log-sigmoid, not after it."""

from exercises.edits import swap
from exercises.kit import first_difference

chapter = 'appendix_word2vec'
kind = 'fault'

place = ('model.py', 'NegativeSampling.forward')
noise_loss = (*place, 'noise_loss = ...')
edit = swap(
    *noise_loss,
    """
    total = (noise_scores * is_noise).sum(dim=1)
    # |total| = (batch_size,)
    noise_loss = -functional.logsigmoid(-total)
    """,
)
wrong = [
    # A score of 0 in place of a noise word that does not count: its loss is log 2.
    swap(*noise_loss, 'noise_loss = -functional.logsigmoid(-noise_scores * is_noise)'),
    # The mean of the noise words, and not their sum.
    swap(
        *noise_loss,
        """
        noise_loss = -functional.logsigmoid(-noise_scores) * is_noise
        noise_loss = noise_loss.mean(dim=1)
        """,
    ),
    # The sign of the scores is lost.
    swap(*noise_loss, 'noise_loss = -functional.logsigmoid(noise_scores) * is_noise'),
]


def check(chapter):
    """Compare the loss of one noise word for each pair, of two, and of a target."""
    import torch

    model = chapter.model.SkipGram(6, 4)
    original = chapter.original.model.SkipGram(6, 4)
    torch.nn.init.normal_(model.in_vectors)
    torch.nn.init.normal_(model.out_vectors)
    original.load_state_dict(model.state_dict())
    x, y = torch.tensor([[0], [1], [2]]), torch.tensor([3, 4, 5])
    noise = torch.tensor([[1, 2], [5, 0], [0, 1]])
    cases = [
        (noise[:, :1], 'one noise word', '노이즈 단어가 1개'),
        (noise, 'two noise words', '노이즈 단어가 2개'),
        (
            torch.cat([noise, y.unsqueeze(1)], dim=1),
            'two noise words and the target itself',
            '노이즈 단어가 2개이고 정답 단어도 섞여',
        ),
    ]
    for noise_i, english, korean in cases:
        with torch.no_grad():
            loss, expected = model(x, y, noise_i)[0], original(x, y, noise_i)[0]
        difference = first_difference('loss', loss, expected)
        if difference:
            return (
                f'Each pair has {english}: {difference[0]}',
                f'쌍마다 {korean} 있을 때: {difference[1]}',
            )
    return None
