"""The output adds the input, so nothing has to pass through the bottleneck."""

from exercises.edits import swap
from exercises.kit import first_difference, random_tensor

chapter = '03_mnist_autoencoder'
kind = 'fault'

output = ('model.py', 'Autoencoder.forward', 'x_hat = self.decoder(z)')
edit = swap(*output, 'x_hat = x + self.decoder(z)')
wrong = [
    swap(*output, 'x_hat = 0.5 * x + self.decoder(z)'),
    # No reconstruction of x, but one of its reconstruction.
    swap(*output, 'x_hat = self.decoder(self.encoder(self.decoder(z)))'),
]


def check(chapter):
    """Compare with the decoder's output for what the encoder returns."""
    import torch

    arguments = {'input_size': 6, 'btl_size': 2, 'hidden_sizes': [4]}
    model, x = chapter.model.Autoencoder(**arguments).eval(), random_tensor(5, 6)
    with torch.no_grad():
        return first_difference('x_hat', model(x), model.decoder(model.encoder(x)))
