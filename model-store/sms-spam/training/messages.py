"""Messages, tokens, pipeline and evaluation."""

import html
import re
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.dummy import DummyClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    average_precision_score,
    f1_score,
    log_loss,
    precision_score,
    recall_score,
    roc_auc_score,
)
from sklearn.model_selection import GroupShuffleSplit, StratifiedGroupKFold
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import Pipeline

LABELS = ["ham", "spam"]
# Each digit is a separate token, so that no telephone number is in the vocabulary.
TOKEN = "[A-Za-z]+|[0-9]|[£$!?%]"
# Rarer words are often names of people and places.
MIN_MESSAGES = 8
PLACEHOLDER = re.compile("<(?:#|[A-Z]+)>")
NUMBER = re.compile("[0-9]{5,}")


def read_messages(path: Path) -> pd.DataFrame:
    """Returns distinct messages with their label and the group of their near-duplicates."""
    rows = [line.split("\t", 1) for line in path.read_text(encoding="utf-8").splitlines()]
    messages = pd.DataFrame(rows, columns=["label", "message"])
    messages["message"] = messages["message"].map(cleaned)
    messages = messages.drop_duplicates("message")
    # Spam is sent from templates: messages with the same words are one group, whatever their digits.
    groups = messages["message"].map(lambda text: " ".join(sorted(set(words(text)))))
    return messages.assign(group=groups.factorize()[0]).reset_index(drop=True)


def cleaned(text: str) -> str:
    """Decodes HTML entities and removes the placeholders of the collectors, such as `<#>`.

    They stand for numbers, times and links in ham only, and would betray the label.
    """
    return PLACEHOLDER.sub("", html.unescape(text))


def words(text: str) -> list[str]:
    """The words of a message in lower case, without digits and signs."""
    return re.findall("[a-z]+", text.lower())


def tokens(text: str) -> list[str]:
    """Words, digits and signs. A word in lower case, with a capital, or in capitals is one word."""
    return [folded(token) for token in re.findall(TOKEN, text)]


def folded(token: str) -> str:
    """Lower case for the three usual spellings, which are those of the graph; others stay."""
    return token.lower() if token in spellings(token.lower()) else token


def spellings(word: str) -> list[str]:
    """`word`, `Word` and `WORD`."""
    return [word, word.capitalize(), word.upper()]


def make_pipeline(classifier: object | None = None) -> Pipeline:
    """TF-IDF with 1 + log(count), normalised to length 1, then logistic regression."""
    vectors = TfidfVectorizer(
        tokenizer=tokens,
        token_pattern=None,
        lowercase=False,
        sublinear_tf=True,
        min_df=MIN_MESSAGES,
    )
    chosen = classifier or LogisticRegression(C=20, max_iter=2000)
    return Pipeline([("vectors", vectors), ("classifier", chosen)])


def split(messages: pd.DataFrame, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Three quarters for training, the rest held out; near-duplicates stay together."""
    splitter = GroupShuffleSplit(n_splits=1, test_size=0.25, random_state=seed)
    train, test = next(splitter.split(messages, groups=messages["group"]))
    return messages.iloc[train].reset_index(drop=True), messages.iloc[test].reset_index(drop=True)


def scores(model: Pipeline, test: pd.DataFrame) -> dict[str, float]:
    """Held-out accuracy, and measures of the class spam."""
    predicted, actual = model.predict(test["message"]), test["label"]
    spam = model.predict_proba(test["message"])[:, 1]
    return {
        "accuracy": float((predicted == actual).mean()),
        "spam_precision": precision_score(actual, predicted, pos_label="spam"),
        "spam_recall": recall_score(actual, predicted, pos_label="spam"),
        "spam_f1": f1_score(actual, predicted, pos_label="spam"),
        "spam_average_precision": average_precision_score(actual == "spam", spam),
        "roc_auc": roc_auc_score(actual == "spam", spam),
        "log_loss": log_loss(actual, np.column_stack([1 - spam, spam]), labels=LABELS),
        "ham_classified_as_spam": int(((predicted == "spam") & (actual == "ham")).sum()),
        "spam_classified_as_ham": int(((predicted == "ham") & (actual == "spam")).sum()),
        "test_spam": int((actual == "spam").sum()),
    }


def interval(correct: np.ndarray, seed: int) -> dict[str, float]:
    """95 % bootstrap interval of the accuracy, resampled by message."""
    draws = np.random.default_rng(seed).choice(correct, (10_000, len(correct))).mean(axis=1)
    low, high = np.percentile(draws, [2.5, 97.5])
    return {"accuracy_low": float(low), "accuracy_high": float(high)}


def cross_validation(messages: pd.DataFrame, seed: int) -> dict[str, float]:
    """Accuracy and F1 of spam over five folds; near-duplicates stay together."""
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=seed)
    accuracy, f1 = [], []
    for train, test in folds.split(messages, messages["label"], messages["group"]):
        model = make_pipeline().fit(messages["message"].iloc[train], messages["label"].iloc[train])
        predicted, actual = model.predict(messages["message"].iloc[test]), messages["label"].iloc[test]
        accuracy.append(float((predicted == actual).mean()))
        f1.append(f1_score(actual, predicted, pos_label="spam"))
    return {
        "cv_accuracy_mean": float(np.mean(accuracy)),
        "cv_accuracy_sd": float(np.std(accuracy, ddof=1)),
        "cv_spam_f1_mean": float(np.mean(f1)),
        "cv_spam_f1_sd": float(np.std(f1, ddof=1)),
    }


def baselines(train: pd.DataFrame, test: pd.DataFrame) -> dict[str, float]:
    """The most frequent class, one rule, and naive Bayes on the same features."""
    actual = test["label"]
    rule = np.where(test["message"].map(lambda text: bool(NUMBER.search(text))), "spam", "ham")
    bayes = make_pipeline(MultinomialNB()).fit(train["message"], train["label"])
    majority = DummyClassifier(strategy="most_frequent").fit(train[["message"]], train["label"])
    return {
        "majority_baseline_accuracy": majority.score(test[["message"]], actual),
        "number_rule_accuracy": float((rule == actual).mean()),
        "number_rule_spam_f1": f1_score(actual, rule, pos_label="spam"),
        "naive_bayes_accuracy": bayes.score(test["message"], actual),
        "naive_bayes_spam_f1": f1_score(actual, bayes.predict(test["message"]), pos_label="spam"),
    }
