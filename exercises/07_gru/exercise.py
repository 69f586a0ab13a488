"""The LSTM becomes a GRU, which has no cell state."""

from exercises.edits import swap
from exercises.kit import compare_final_states

chapter = '07_rnn'
kind = 'change'

init = ('model.py', 'SequenceClassifier.__init__', 'nn.LSTM')
forward = ('model.py', 'SequenceClassifier.forward', '_, (h_n, _) = self.rnn(x)')
gru = swap(*init, 'nn.GRU')
solution = [gru, swap(*forward, '_, h_n = self.rnn(x)')]
wrong = [
    # The two states of the GRU are taken for h_n and c_n.
    gru,
    # A plain recurrent network, without gates.
    [swap(*init, 'nn.RNN'), swap(*forward, '_, h_n = self.rnn(x)')],
    # The outputs of all rows are taken for the states.
    [gru, swap(*forward, 'h_n, _ = self.rnn(x)')],
]


def check(chapter):
    """Look at the layer, then compare with the final states of both directions."""
    from torch import nn

    sizes = {'input_size': 4, 'output_size': 3, 'hidden_size': 5}
    model = chapter.model.SequenceClassifier(**sizes, n_layers=1, dropout_p=0)
    if not isinstance(model.rnn, nn.GRU):
        kind = type(model.rnn).__name__
        return (
            f'self.rnn is of type {kind}, expected GRU.',
            f'self.rnn의 타입이 {kind}이에요. GRU여야 해요.',
        )
    if not model.rnn.bidirectional or not model.rnn.batch_first:
        return (
            'The GRU should be bidirectional, with the batch first, as the LSTM was.',
            'GRU도 LSTM처럼 양방향이고 batch_first여야 해요.',
        )
    return compare_final_states(chapter)
