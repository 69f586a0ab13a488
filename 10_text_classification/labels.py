"""Labelled texts as people have them, read and checked.

The same file in 08 and 10: read it once, in 08. A header tells which columns are the
label and the text; without one, they are the only two columns, in this order.
"""

import itertools

from guards import InputError, log
from tables import TEXT_NAMES, read_rows, simplify

# The names that the column of the label is recognised by, in any case and order.
LABEL_NAMES = (
    'label labels class category sentiment emotion polarity target intent '
    '라벨 레이블 분류 감정 감성 긍부정 극성 정답'
)

DROPPED = '--drop_duplicates leaves them out', 'they are left out'
ADVICE = 'tell the columns with --label_column and --text_column'


def add_table_options(option):
    """Add the options of how a table is read; option adds one to a parser."""
    column_help = "name in the table's header, or number from 0; None: known names"
    option('--label_column', help=f'of the labels: {column_help}')
    option('--text_column', help=f'of the texts: {column_help}')
    drop_help = 'leave out repeated texts, and those that were trained on'
    option('--drop_duplicates', action='store_true', help=drop_help)


def is_blank(row):
    """Return whether all cells of a row are blank; row: its line number and cells."""
    return not ''.join(row[1]).strip()


def find_column(kind, known, option, first, fn):
    """Find the columns of a kind in the first row of a table.

    Arguments:
        kind: 'label' or 'text'.
        known: the names of such a column.
        option: what the user gave for it, a name or a number from 0; None: nothing.
        first: the cells of the row.

    Returns:
        The number of the column, from 0, or None; and whether the row names it.

    Raises:
        InputError: several columns could be meant, or none is that of the option.
    """
    is_number = option is not None and option.isdecimal()
    names = known.split() if option is None or is_number else [simplify(option)]
    named = found = [i for i, cell in enumerate(first) if simplify(cell) in names]
    if is_number:
        found = [i for i in range(len(first)) if option == str(i)]
    if len(found) > 1 or (option is not None and not found):
        expected = f'expected one column of the {kind}, see --{kind}_column'
        raise InputError(f'{fn}: {expected}, found {first}')
    return (found or [None])[0], not {*found}.isdisjoint(named)


def find_columns(rows, label_column, text_column, fn):
    """Find the label and the text in the rows of a table, pairs of a line and cells.

    Returns:
        The number of each column, from 0, and whether the first row is a header.
    """
    first = rows[0][1]
    label, is_label = find_column('label', LABEL_NAMES, label_column, first, fn)
    text, is_text = find_column('text', TEXT_NAMES, text_column, first, fn)
    if len(first) == 2 and (label is None) != (text is None):
        # Of two columns, the other one is the other.
        label, text = (1 - text, text) if label is None else (label, 1 - label)
    if label is None or text is None:
        if label_column or text_column:
            raise InputError(f'{fn}: expected both --label_column and --text_column')
        return 0, 1, False
    if is_label != is_text:
        # Perhaps it is no name: a first text that happens to be such a word.
        labels = {cells[label] for _, cells in rows[1:] if label < len(cells)}
        return label, text, first[label] not in labels
    return label, text, is_label or is_text


def check_row(cells, label, n_columns, place):
    """Raise an InputError if a row has other columns than expected, or no label.

    Arguments:
        cells: the row.
        label: the number of the column of the label, from 0.
        n_columns: the number of columns that is expected.
        place: the file, the line and what is expected, for the message.
    """
    if len(cells) == 1:
        advice = 'commas separate columns in a file whose name ends in .csv'
        found = f'found one column, {cells[0][:40]!r}'
        raise InputError(f'{place}, {found}; {advice}')
    if len(cells) != n_columns:
        found = f'found {len(cells)} columns: {str(cells)[:60]}'
        raise InputError(f'{place}, {found}; {ADVICE}')
    if not cells[label].strip():
        raise InputError(f'{place}, found no label')


