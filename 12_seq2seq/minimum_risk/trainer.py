"""The training loop on Ignite: lowers the risk of any model that can be sampled from.

Nothing here depends on languages or words, nor on how the risk is computed.
"""

import contextlib
import logging
import math
import sys
from functools import partial
from operator import itemgetter

import ignite.distributed as idist
import torch
from ignite.engine import Engine, Events
from ignite.handlers import Checkpoint, EarlyStopping, ProgressBar, TensorboardLogger
from ignite.handlers.param_scheduler import PiecewiseLinear
from ignite.metrics import Loss
from torch.nn.functional import pad
from torch.nn.parallel import DistributedDataParallel
from torch.nn.utils import get_total_norm

from data_loader import BOS_ID, EOS_ID, PAD_ID
from guards import InputError, is_first_process, log, save_checkpoint
from search import get_log_p, greedy_search, sample
from utils import get_autocast, get_last_fn, set_seed


class Trainer:
    """Trains a model with two Ignite engines, one for training and one for validation.

    Arguments:
        model: maps a batch of x to y_hat, and takes the steps of a search.
        metric: scores candidates from 0 to 1; their risk is 1 - score.
        crit: maps log-probabilities, risks and candidates to the mean loss of a
            batch.
        optimizer: updates the parameters of the model.
        scheduler: an Ignite handler that sets the learning rate before each step.
        checkpoint: what the checkpoints contain besides the model; its 'config' are the
            options seed, n_epochs, early_stop, verbose, log_dir and model_fn.
    """

    def __init__(self, model, metric, crit, optimizer, scheduler, checkpoint):
        self.model = model
        self.metric = metric
        self.crit = crit
        self.optimizer = optimizer
        self.scheduler = scheduler
        self.device = next(model.parameters()).device
        self.checkpoint = checkpoint
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
        self._attach_metrics()
        self._create_handlers()

    def _train_step(self, engine, batch):
        """Accumulate gradients, and take a step after each group of batches."""
        is_update = self._is_update(engine.state)
        autocast = partial(get_autocast, self.device, self.config['amp'])

        # Move
        x, lengths, y = batch
        x, y = x.to(self.device), y.to(self.device)

        # Sample: from the network as it translates now
        self.model.eval()
        with autocast():
            candidates, n_tokens = sample(
                *self._get_task(x, lengths), self.config['n_samples']
            )
        if self.crit.needs_reference:
            candidates, n_tokens = add_reference(candidates, n_tokens, y[:, 1:])
        risk = 1 - self.metric(candidates, y[:, 1:])
        # |risk| = (n_sentences, n_candidates)

        # Forward: teacher forcing; the loss needs more than 16 bits
        self.model.train()
        with self._sync_if(is_update):
            with autocast():
                log_p = get_log_p(
                    self.network, x, lengths, candidates, n_tokens, BOS_ID
                )
            # |log_p| = (n_sentences, n_candidates)
            loss = self.crit(log_p, risk, candidates)

            # Backward: of the sum over the sentences, since sums add up over batches;
            # scaled up, since small gradients would be 0 in fp16
            self.scaler.scale(loss * len(x)).backward()
        # A target of this loss is a sentence, not a token.
        self.n_targets += len(x)

        if is_update:
            self._update()

        # Report: the mean risk of the samples, not a number if the loss is none
        risk = risk[:, : self.config['n_samples']].mean() + 0 * loss.detach()
        return {'loss': risk, 'y': y, '|grad|': self.grad_norm}

    def _get_task(self, x, lengths):
        """Return the arguments that all searches have."""
        return self.model, x, lengths, BOS_ID, EOS_ID, self.config['max_length']

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

    def _valid_step(self, engine, batch):
        """Translate by greedy search, and return the mean risk."""
        self.model.eval()
        x, lengths, y = batch
        x, y = x.to(self.device), y.to(self.device)
        with get_autocast(self.device, self.config['amp']):
            y_hat = greedy_search(*self._get_task(x, lengths))
        risk = 1 - self.metric(y_hat.unsqueeze(1), y[:, 1:])
        # |risk| = (n_sentences, 1)
        return risk.mean(), y

    def _attach_metrics(self):
        """Attach the means over all sentences of an epoch, and keep the risks."""
        # The steps have computed the risk: Loss only has to average it.
        get_risk, inputs = lambda risk, y: risk, itemgetter('loss', 'y')
        options = {'batch_size': len, 'device': self.device}
        Loss(get_risk, inputs, **options).attach(self.trainer, 'train_loss')
        Loss(get_risk, **options).attach(self.validator, 'valid_loss')

        # The losses of all epochs belong to the state of the engine.
        self.trainer.state.history = {'train_loss': [], 'valid_loss': []}
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
        """Save the state dicts that a Checkpoint named best or last has collected."""
        fn = self.config['model_fn']
        fn = get_last_fn(fn) if name == 'last' else fn
        save_checkpoint(self.checkpoint | state, fn)

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
        attach(Events.STARTED, self._rate_pretrained, valid_loader)
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

    def _rate_pretrained(self, engine, valid_loader):
        """Save the network as it is before the first epoch: it may stay the best."""
        if engine.state.epoch == 0:
            engine.state.metrics |= self.validator.run(valid_loader).metrics
            log(f'before: valid_loss={engine.state.metrics["valid_loss"]:.4f}')
            self.early_stopping(engine)
            self.best(engine)

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


def get_optimizer(model, lr, weight_decay):
    """Return AdamW with weight decay for matrices, not for biases and normalisation."""
    params = list(model.parameters())
    groups = [
        {'params': [p for p in params if p.dim() > 1], 'weight_decay': weight_decay},
        {'params': [p for p in params if p.dim() <= 1], 'weight_decay': 0.0},
    ]
    return torch.optim.AdamW(groups, lr, fused=True)


def get_scheduler(optimizer, n_steps, warmup_ratio):
    """Return a linear warm-up of the learning rate, and a linear decay to zero.

    Arguments:
        optimizer: its learning rate is the highest one.
        n_steps: the number of gradient steps of the whole training.
        warmup_ratio: the share of them in which the learning rate rises.
    """
    lr, n_warmup_steps = optimizer.defaults['lr'], round(n_steps * warmup_ratio)
    start, peak, end = lr / (n_warmup_steps + 1), (n_warmup_steps, lr), (n_steps, 0.0)
    return PiecewiseLinear(optimizer, 'lr', [(0, start), peak, end])


def add_reference(candidates, n_tokens, references):
    """Append the reference of each sentence to its candidates.

    Arguments:
        candidates: the token ids, filled up with EOS.
        n_tokens: the number of tokens of each candidate.
        references: the token ids from the first one to EOS, padded.

    Returns:
        The candidates and the numbers of their tokens, with one candidate more.
    """
    # |candidates| = (n_sentences, n_samples, length)
    # |n_tokens| = (n_sentences, n_samples)
    # |references| = (n_sentences, reference_length)
    is_padding = references == PAD_ID
    n_missing = references.size(1) - candidates.size(2)
    candidates = pad(candidates, (0, max(0, n_missing)), value=EOS_ID)
    references = references.masked_fill(is_padding, EOS_ID)
    references = pad(references, (0, max(0, -n_missing)), value=EOS_ID)
    n_reference_tokens = (~is_padding).sum(dim=1, keepdim=True)
    candidates = torch.cat([candidates, references.unsqueeze(1)], dim=1)
    return candidates, torch.cat([n_tokens, n_reference_tokens], dim=1)
