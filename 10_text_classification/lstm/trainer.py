"""The training loop on Ignite: trains any model that maps x and its lengths to y.

Nothing here knows of digits or images, and that is why the later chapters copy it.
"""

import logging
import math
import sys

import torch
from ignite.engine import Engine, Events
from ignite.handlers import EarlyStopping, ProgressBar
from ignite.metrics import Average, Loss
from torch.nn.utils import clip_grad_norm_, get_total_norm

from guards import InputError, log, save_checkpoint
from utils import get_last_fn, get_random_state, set_random_state


class Trainer:
    """Moves a model's parameters down the slope of a loss.

    Arguments:
        model: maps a batch of x to y_hat.
        crit: maps y_hat and y to the mean loss of the batch.
        optimizer: updates the parameters of the model.
        metrics: Ignite's metrics of y_hat and y for the validation, by name.
        checkpoint: what the checkpoints hold beside the model; its 'config' are the
            options n_epochs, early_stop, verbose, log_dir and model_fn.
    """

    def __init__(self, model, crit, optimizer, metrics, checkpoint):
        self.model = model
        self.crit = crit
        self.optimizer = optimizer
        self.device = next(model.parameters()).device
        self.checkpoint = checkpoint
        self.config = checkpoint['config']

        # The lowest validation loss so far, and the losses of all epochs by name.
        self.best_loss = math.inf
        self.history = {'train_loss': [], 'valid_loss': []}
        self.writer = None

        # An engine calls its step for every batch of a loader.
        self.trainer = Engine(self._train_step)
        self.validator = Engine(self._valid_step)
        self._attach_metrics(metrics)
        self._attach_handlers()

    def _train_step(self, engine, batch):
        """Take one step down the slope, and report its loss and gradient."""
        self.model.train()

        # Move: packing needs the lengths on the CPU
        x, lengths, y = batch
        x, y = x.to(self.device), y.to(self.device)

        # Forward
        y_hat = self.model(x, lengths)
        loss = self.crit(y_hat, y)

        # Backward
        self.optimizer.zero_grad()
        loss.backward()

        # Clip
        grad_norm = clip_grad_norm_(self.model.parameters(), self.config['max_grad'])

        # Step
        self.optimizer.step()

        # Report: tensors, since a number would have to wait for the device
        return {'loss': loss.detach(), 'n_samples': len(x), '|grad|': grad_norm}

    @torch.no_grad()
    def _valid_step(self, engine, batch):
        """Predict, and leave y_hat and y to the metrics."""
        self.model.eval()
        x, lengths, y = batch
        return self.model(x.to(self.device), lengths), y.to(self.device)

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
        if self.config['verbose'] == 2 and sys.stderr.isatty():
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
        if not math.isfinite(loss):
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

        if self.config['log_dir']:
            from torch.utils.tensorboard import SummaryWriter

            log_dir = self.config['log_dir']
            self.writer = SummaryWriter(log_dir, purge_step=state.epoch + 1)
        end_of_epoch = Events.EPOCH_COMPLETED
        self.trainer.add_event_handler(end_of_epoch, self._end_epoch, valid_loader)
        self.trainer.run(train_loader, max_epochs=n_epochs)
        if self.early_stopping.counter >= patience:
            log(f'no better model since epoch {state.epoch - patience}: stopped early')

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
            'early_stopping': dict(self.early_stopping.state_dict()),
            'epoch': self.trainer.state.epoch,
            'epoch_length': self.trainer.state.epoch_length,
            'best_loss': self.best_loss,
            'history': self.history,
            'random_state': get_random_state(),
        }

    def load_state_dict(self, state):
        """Go back to where state_dict() was called."""
        self.model.load_state_dict(state['model'])
        self.optimizer.load_state_dict(state['optimizer'])
        self.early_stopping.load_state_dict(state['early_stopping'])
        position = {name: state[name] for name in ('epoch', 'epoch_length')}
        self.trainer.load_state_dict(position | {'max_epochs': state['epoch']})
        self.best_loss = state['best_loss']
        self.history = state['history']
        set_random_state(state['random_state'])
