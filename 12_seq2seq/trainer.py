"""The training loop on Ignite: trains any model that maps sequences to sequences.

Nothing here knows of languages or words, and that is why the next chapter copies it.
"""

import contextlib
import logging
import math
import sys

import ignite.distributed as idist
import torch
from ignite.engine import Engine, Events
from ignite.handlers import EarlyStopping, ProgressBar
from ignite.metrics import Average, Loss
from torch.nn.parallel import DistributedDataParallel
from torch.nn.utils import get_total_norm

from utils import (
    InputError,
    get_autocast,
    get_last_fn,
    log,
    save_checkpoint,
    set_seed,
)


class Trainer:
    """Moves a model's parameters down the slope of a loss.

    Arguments:
        model: maps all but the last tensor of a batch to y_hat: x, the lengths of its
            rows, and whatever else it reads.
        crit: maps y_hat and that last tensor, y, to the mean loss of the batch.
        optimizer: updates the parameters of the model.
        scheduler: changes the learning rate after each step.
        metrics: Ignite's metrics of y_hat and y for the validation, by name.
        checkpoint: what the checkpoints hold beside the model; its 'config' are the
            options of the command line.
    """

    def __init__(self, model, crit, optimizer, scheduler, metrics, checkpoint):
        self.model = model
        self.crit = crit
        self.optimizer = optimizer
        self.scheduler = scheduler
        self.device = next(model.parameters()).device
        self.checkpoint = checkpoint
        self.config = checkpoint['config']
        is_fp16 = self.config['amp'] == 'fp16'
        if is_fp16 and self.device.type == 'cpu':
            raise InputError('--amp fp16: needs a GPU; the CPU has bf16')
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=is_fp16)

        # The lowest validation loss so far, and the losses of all epochs by name.
        self.best_loss = math.inf
        self.history = {'train_loss': [], 'valid_loss': []}
        self.writer = None

        # What has come together for the next update.
        self.n_targets = 0
        self.grad_norm = torch.zeros((), device=self.device)

        # Several processes: their gradients are averaged during backward.
        is_alone = idist.get_world_size() == 1
        self.network = model if is_alone else DistributedDataParallel(model)

        # An engine calls its step for every batch of a loader.
        self.trainer = Engine(self._train_step)
        self.validator = Engine(self._valid_step)
        self._attach_metrics(metrics)
        self._attach_handlers()

    def _train_step(self, engine, batch):
        """Add up gradients, take a step after every so many, and report."""
        self.model.train()
        is_update = self._is_update(engine.state)

        # Move
        x, lengths, y, places, targets = batch
        x, y = x.to(self.device), y.to(self.device)
        places, targets = places.to(self.device), targets.to(self.device)

        # Forward: the loss is a sum, for which half precision is too coarse
        with self._sync_if(is_update):
            with get_autocast(self.device, self.config['amp']):
                y_hat = self.network(x, lengths, y, places)
            loss = self.crit(y_hat.float(), targets)

            # Backward: the sum over the tokens, since sums add up over batches; scaled
            # up, since the small gradients would be 0 in fp16
            self.scaler.scale(loss * len(targets)).backward()
        self.n_targets += len(targets)

        if is_update:
            self._update()

        # Report: tensors, since a number would have to wait for the device
        report = {'loss': loss.detach(), 'n_samples': len(targets)}
        return report | {'|grad|': self.grad_norm}

    def _is_update(self, state):
        """Return whether enough gradients have come together, or the epoch ends."""
        n_batches = (state.iteration - 1) % state.epoch_length + 1
        is_last = n_batches == state.epoch_length
        return is_last or n_batches % self.config['iteration_per_update'] == 0

    def _sync_if(self, is_update):
        """Return a context in which processes exchange gradients, or don't yet."""
        if is_update or idist.get_world_size() == 1:
            return contextlib.nullcontext()
        return self.network.no_sync()

    def _update(self):
        """Take one step down the slope."""
        # Mean: over all tokens of the update, in all processes. These have averaged
        # their sums already, so what they are divided by is an average too.
        self.scaler.unscale_(self.optimizer)
        grads = [p.grad for p in self.model.parameters() if p.grad is not None]
        n_targets = idist.all_reduce(self.n_targets) / idist.get_world_size()
        self.n_targets = 0

        # Clip: the true gradients, not the scaled ones, in one pass with the division
        self.grad_norm = get_total_norm(grads) / n_targets
        excess = (self.grad_norm / self.config['max_grad']).clamp(min=1.0)
        torch._foreach_div_(grads, excess * n_targets)

        # Step: left out if a gradient has overflowed
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.scheduler.step()
        self.optimizer.zero_grad()

    @torch.no_grad()
    def _valid_step(self, engine, batch):
        """Predict, and leave y_hat and y to the metrics."""
        self.model.eval()
        x, lengths, y, places, targets = batch
        x, y = x.to(self.device), y.to(self.device)
        places, targets = places.to(self.device), targets.to(self.device)
        with get_autocast(self.device, self.config['amp']):
            y_hat = self.model(x, lengths, y, places)
        return y_hat.float(), targets

    def _attach_metrics(self, metrics):
        """Let the engines average over an epoch: each sample counts the same."""
        sample_losses = Average(
            lambda output: output['loss'].expand(output['n_samples'], 1),
            device=self.device,
        )
        sample_losses.attach(self.trainer, 'loss')
        Loss(self.crit, device=self.device).attach(self.validator, 'loss')
        for name, metric in metrics.items():
            metric.attach(self.validator, name)

    def _attach_handlers(self):
        """Say what happens during an epoch and after it."""
        # An exception is reported by whoever catches it.
        logging.getLogger('ignite').setLevel(logging.CRITICAL)

        some_iterations = Events.ITERATION_COMPLETED(every=20)
        self.trainer.add_event_handler(
            some_iterations,
            lambda engine: self._check_loss(engine.state.output['loss'].item()),
        )
        is_first = idist.get_rank() == 0
        if self.config['verbose'] == 2 and sys.stderr.isatty() and is_first:
            bar = ProgressBar()
            bar.attach(self.trainer, None, self._get_norms, some_iterations)

        self.early_stopping = EarlyStopping(
            patience=self.config['early_stop'] or sys.maxsize,
            score_function=lambda engine: -engine.state.metrics['loss'],
            trainer=self.trainer,
        )
        self.early_stopping.logger.setLevel(logging.CRITICAL)
        self.validator.add_event_handler(Events.COMPLETED, self.early_stopping)

    def _get_norms(self, output):
        """Return what is worth watching of a step: its loss, and two norms."""
        param_norm = get_total_norm([p.detach() for p in self.model.parameters()])
        return {
            'loss': output['loss'],
            '|param|': param_norm,
            '|grad|': output['|grad|'],
        }

    def _check_loss(self, loss):
        """Stop before a loss that is not a number spoils what has been saved."""
        # What fp16 overflows is the scaler's business: it leaves out the step, halves
        # its scale, and has nothing left to halve if this goes on.
        is_overflow = self.scaler.is_enabled() and self.scaler.get_scale() >= 1
        if not math.isfinite(loss) and not is_overflow:
            state = self.trainer.state
            where = f'epoch {state.epoch}, iteration {state.iteration}'
            raise InputError(f'loss={loss} in {where}: lower --lr')

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

        if self.config['log_dir'] and idist.get_rank() == 0:
            from torch.utils.tensorboard import SummaryWriter

            log_dir = self.config['log_dir']
            self.writer = SummaryWriter(log_dir, purge_step=state.epoch + 1)
        start_of_epoch, end_of_epoch = Events.EPOCH_STARTED, Events.EPOCH_COMPLETED
        self.trainer.add_event_handler(start_of_epoch, self._start_epoch, train_loader)
        self.trainer.add_event_handler(end_of_epoch, self._end_epoch, valid_loader)
        self.trainer.run(train_loader, max_epochs=n_epochs)
        if self.early_stopping.counter >= patience:
            log(f'no better model since epoch {state.epoch - patience}: stopped early')

    def _start_epoch(self, engine, train_loader):
        """Let all that is random in an epoch follow from seed, epoch and process."""
        epoch, n_processes = engine.state.epoch, idist.get_world_size()
        train_loader.batch_sampler.set_epoch(epoch)
        set_seed(self.config['seed'] + epoch * n_processes + idist.get_rank())

    def _end_epoch(self, engine, valid_loader):
        """Validate, report and save."""
        valid_metrics = self.validator.run(valid_loader).metrics
        train_loss = engine.state.metrics['loss'].item()
        valid_loss = valid_metrics['loss']
        self._check_loss(train_loss + valid_loss)

        # Report: before saving, since an epoch that was saved is not run again
        report = {'train_loss': train_loss}
        report |= {f'valid_{name}': value for name, value in valid_metrics.items()}
        report |= self._get_norms(engine.state.output)
        del report['loss']
        epoch = engine.state.epoch
        if self.config['verbose'] > 0:
            values = ' '.join(f'{name}={value:.4f}' for name, value in report.items())
            log(f'epoch {epoch}/{engine.state.max_epochs}: {values}')
        if self.writer:
            for name, value in report.items():
                self.writer.add_scalar(name, value, epoch)
            self.writer.flush()

        # Save: the best model first, so that a best loss always has its model
        fn = self.config['model_fn']
        if valid_loss < self.best_loss:
            self.best_loss = valid_loss
            save_checkpoint(self.checkpoint | {'model': self.model.state_dict()}, fn)
        self.history['train_loss'].append(train_loss)
        self.history['valid_loss'].append(valid_loss)
        save_checkpoint(self.checkpoint | self.state_dict(), get_last_fn(fn))

    def state_dict(self):
        """Return all that the next epoch depends on."""
        return {
            'model': self.model.state_dict(),
            'optimizer': self.optimizer.state_dict(),
            'scheduler': self.scheduler.state_dict(),
            'scaler': self.scaler.state_dict(),
            'early_stopping': dict(self.early_stopping.state_dict()),
            'epoch': self.trainer.state.epoch,
            'epoch_length': self.trainer.state.epoch_length,
            'best_loss': self.best_loss,
            'history': self.history,
        }

    def load_state_dict(self, state):
        """Go back to where state_dict() was called."""
        self.model.load_state_dict(state['model'])
        self.optimizer.load_state_dict(state['optimizer'])
        self.scheduler.load_state_dict(state['scheduler'])
        self.scaler.load_state_dict(state['scaler'])
        self.early_stopping.load_state_dict(state['early_stopping'])
        position = {name: state[name] for name in ('epoch', 'epoch_length')}
        self.trainer.load_state_dict(position | {'max_epochs': state['epoch']})
        self.best_loss = state['best_loss']
        self.history = state['history']
