"""Builds the ONNX graph of the model node by node.

The converter of scikit-learn would lower the case with StringNormalizer, which fails on machines
without the locale en_US.UTF-8. Here the vocabulary has the three usual spellings of each word, and
their counts are added. The graph computes in float64, as scikit-learn does.
"""

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from sklearn.pipeline import Pipeline

from messages import LABELS, TOKEN, spellings

FORMS = 3
# No token: the vocabulary needs an entry in its last column.
NO_TOKEN = " "


def make_graph(model: Pipeline) -> onnx.ModelProto:
    """`message` [n] -> `label` [n, 1] and `probabilities` [n, 2]."""
    vectors, classifier = model["vectors"], model["classifier"]
    if list(classifier.classes_) != LABELS:
        raise ValueError(f"the classes are {list(classifier.classes_)}")
    vocabulary = list(vectors.get_feature_names_out())
    pool, columns = pool_of(vocabulary)
    weights, intercept = classifier.coef_[0], classifier.intercept_[0]
    constants = {
        "flat": np.array([-1]),
        "by_spelling": np.array([0, FORMS, len(vocabulary)]),
        "axis": np.array([1]),
        "one": np.array(1.0),
        "tiny": np.array(1e-12),
        "idf": vectors.idf_,
        "weights": np.column_stack([-weights, weights]),
        "intercepts": np.array([-intercept, intercept]),
        "labels": np.array(LABELS, object),
    }
    nodes = [
        helper.make_node("Reshape", ["message", "flat"], ["texts"]),
        # mark: a token before and after each text, so that the empty text has tokens too.
        helper.make_node(
            "Tokenizer",
            ["texts"],
            ["tokens"],
            domain="com.microsoft",
            mark=1,
            mincharnum=1,
            pad_value="#",
            tokenexp=TOKEN,
        ),
        helper.make_node(
            "TfIdfVectorizer",
            ["tokens"],
            ["spelling_counts"],
            mode="TF",
            min_gram_length=1,
            max_gram_length=1,
            max_skip_count=0,
            ngram_counts=[0],
            ngram_indexes=columns,
            pool_strings=pool,
        ),
        helper.make_node("Cast", ["spelling_counts"], ["spellings"], to=TensorProto.DOUBLE),
        helper.make_node("Reshape", ["spellings", "by_spelling"], ["spellings_of_words"]),
        helper.make_node("ReduceSum", ["spellings_of_words", "axis"], ["counts"], keepdims=0),
        # 1 + log(count), and 0 for 0.
        helper.make_node("Max", ["counts", "one"], ["at_least_one"]),
        helper.make_node("Log", ["at_least_one"], ["logs"]),
        helper.make_node("Min", ["counts", "one"], ["presences"]),
        helper.make_node("Add", ["logs", "presences"], ["frequencies"]),
        helper.make_node("Mul", ["frequencies", "idf"], ["weighted"]),
        helper.make_node("ReduceL2", ["weighted", "axis"], ["lengths"], keepdims=1),
        helper.make_node("Max", ["lengths", "tiny"], ["divisors"]),
        helper.make_node("Div", ["weighted", "divisors"], ["vectors"]),
        helper.make_node("MatMul", ["vectors", "weights"], ["products"]),
        helper.make_node("Add", ["products", "intercepts"], ["margins"]),
        helper.make_node("Sigmoid", ["margins"], ["shares"]),
        helper.make_node("Cast", ["shares"], ["probabilities"], to=TensorProto.FLOAT),
        helper.make_node("ArgMax", ["margins"], ["classes"], axis=1, keepdims=1),
        helper.make_node("Gather", ["labels", "classes"], ["label"]),
    ]
    graph = helper.make_graph(
        nodes,
        "sms-spam",
        [helper.make_tensor_value_info("message", TensorProto.STRING, ["batch"])],
        [
            helper.make_tensor_value_info("label", TensorProto.STRING, ["batch", 1]),
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", 2]),
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, ir_version=8)


def pool_of(vocabulary: Sequence[str]) -> tuple[list[str], list[int]]:
    """The spellings of all words with their columns.

    A column is the form times the number of words, plus the word. A word whose spellings are equal,
    such as a digit, or that has only one, such as `POBox`, has fewer columns.
    """
    pool, columns = [], []
    for index, word in enumerate(vocabulary):
        forms = spellings(word) if word == word.lower() else [word]
        for form, spelling in enumerate(forms):
            if spelling not in forms[:form]:
                pool.append(spelling)
                columns.append(form * len(vocabulary) + index)
    last = FORMS * len(vocabulary) - 1
    if last not in columns:
        pool.append(NO_TOKEN)
        columns.append(last)
    return pool, columns
