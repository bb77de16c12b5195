"""Compares candidate models on the training set: nine folds, one block held out in each.

python model-store/digits/training/tune.py
"""

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC

from digits import TRAIN_BLOCKS, features, fit, read_digits


def candidates() -> dict[str, ClassifierMixin]:
    """Candidate models by name."""
    nystroem = Nystroem(gamma=0.1, n_components=500, random_state=0)
    return {
        "logistic regression": LogisticRegression(max_iter=2000),
        "3 nearest neighbours": KNeighborsClassifier(3),
        "MLP, 128 units": MLPClassifier((128,), alpha=0.1, tol=1e-3, max_iter=400, random_state=0),
        "Nystroem, logistic": make_pipeline(nystroem, LogisticRegression(C=10, max_iter=2000)),
        "SVM, one-vs-one": SVC(C=10, gamma=0.15),
        "SVM, gamma 0.05": OneVsRestClassifier(SVC(C=10, gamma=0.05)),
        "SVM, gamma 0.1": OneVsRestClassifier(SVC(C=10, gamma=0.1)),
        "SVM, gamma 0.15": OneVsRestClassifier(SVC(C=10, gamma=0.15)),
        "SVM, gamma 0.2": OneVsRestClassifier(SVC(C=10, gamma=0.2)),
        "SVM, C 1": OneVsRestClassifier(SVC(C=1, gamma=0.15)),
    }


def main() -> None:
    """Prints mean and minimum accuracy of each candidate, with and without moved images."""
    images, digits, blocks = read_digits()
    print(f"{'':24}{'moved images':>16}{'original':>16}")
    for name, model in candidates().items():
        moved, plain = [], []
        for block in range(TRAIN_BLOCKS):
            train, test = (blocks < TRAIN_BLOCKS) & (blocks != block), blocks == block
            rows, actual = features(images[test]), digits[test]
            moved.append(fit(model, images[train], digits[train]).score(rows, actual))
            plain.append(model.fit(features(images[train]), digits[train]).score(rows, actual))
        columns = (f"{np.mean(folds):.4f} ({min(folds):.3f})" for folds in (moved, plain))
        print(f"{name:24}" + "".join(f"{column:>16}" for column in columns), flush=True)


if __name__ == "__main__":
    main()
