"""The padding of a block counts as an occurrence of word 0."""

from exercises.edits import swap

chapter = 'appendix_lda'
kind = 'fault'

values = ('data_loader.py', 'get_block', 'values = ...')
filled = ('data_loader.py', 'get_block', 'values[is_word] = counts.data')
edit = swap(*values, 'values = np.ones(is_word.shape, np.float32)')
wrong = [
    # Word 0 itself is taken for padding.
    [
        edit,
        swap(*filled, 'values[is_word] = counts.data\nvalues[words == 0] = 0'),
    ],
    # Each word counts once, and padding does not.
    swap(*filled, 'values[is_word] = 1'),
    # Padding takes occurrences away.
    swap(*values, 'values = np.full(is_word.shape, -1, np.float32)'),
]


def check(chapter):
    """Add up the counts of each block, and look at a document beside a longer one."""
    import numpy as np
    import torch
    from scipy.sparse import csr_array

    rows = np.array([[0, 2, 0, 0], [3, 1, 1, 2], [0, 0, 0, 0], [1, 0, 0, 0]])
    words, values = chapter.data_loader.get_block(csr_array(rows))
    for i, row in enumerate(rows):
        found = np.zeros(rows.shape[1])
        np.add.at(found, words[i], values[i])
        if not np.array_equal(found, row):
            found = [int(count) for count in found]
            return (
                f'A document has the counts {row.tolist()} of the words 0 to 3, but in '
                f'a block with longer ones it has {found}.',
                f'단어 0~3의 횟수가 {row.tolist()}인 문서가, 더 긴 문서와 같은 블록에 '
                f'있으면 {found}이 돼요.',
            )

    model = chapter.model.LatentDirichletAllocation(2, 4, 0.5, 0.5)
    model.topics.copy_(torch.tensor([[9.0, 1, 1, 1], [1, 1, 9, 5]]))
    get_mixtures = chapter.trainer.get_mixtures
    alone = get_mixtures(model, csr_array(rows[:1]))[0]
    together = get_mixtures(model, csr_array(rows))[0]
    if not torch.allclose(alone, together, atol=1e-3):
        return (
            'The mixture of a document depends on the other documents of its block.',
            '문서의 토픽 비율이 같은 블록에 있는 다른 문서에 따라 달라져요.',
        )
    return None
