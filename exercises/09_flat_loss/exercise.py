"""The loss looks at vectors that nothing brings up to date."""

from exercises.edits import rewrite, swap
from exercises.kit import get_config

chapter = '09_word_embedding'
kind = 'fault'

place = ('trainer.py', 'Trainer.on_epoch_end')
adjust = (*place, 'model.wv.adjust_vectors()')
measure = (*place, 'valid_loss = ...')
edit = swap(*adjust, '')
wrong = [
    # Once, before the training.
    [
        edit,
        rewrite(
            'trainer.py',
            'Trainer.train',
            """
            self.model.wv.adjust_vectors()
            self.model.train(
                Sentences(sentences, self.config.verbose),
                total_examples=self.model.corpus_count,
                epochs=self.config.n_epochs,
                callbacks=[self],
            )
            """,
        ),
    ],
    # One epoch late.
    [
        edit,
        swap(
            *measure,
            """
            valid_loss = get_loss(
                *(part.to(device) for part in vectors), *self.examples
            )
            model.wv.adjust_vectors()
            """,
        ),
    ],
    # The words' own vectors, without those of their n-grams.
    [
        edit,
        swap(
            *place,
            'model.wv.vectors',
            'model.wv.vectors_vocab',
        ),
    ],
]

TEXT = 'the dog eats the food and the cat eats the fish and the bird sings a song'


def check(chapter):
    """Train on a few words; compare the losses with those of the vectors by then."""
    import copy

    import torch

    model, trainer = chapter.model, chapter.trainer
    config = get_config(
        **{'word_vec_size': 8, 'model': 'skipgram', 'window': 2, 'n_negatives': 2},
        **{'sample': 0, 'min_count': 1, 'min_n': 2, 'max_n': 3, 'n_buckets': 50},
        **{'lr': 0.5, 'batch_size': 100, 'n_epochs': 3, 'n_workers': 1, 'seed': 0},
        model_fn='x.pth',
    )
    sentences = [TEXT.split()] * 4
    fasttext, expected = model.get_model(config), []
    counts = model.build_vocabulary(fasttext, sentences)
    examples = model.get_examples(sentences, counts, config)

    def save(fasttext, fn):
        vectors = copy.deepcopy(fasttext.wv)
        vectors.adjust_vectors()
        pair = map(torch.from_numpy, [vectors.vectors, fasttext.syn1neg])
        expected.append(model.get_loss(*pair, *examples))

    trainer.save_model = save
    learner = trainer.Trainer(fasttext, examples, torch.device('cpu'), config)
    learner.train(sentences)
    found = learner.history['valid_loss']
    for epoch, loss in enumerate(found, start=1):
        right = expected[epoch - 1]
        if abs(loss - right) > 1e-4 * right:
            return (
                f'Epoch {epoch} reports valid_loss={loss:.4f}. With the vectors that '
                f'this epoch has learned, n-grams included, it is {right:.4f}.',
                f'{epoch}번째 에포크가 valid_loss={loss:.4f}라고 보고해요. 이 '
                f'에포크까지 학습한 벡터(n-gram 포함)로 계산하면 {right:.4f}예요.',
            )
    return None
