"""The predictions are in the order of the batches, not in that of the texts."""

from exercises.edits import swap
from exercises.kit import first_difference

chapter = '10_text_classification'
kind = 'fault'

place = ('predict.py', 'Classifier.predict')
batches = [
    swap(*place, 'p = torch.empty(...)', 'p = []'),
    swap(
        *place,
        'p[i] = self.model(x.to(self.device), lengths).softmax(dim=-1).cpu()',
        'p.append(self.model(x.to(self.device), lengths).softmax(dim=-1).cpu())',
    ),
]
edit = [*batches, swap(*place, 'return p', 'return torch.cat(p)')]
lengths = 'torch.tensor([len(ids) for ids in id_lists])'
wrong = [
    # The order of the batches is applied once more, and not undone.
    [
        *batches,
        swap(
            *place,
            'return p',
            f'order = {lengths}.argsort(stable=True)\nreturn torch.cat(p)[order]',
        ),
    ],
    # Within each batch, the texts are in the wrong order.
    swap(
        *place,
        'p[i] = self.model(x.to(self.device), lengths).softmax(dim=-1).cpu()',
        """
        p_i = self.model(x.to(self.device), lengths).softmax(dim=-1).cpu()
        p[i.sort().values] = p_i
        """,
    ),
    # The probabilities add up to 1 over the texts, and not over the classes.
    swap(
        *place,
        'self.model(...).softmax(dim=-1)',
        'self.model(x, lengths).softmax(dim=0)',
    ),
]


def check(chapter):
    """Classify texts of different lengths, with a model that counts a token."""
    import torch

    def model(x, lengths):
        """Return logits: 0, and how often token 2 is in each text."""
        n = (x == 2).sum(dim=1).float()
        return torch.stack([torch.zeros_like(n), n], dim=1)

    classifier = chapter.predict.Classifier.__new__(chapter.predict.Classifier)
    classifier.device = torch.device('cpu')
    classifier.config = {'model': 'cnn', 'max_length': 255}
    classifier.class_names = ['bad', 'good']
    classifier.vocabulary = chapter.n_grams.NGramVocabulary(['<pad>', '<unk>', '좋다'])
    classifier.model = model
    texts = [[1, 2, 1, 2], [2], [1, 1, 1, 1, 2], [2, 2, 2], [1], [2, 2], [1, 1, 1]]
    n = torch.tensor([float(text.count(2)) for text in texts])
    expected = torch.stack([torch.zeros_like(n), n], dim=1).softmax(dim=1)
    for batch_size in (1, 3):
        difference = first_difference(
            'p', classifier.predict(texts, batch_size), expected
        )
        if difference:
            lengths = [len(text) for text in texts]
            return (
                f'Texts of {lengths} tokens, --batch_size {batch_size}: '
                f'{difference[0]} A row for each text, in their order.',
                f'토큰이 {lengths}개인 텍스트들, --batch_size {batch_size}: '
                f'{difference[1]} 텍스트마다 한 행씩, 텍스트의 순서대로여야 해요.',
            )
    return None