def read_table(fn, label_column=None, text_column=None, encoding='utf-8'):
    """Read labelled texts; those without text are left out, and their number is logged.

    Arguments:
        fn: the file.
        label_column, text_column: names in the header, or numbers from 0; None: known
            names in the header, or without one the label, a tab and the text.
        encoding: of the file.

    Returns:
        A pandas DataFrame with the columns label and text; its index has the line
        numbers.

    Raises:
        InputError: the file can't be read, a row has another number of columns or no
            label, the labels hardly repeat, or there is no text at all.
    """
    import pandas as pd

    rows = list(itertools.dropwhile(is_blank, read_rows(fn, encoding)))
    if not rows:
        raise InputError(f'{fn}: expected labelled texts, found none')
    label, text, has_header = find_columns(rows, label_column, text_column, fn)
    is_known, n_columns = has_header or label_column or text_column, 2
    expected, names = 'expected a label and a text', rows[0][1]
    if has_header:
        log(f'{fn}: the label is {names[label]!r}, the text {names[text]!r}')
    if is_known:
        # Without a header, a tab in the text must not add a column.
        counts = [len(row[1]) for row in rows if not is_blank(row)]
        n_columns = counts[0] if has_header else max(min(counts), label + 1, text + 1)
        expected = f'expected {n_columns} columns'

    texts = []
    for line, cells in rows[has_header:]:
        if is_known and text == n_columns - 1 and len(cells) > n_columns:
            cells = [*cells[:text], '\t'.join(cells[text:])]
        if is_blank((line, cells)):
            cells = [''] * n_columns
        else:
            check_row(cells, label, n_columns, f'{fn}, line {line}: {expected}')
        texts.append((line, cells[label].strip(), cells[text]))

    table = pd.DataFrame(texts, columns=['line', 'label', 'text']).set_index('line')
    is_empty = table['text'].str.strip() == ''
    if is_empty.all():
        raise InputError(f'{fn}: expected labelled texts, found none')
    if is_empty.any():
        first = is_empty.idxmax()
        log(f'{fn}: {is_empty.sum()} lines have no text, the first is line {first}')
    table = table[~is_empty]
    n_labels, n_texts = table.nunique()
    if not label_column and n_labels > max(2, min(0.8 * len(table), n_texts)):
        found = (
            f'found {n_labels} labels in {len(table)} lines, such as {texts[0][1]!r}'
        )
        raise InputError(f'{fn}: expected labels that repeat, {found}; {ADVICE}')
    return table


def join_some(names, n_shown=50):
    """Return names with commas between them, of many names only the first ones."""
    more = [f'and {len(names) - n_shown} more'] if len(names) > n_shown else []
    return ', '.join([*names[:n_shown], *more])


def get_class_names(table, fn, merge=False):
    """Return the labels, sorted, so that a class has the same number in every run.

    Logs how often each occurs, which are rare, and which could be meant to be the same.

    Arguments:
        merge: labels with the same simplify() are one class, of the most frequent name.

    Raises:
        InputError: there is only one label.
    """
    counts = table['label'].value_counts()
    forms = counts.index.to_series().groupby(counts.index.map(simplify), sort=False)
    action = 'they are one class' if merge else '--merge_labels makes them one class'
    for same in forms.agg(list):
        if len(same) > 1:
            found = ', '.join(f'{label!r} ({counts[label]})' for label in same)
            log(f'{fn}: only case, width, spaces or .0 differ in {found}; {action}')
    if merge:
        names = forms.first().to_dict()
        counts = table['label'].map(lambda label: names[simplify(label)]).value_counts()
    counts = counts.sort_index()
    found = [f'{n} of class {name}' for name, n in counts.items()]
    log(f'{fn}: {join_some(found)}')
    rare = counts[(counts == 1) | (counts < len(table) / 100)].index
    if len(rare) > 0:
        kind = 'classes with one text, or less than 1 % of all'
        log(f'{fn}: warning: {kind}: {join_some(rare)}')
    if len(counts) < 2:
        found = f'found {counts.index[0]!r}'
        raise InputError(f'{fn}: expected two labels or more, {found}')
    return counts.index.tolist()


def get_labels(table, class_names, fn, merge=False):
    """Return the number of the class of each text, a list.

    Arguments:
        merge: whether labels with the same simplify() are one class.

    Raises:
        InputError: a label is none of the class names.
    """
    numbers = {
        simplify(name) if merge else name: i for i, name in enumerate(class_names)
    }
    labels = table['label'].map(simplify) if merge else table['label']
    y = labels.map(numbers)
    if y.isna().any():
        line = table.index[y.isna()][0]
        found = f'expected a label of {class_names}, found {table["label"][line]!r}'
        raise InputError(f'{fn}, line {line}: {found}')
    return y.astype(int).tolist()


def drop_duplicates(table, fn, drop):
    """Log how many texts occur several times; return the table, without them if drop.

    Of equal texts the first one is kept; none, if their labels differ.
    """
    is_repeated = table['text'].duplicated()
    n_labels = table.groupby('text')['label'].transform('nunique')
    if is_repeated.any():
        n_texts = table.loc[n_labels > 1, 'text'].nunique()
        found = f'{is_repeated.sum()} texts repeat an earlier one'
        log(f'{fn}: {found}; {n_texts} texts have several labels; {DROPPED[drop]}')
    return table[~is_repeated & (n_labels == 1)] if drop else table


def hash_texts(texts):
    """Return a number of 64 bits for each text: a long tensor of shape (n_texts,)."""
    import pandas as pd
    import torch

    hashes = pd.util.hash_array(texts.to_numpy(dtype=object))
    return torch.from_numpy(hashes.view('int64'))


def drop_known(table, hashes, fn, drop):
    """Log how many texts were trained on; return the table, without them if drop.

    Arguments:
        hashes: hash_texts() of the training texts.
    """
    import torch

    is_known = torch.isin(hash_texts(table['text']), hashes).numpy()
    if is_known.any():
        found = f'{is_known.sum()} of {len(table)} texts are training texts, too'
        log(f'{fn}: {found}; {DROPPED[drop]}')
    if drop and is_known.all():
        raise InputError(
            f'{fn}: expected texts that are not training texts, found none'
        )
    return table[~is_known] if drop else table
