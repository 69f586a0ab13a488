"""Draw once what programs draw: the server of programs imports this before it forks.

Half of the time of a short training is that of matplotlib's first picture: fonts, the
letters in all their sizes, and the grammar of the labels of a logarithmic axis.

What the server has imported is nothing that a program has to search for garbage.
"""

import gc
import io

from matplotlib import rcParams
from matplotlib.figure import Figure

# As save_figure() of guards.py has it.
rcParams['axes.formatter.min_exponent'] = 5
# The losses of one decade have labels between its powers, those of several have not.
for losses in ([0.2, 0.9], [2.0, 7.0], [20.0, 70.0], [0.02, 50.0]):
    figure = Figure(figsize=(6, 4), layout='constrained')
    axes = figure.subplots()
    axes.plot(losses, marker='.', label='train_loss')
    axes.set(title='Learning curve', xlabel='epoch', ylabel='loss', yscale='log')
    axes.legend()
    figure.savefig(io.BytesIO(), format='png')

gc.collect()
gc.freeze()
