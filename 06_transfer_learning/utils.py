"""The small helpers of a chapter: the device, the seed, the state and the picture.

Libraries that take seconds to import are imported inside the functions that use them,
so that `--help` answers at once.
"""

from pathlib import Path

from guards import InputError, load_checkpoint, log, save_figure


def set_seed(seed):
    """Make a run repeatable: one seed on one machine gives one result."""
    import torch

    torch.manual_seed(seed)
    torch.backends.cudnn.deterministic = True


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


def get_last_fn(model_fn):
    """Return where the state of a training is saved: model.last.pth for model.pth."""
    return Path(model_fn).with_suffix('.last.pth')


def load_last(config, chapter):
    """Load the state from which a training resumes, None if nothing was saved yet.

    Raises:
        InputError: it can't be read, or its training had other options than config.
    """
    last_fn = get_last_fn(config.model_fn)
    if not last_fn.exists():
        log(f'{last_fn}: not there yet, so the training starts from the beginning')
        return None
    state = load_checkpoint(last_fn, chapter)
    if 'trainer' not in state:
        found = 'found a model, or a state of an earlier version'
        raise InputError(f'{last_fn}: expected the state of a training, {found}')
    # The options that may change: they do not change the result, or only its length.
    free = {'model_fn', 'data_dir', 'log_dir', 'gpu_id'}
    free |= {'n_epochs', 'verbose', 'resume'}
    for name, value in vars(config).items():
        before = state['config'].get(name)
        if name not in free and value is None:
            # The first training has chosen it, so it stays as it was.
            setattr(config, name, before)
        elif name not in free and value != before:
            expected = f'{last_fn}: expected the same options to go on with'
            raise InputError(f'{expected}, --{name} was {before} and now is {value}')
    return state


def get_autocast(device, amp):
    """Return a context in which networks compute in mixed precision.

    Operations that need more precision, such as a softmax, stay in 32 bits.

    Arguments:
        amp: off, bf16 (the range of a float with 8 bits of precision) or fp16 (11 bits,
            but nothing above 65,504).
    """
    import torch

    dtype = torch.float16 if amp == 'fp16' else torch.bfloat16
    return torch.autocast(device.type, dtype, enabled=amp != 'off')
