"""LDA learns from TF-IDF weights, which are not counts."""

from exercises.edits import swap

chapter = 'appendix_lda'
kind = 'fault'

place = ('data_loader.py', 'count_words')
vectorizer = (
    *place,
    """
    from sklearn.feature_extraction.text import CountVectorizer

    vectorizer = CountVectorizer(analyzer=list, vocabulary=vocabulary)
    return csr_array(vectorizer.transform(documents))
    """,
)
edit = swap(
    *vectorizer,
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(analyzer=list, vocabulary=vocabulary)
    return csr_array(vectorizer.fit_transform(documents))
    """,
)
wrong = [
    # Without IDF, but still divided by the length of the document.
    swap(
        *vectorizer,
        """
        from sklearn.feature_extraction.text import TfidfVectorizer

        vectorizer = TfidfVectorizer(
            analyzer=list, vocabulary=vocabulary, use_idf=False
        )
        return csr_array(vectorizer.fit_transform(documents))
        """,
    ),
    # Each word of a document counts once.
    swap(
        *vectorizer,
        """
        from sklearn.feature_extraction.text import CountVectorizer

        vectorizer = CountVectorizer(
            analyzer=list, vocabulary=vocabulary, binary=True
        )
        return csr_array(vectorizer.transform(documents))
        """,
    ),
]


def check(chapter):
    """Count by hand; a word that is not in the vocabulary is left out."""
    documents = [['b', 'a', 'b', 'x', 'b'], [], ['c', 'c']]
    vocabulary = ['a', 'b', 'c']
    counts = chapter.data_loader.count_words(documents, vocabulary).toarray()
    expected = [[words.count(word) for word in vocabulary] for words in documents]
    if counts.shape != (3, 3):
        shape = tuple(map(int, counts.shape))
        return (
            f'|counts| is {shape}, expected (3, 3): documents and words.',
            f'|counts|: shape이 {shape}인데 (문서 수, 단어 수)인 (3, 3)이어야 해요.',
        )
    for words, found, right in zip(documents, counts.tolist(), expected, strict=True):
        if found != right:
            values = ', '.join(f'{value:.3g}' for value in found)
            return (
                f'The words {words} give [{values}] for the vocabulary {vocabulary}; '
                f'expected {right}, how often each word occurs.',
                f'단어 {words}를 어휘 {vocabulary}로 세면 [{values}]인데, 각 단어가 '
                f'나온 횟수인 {right}이어야 해요.',
            )
    return None
