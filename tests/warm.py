"""Draw once what programs draw: the server of programs imports this before it forks.

Half of the time of a short training is that of matplotlib's first picture: fonts, the
letters in all their sizes, and the grammar of a logarithmic axis.
"""

import io

from matplotlib.figure import Figure

figure = Figure(figsize=(6, 4), layout='constrained')
axes = figure.subplots()
axes.plot([1, 2, 3], [0.1, 1.0, 20.0], label='loss')
axes.set(title='Learning curve', xlabel='epoch', ylabel='loss', yscale='log')
axes.legend()
figure.savefig(io.BytesIO(), format='png')
