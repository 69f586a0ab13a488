"""The training loop on Ignite: trains any model whose criterion returns a mean loss.

Nothing here depends on languages or directions: train.py and train_lm.py use the same
Trainer.
"""

import contextlib
import logging
import math
import sys
from operator import itemgetter
from pathlib import Path

import ignite.distributed as idist
import torch
from ignite.engine import Engine, Events
from ignite.handlers import Checkpoint, EarlyStopping, ProgressBar, TensorboardLogger
from ignite.handlers.param_scheduler import ParamScheduler
from ignite.metrics import Loss, MetricsLambda
from torch.nn.parallel import DistributedDataParallel
from torch.nn.utils import get_total_norm

from data_loader import count_targets
from guards import InputError, is_first_process, log, save_checkpoint
from utils import (
    draw_learning_curve,
    get_autocast,
    get_last_fn,
    load_last,
    set_seed,
)


class Trainer:
    """Trains a model with two Ignite engines, one for training and one for validation.

    Arguments:
        model: the parameters to train.
        crit: maps the model and a batch to a dict, of which 'loss' is the mean over the
            targets of the batch; its get_targets() returns these.
        optimizer: updates the parameters of the model.
        scheduler: an Ignite handler that sets the learning rate before each step.
        metrics: Ignite's metrics of such dicts for the validation, by name.
        checkpoint: what the last state contains besides the model; its 'config' are the
            options seed, n_epochs, early_stop, verbose, log_dir and model_fn.
        best_models: a dict from a file to a part of the model, which is saved in it
            when the model is the best so far, and what else the file contains.
    """

    def __init__(
        self, model, crit, optimizer, scheduler, metrics, checkpoint, best_models
    ):
        self.model = model
        self.crit = crit
        self.optimizer = optimizer
        self.scheduler = scheduler
        self.device = next(model.parameters()).device
        self.checkpoint, self.best_models = checkpoint, best_models
        self.config = checkpoint['config']

        # Mixed precision: fp16 needs a scaler
        is_fp16 = self.config['amp'] == 'fp16'
        if is_fp16 and self.device.type == 'cpu':
            raise InputError('--amp fp16: needs a GPU; the CPU has bf16')
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=is_fp16)

        # The targets since the last update, and the norm of its gradient
        self.n_targets = 0
        self.grad_norm = torch.zeros((), device=self.device)

        # Several processes: their gradients are averaged during backward
        is_alone = idist.get_world_size() == 1
        self.network = model if is_alone else DistributedDataParallel(model)

        # An engine calls its step for each batch of a loader.
        self.trainer = Engine(self._train_step)
        self.validator = Engine(self._valid_step)
        self._attach_metrics(metrics)
        self._create_handlers()

    def _train_step(self, engine, batch):
        """Accumulate gradients, and take a step after each group of batches."""
        self.model.train()
        is_update = self._is_update(engine.state)

        # Move: the targets are counted on the CPU, so no step waits for the device
        targets = self.crit.get_targets(batch)
        n_targets = count_targets(targets)
        batch = [part.to(self.device) for part in batch]

        # Forward: teacher forcing
        with self._sync_if(is_update):
            with get_autocast(self.device, self.config['amp']):
                loss = self.crit(self.network, batch)['loss']

            # Backward: of the sum over the targets, since sums add up over batches;
            # scaled up, since small gradients would be 0 in fp16
            self.scaler.scale(loss * n_targets).backward()
        self.n_targets += n_targets

        if is_update:
            self._update()

        # Report: tensors, because a Python number would have to wait for the device
        return {'loss': loss.detach(), 'targets': targets, '|grad|': self.grad_norm}

    def _is_update(self, state):
        """Return whether this batch is the last one of its group, or of the epoch."""
        n_batches = (state.iteration - 1) % state.epoch_length + 1
        is_last = n_batches == state.epoch_length
        return is_last or n_batches % self.config['iteration_per_update'] == 0

    def _sync_if(self, is_update):
        """Return a context in which the processes average gradients only if told to."""
        if is_update or idist.get_world_size() == 1:
            return contextlib.nullcontext()
        return self.network.no_sync()

    def _update(self):
        """Take one gradient step with the accumulated gradients."""
        # Mean: over all targets of the group, in all processes. DDP has divided the
        # sums of the processes by their number, so the number of targets is, too.
        self.scaler.unscale_(self.optimizer)
        grads = [p.grad for p in self.model.parameters() if p.grad is not None]
        n_targets = idist.all_reduce(self.n_targets) / idist.get_world_size()
        self.n_targets = 0

        # Clip: the unscaled mean gradients, in one pass with the division
        self.grad_norm = get_total_norm(grads) / n_targets
        excess = (self.grad_norm / self.config['max_grad']).clamp(min=1.0)
        torch._foreach_div_(grads, excess * n_targets)

        # Step: left out if a gradient has overflowed
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad()

    @torch.no_grad()
    def _valid_step(self, engine, batch):
        """Compute the loss, and leave it with the rest to the metrics."""
        self.model.eval()
        targets = self.crit.get_targets(batch)
        batch = [part.to(self.device) for part in batch]
        with get_autocast(self.device, self.config['amp']):
            return self.crit(self.model, batch) | {'targets': targets}

    def _attach_metrics(self, metrics):
        """Attach the means over all targets of an epoch, and keep them."""
        # The steps have computed the losses: Loss only has to average them.
        get_loss, inputs = lambda loss, targets: loss, itemgetter('loss', 'targets')
        options = {'batch_size': count_targets, 'device': self.device}
        Loss(get_loss, inputs, **options).attach(self.trainer, 'train_loss')
        Loss(get_loss, inputs, **options).attach(self.validator, 'valid_loss')
        for name, metric in metrics.items():
            metric.attach(self.validator, f'valid_{name}')

        # The metrics of all epochs belong to the state of the engine.
        names = 'train_loss', 'valid_loss', *(f'valid_{name}' for name in metrics)
        self.trainer.state.history = {name: [] for name in names}
        self.trainer.state_dict_user_keys.append('history')

    def _create_handlers(self):
        """Create early stopping, and what saves the best model and the last state."""
        # The lower the validation loss, the higher the score.
        get_score = Checkpoint.get_default_score_fn('valid_loss', -1.0)
        patience = self.config['early_stop'] or sys.maxsize
        self.early_stopping = EarlyStopping(patience, get_score, self.trainer)

        # A Checkpoint with a score saves the best model, one without each last state.
        options = {'save_handler': self._save, 'filename_pattern': '{name}'}
        best = {'best': {'model': self.model}}
        self.best = Checkpoint(best, score_function=get_score, **options)
        # The next epoch depends on the states of these objects, and on nothing else.
        self.to_save = {
            'model': self.model,
            'optimizer': self.optimizer,
            'scaler': self.scaler,
            'trainer': self.trainer,
            'early_stopping': self.early_stopping,
            'best': self.best,
        }
        self.last = Checkpoint({'last': self.to_save}, **options)

    def _save(self, state, name, metadata):
        """Save the state dicts of a Checkpoint named last, or the best models."""
        if name == 'last':
            fn = get_last_fn(self.config['model_fn'])
            save_checkpoint(self.checkpoint | state, fn)
            return
        for fn, (model, checkpoint) in self.best_models.items():
            save_checkpoint(checkpoint | {'model': model.state_dict()}, fn)

    def train(self, train_loader, valid_loader):
        """Run the epochs that are left, and validate and save after each.

        Arguments:
            train_loader, valid_loader: give batches of x and y.

        Raises:
            InputError: the loss is not a number any more, or the data has changed.
        """
        n_epochs = self.config['n_epochs']
        state, patience = self.trainer.state, self.early_stopping.patience
        if state.epoch >= n_epochs or self.early_stopping.counter >= patience:
            log('there is nothing left to train')
            return
        if state.epoch_length not in (None, len(train_loader)):
            raise InputError(f'expected {state.epoch_length} batches of data as before')

        self._attach_handlers(valid_loader)
        self.trainer.run(train_loader, max_epochs=n_epochs)
        if self.early_stopping.counter >= patience:
            log(f'no better model since epoch {state.epoch - patience}: stopped early')

    def _attach_handlers(self, valid_loader):
        """Attach what happens at the events of the training, in the order of calls.

        The best model is saved before the last state, which contains its score. An
        epoch is reported before its state is saved, because it is not run again then.
        """
        # Exceptions are reported by run(), in guards.py.
        for logger in (logging.getLogger('ignite'), self.early_stopping.logger):
            logger.setLevel(logging.CRITICAL)

        attach, config = self.trainer.add_event_handler, self.config
        attach(Events.EPOCH_STARTED, self._start_epoch)
        attach(Events.ITERATION_STARTED, self.scheduler)
        some_iterations = Events.ITERATION_COMPLETED(every=20)
        attach(some_iterations, self._check_step)
        if config['verbose'] == 2 and sys.stderr.isatty() and is_first_process():
            ProgressBar().attach(self.trainer, None, self._get_norms, some_iterations)

        attach(Events.EPOCH_COMPLETED, self._validate, valid_loader)
        attach(Events.EPOCH_COMPLETED, self.early_stopping)
        attach(Events.EPOCH_COMPLETED, self.best)
        attach(Events.EPOCH_COMPLETED, self._report)
        if config['log_dir'] and is_first_process():
            first_step = self.trainer.state.epoch + 1
            logger = TensorboardLogger(config['log_dir'], purge_step=first_step)
            logger.attach(self.trainer, self._log_scalars, Events.EPOCH_COMPLETED)
        attach(Events.EPOCH_COMPLETED, self.last)

    def _start_epoch(self, engine):
        """Set the seeds of an epoch, which are the same for a resumed training."""
        epoch, n_processes = engine.state.epoch, idist.get_world_size()
        engine.state.dataloader.batch_sampler.set_epoch(epoch)
        set_seed(self.config['seed'] + epoch * n_processes + idist.get_rank())

    def _check_step(self, engine):
        """Check the loss: not after each step, because it waits for the device."""
        self._check_loss(engine.state.output['loss'].item())

    def _check_loss(self, loss):
        """Stop before a loss that is not a number spoils what has been saved."""
        # If fp16 overflows, the scaler skips the step and halves its scale. If that
        # does not help, the scale falls below 1.
        is_overflow = self.scaler.is_enabled() and self.scaler.get_scale() >= 1
        if not math.isfinite(loss) and not is_overflow:
            state = self.trainer.state
            where = f'epoch {state.epoch}, iteration {state.iteration}'
            raise InputError(f'loss={loss} in {where}: lower --lr')

    def _get_norms(self, output):
        """Return the loss of a step, and the norms of all parameters and gradients."""
        norm = get_total_norm([p.detach() for p in self.model.parameters()])
        return {'loss': output['loss'], '|param|': norm, '|grad|': output['|grad|']}

    def _validate(self, engine, valid_loader):
        """Add the validation's metrics and the norms to the metrics of the epoch."""
        metrics = engine.state.metrics
        metrics |= self.validator.run(valid_loader).metrics
        self._check_loss(metrics['train_loss'] + metrics['valid_loss'])
        norms = self._get_norms(engine.state.output)
        metrics |= {name: norms[name] for name in ('|param|', '|grad|')}

    def _report(self, engine):
        """Add the losses of an epoch to the history, and print one line."""
        state, metrics = engine.state, engine.state.metrics
        for name, losses in state.history.items():
            losses.append(metrics[name])
        if self.config['verbose'] > 0:
            values = ' '.join(f'{name}={value:.4f}' for name, value in metrics.items())
            log(f'epoch {state.epoch}/{state.max_epochs}: {values}')

    def _log_scalars(self, engine, logger, event_name):
        """Write the metrics of an epoch for TensorBoard."""
        for name, value in engine.state.metrics.items():
            logger.add_scalar(name, value, engine.state.epoch)
        logger.flush()

    @property
    def history(self):
        """The losses of all epochs: a list for train_loss, and one for valid_loss."""
        return self.trainer.state.history

    def load_state_dict(self, state):
        """Resume from the state that the last checkpoint has saved."""
        Checkpoint.load_objects(self.to_save, state)
        # The schedule depends on the options and on the number of steps alone.
        self.scheduler.event_index = self.trainer.state.iteration


