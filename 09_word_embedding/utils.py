"""The helpers of this chapter: the device, columns of text, and the picture."""

from importlib.util import find_spec
from pathlib import Path

from guards import InputError, save_figure


def get_device(gpu_id=None):
    """Return the torch.device to compute on.

    Arguments:
        gpu_id: -1 for the CPU, else the number of an accelerator (CUDA, or Apple's
            MPS). None takes accelerator 0 if there is one, else the CPU.

    Raises:
        InputError: there is no accelerator of that number.
    """
    import torch

    n_accelerators = torch.accelerator.device_count()
    if gpu_id is None:
        gpu_id = 0 if n_accelerators > 0 else -1
    if gpu_id < 0:
        return torch.device('cpu')
    if gpu_id >= n_accelerators:
        found = f'this machine has {n_accelerators} accelerators, numbered from 0'
        raise InputError(f'--gpu_id {gpu_id}: {found}; -1 is the CPU')
    return torch.device(torch.accelerator.current_accelerator().type, gpu_id)


def use_korean_font():
    """Let matplotlib draw Korean with NanumGothic from koreanize-matplotlib.

    The package itself can't be imported without distutils, which new versions of Python
    do not have. So only its font file is used.
    """
    import matplotlib
    from matplotlib import font_manager

    package = find_spec('koreanize_matplotlib')
    fonts_dir = Path(package.origin).with_name('fonts')
    font_manager.fontManager.addfont(fonts_dir / 'NanumGothic.ttf')
    matplotlib.rcParams['font.family'] = ['DejaVu Sans', 'NanumGothic']


def draw_learning_curve(history, fn):
    """Draw the losses of all epochs, a line for each entry of the history.

    Arguments:
        history: a dict from a name, such as train_loss, to its value at each epoch.
        fn: the PNG file to write.
    """
    from matplotlib.figure import Figure

    axes = Figure(figsize=(6, 4), layout='constrained').subplots()
    for name, losses in history.items():
        axes.plot(range(1, len(losses) + 1), losses, marker='.', label=name)
    axes.set(title='Learning curve', xlabel='epoch', ylabel='loss', yscale='log')
    axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    axes.legend()
    save_figure(axes.figure, fn)
