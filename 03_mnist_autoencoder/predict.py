"""Reconstruct the digits of the test split with a trained autoencoder.

    python predict.py --model_fn model.pth

Prints the mean squared error of the reconstructions, and that of PCA with as many
components to compare with. Draws digits with their reconstructions, the map of the
digits in the bottleneck, and digits decoded from a grid of points on that map.
"""

from pathlib import Path

from guards import get_argparser, load_checkpoint, run, save_figure
from utils import get_class_names, get_device, load_mnist


def define_argparser():
    """Return the parser of the command line."""
    p = get_argparser(description='Reconstruct the test split, and draw its map.')
    p.add_argument('--data_dir', help='folder of the datasets; None: as in training')
    p.add_argument('--figure_fn', help='PNG to draw; None: beside the checkpoint')
    return p


def load_model(checkpoint):
    """Build the autoencoder that a checkpoint describes, ready to predict."""
    from model import get_model

    model = get_model(checkpoint['config'])
    model.load_state_dict(checkpoint['model'])
    return model.eval()


def predict(network, x, batch_size=1024):
    """Return the output of a network for each row of x.

    Arguments:
        network: the whole model, its encoder or its decoder.
        x: a float tensor of shape (n_images, size), on the CPU.

    Returns:
        A float tensor of n_images rows, on the CPU.
    """
    import torch

    device = next(network.parameters()).device
    with torch.no_grad():
        return torch.cat([network(x_i.to(device)).cpu() for x_i in x.split(batch_size)])


def get_pca_error(train_x, x, n_components):
    """Return the mean squared error of PCA, the best linear autoencoder.

    Arguments:
        train_x: the images to fit it to, a tensor of shape (n_images, 784).
        x: the images to reconstruct.
    """
    from sklearn.decomposition import PCA

    n_components = min(n_components, *train_x.shape)
    pca = PCA(n_components, random_state=0).fit(train_x.numpy())
    x_hat = pca.inverse_transform(pca.transform(x.numpy()))
    return ((x_hat - x.numpy()) ** 2).mean().item()


def draw_grid(figure, title, x, n_columns):
    """Draw images row by row in one picture.

    Arguments:
        figure: the matplotlib Figure, or a part of one, to draw on.
        x: a float tensor of shape (n_images, 784); n_columns divides n_images.
    """
    from torchvision.utils import make_grid

    picture = make_grid(x.view(-1, 1, 28, 28), nrow=n_columns, padding=0)[0]
    # |picture| = (height, width)
    axes = figure.subplots()
    axes.imshow(picture, cmap='gray_r', vmin=0, vmax=1)
    axes.set_title(title)
    axes.axis('off')


def get_map(z):
    """Choose the plane in which the bottleneck is drawn.

    Arguments:
        z: the values of the bottleneck, a float tensor of shape (n_images, btl_size).

    Returns:
        A description of the plane; its origin, of shape (btl_size,); and its two
        directions, of shape (2, btl_size).
    """
    import torch

    btl_size = z.size(1)
    if btl_size <= 2:
        return 'the bottleneck itself', torch.zeros(btl_size), torch.eye(2, btl_size)
    origin = z.mean(dim=0)
    directions = torch.linalg.svd(z - origin, full_matrices=False).Vh[:2]
    return f'first two principal components of {btl_size}', origin, directions


def draw_map(figure, title, points, y, class_names):
    """Draw each image as the number of its class, in a colour of its own.

    Arguments:
        points: a float tensor of shape (n_images, 2).
        y: the classes, a long tensor of shape (n_images,).
    """
    axes = figure.subplots()
    for i in range(len(class_names)):
        axes.scatter(*points[y == i].T, s=16, lw=0.3, color=f'C{i}', marker=f'${i}$')
    axes.set_title(title)
    axes.legend(class_names, markerscale=2, fontsize=8)


def get_walk(points, n_steps=15):
    """Return the points of a square grid on the map, from the top left corner on.

    Arguments:
        points: the map, a float tensor of shape (n_images, 2).

    Returns:
        A float tensor of shape (n_steps * n_steps, 2).
    """
    import torch

    low, high = points.quantile(torch.tensor([0.02, 0.98]), dim=0)
    steps = torch.linspace(0, 1, n_steps)[:, None]
    horizontal, vertical = (low + (high - low) * steps).T
    return torch.cartesian_prod(vertical.flip(0), horizontal).flip(1)


def main(config):
    """Reconstruct, print and draw."""
    import torch
    from matplotlib.figure import Figure

    device = get_device(config.gpu_id)
    checkpoint = load_checkpoint(config.model_fn, '03_mnist_autoencoder')
    model = load_model(checkpoint).to(device)

    dataset = checkpoint['config']['dataset']
    data_dir = config.data_dir or checkpoint['config']['data_dir']
    x, y = load_mnist(dataset, data_dir, is_train=False)
    train_x, _ = load_mnist(dataset, data_dir, is_train=True)

    x_hat = predict(model, x)
    # |x_hat| = (n_images, 784)
    z = predict(model.encoder, x)
    # |z| = (n_images, btl_size)
    print(f'dataset: {dataset}\nn_images: {len(x)}\nbtl_size: {z.size(1)}')
    print(f'mse: {(x_hat - x).square().mean().item():.5f}')
    print(f'pca_mse: {get_pca_error(train_x, x, z.size(1)):.5f}')

    plane, origin, directions = get_map(z)
    points = (z - origin) @ directions.T
    # |points| = (n_images, 2)
    walk = get_walk(points)
    # |walk| = (n_points, 2)
    decoded = predict(model.decoder, origin + walk @ directions)
    # |decoded| = (n_points, 784)

    figure = Figure(figsize=(18, 6), layout='constrained')
    left, middle, right = figure.subfigures(1, 3)
    pairs = torch.stack([x[:50].view(5, 10, 784), x_hat[:50].view(5, 10, 784)], dim=1)
    # |pairs| = (5, 2, 10, 784)
    draw_grid(left, 'Digits, and their reconstructions below', pairs, n_columns=10)
    draw_map(middle, f'Map: {plane}', points, y, get_class_names(dataset))
    draw_grid(right, 'Decoded from a grid of points on the map', decoded, n_columns=15)

    figure_fn = config.figure_fn or Path(config.model_fn).with_suffix('.predict.png')
    save_figure(figure, figure_fn)


if __name__ == '__main__':
    run(main, define_argparser())