def run_training(trainer, config, train_loader, valid_loader):
    """Train, with --resume from the last state, and draw the learning curve.

    Arguments:
        trainer: a Trainer, which saves the best model and the last state.
        config: the options.
        train_loader, valid_loader: as in Trainer.train().
    """
    chapter = trainer.checkpoint['chapter']
    state = load_last(config, chapter) if config.resume else None
    if state:
        trainer.load_state_dict(state)
    try:
        trainer.train(train_loader, valid_loader)
    except KeyboardInterrupt:
        log('to go on, give the same command with --resume')
        raise
    finally:
        if trainer.history['train_loss']:
            for fn in trainer.best_models:
                log(f'saved: {fn}')
            picture_fn = Path(config.model_fn).with_suffix('.png')
            draw_learning_curve(trainer.history, picture_fn)


def get_optimizer(model, lr, weight_decay):
    """Return AdamW with weight decay for matrices, not for biases and normalisation."""
    params = list(model.parameters())
    groups = [
        {'params': [p for p in params if p.dim() > 1], 'weight_decay': weight_decay},
        {'params': [p for p in params if p.dim() <= 1], 'weight_decay': 0.0},
    ]
    return torch.optim.AdamW(groups, lr, fused=True)


class InverseSquareRoot(ParamScheduler):
    """The learning rate rises linearly, then falls as 1/sqrt(step).

    Vaswani et al. 2017, equation 3, with the maximum set by the learning rate.

    Arguments:
        optimizer: its learning rate is the highest one.
        n_warmup_batches: the number of batches in which the learning rate rises.
    """

    def __init__(self, optimizer, n_warmup_batches):
        super().__init__(optimizer, 'lr')
        self.lr, self.n_warmup_batches = optimizer.defaults['lr'], n_warmup_batches

    def get_param(self):
        """Return the learning rate of the next batch."""
        ratio = (self.event_index + 1) / self.n_warmup_batches
        return self.lr * min(ratio, ratio**-0.5)


def get_perplexity(name, device):
    """Return Ignite's metric of the perplexity, exp(-mean log-probability of a token).

    Arguments:
        name: of the log-probabilities of sentences, and of their targets.
        device: the device to compute on.
    """

    def get_mean(log_p, targets):
        return -log_p.sum() / count_targets(targets)

    loss = Loss(get_mean, itemgetter(name), count_targets, device)
    return MetricsLambda(math.exp, loss)


def get_mean_gap(device):
    """Return Ignite's metric of the mean of |gap| over all pairs, in nats."""

    def get_mean(gap, _):
        return gap.abs().mean()

    return Loss(get_mean, itemgetter('gap', 'gap'), len, device)


def get_metrics(lang, device):
    """Return the metrics of both directions, by name.

    Arguments:
        lang: the two languages, as koen.
        device: the device to compute on.
    """
    return {
        f'{lang}_perplexity': get_perplexity('forth', device),
        f'{lang[2:]}{lang[:2]}_perplexity': get_perplexity('back', device),
        'gap': get_mean_gap(device),
    }
