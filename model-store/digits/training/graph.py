"""Builds the ONNX graph of the model node by node.

The converter supports neither image inputs nor temperature scaling. The graph computes in float64,
as scikit-learn does, to limit rounding errors in sums over 1,600 images.
"""

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from sklearn.calibration import CalibratedClassifierCV
from sklearn.svm import SVC

from digits import MAX_INK


def make_graph(model: CalibratedClassifierCV) -> onnx.ModelProto:
    """`pixels` [n, 8, 8] -> `digit` [n, 1] and `probabilities` [n, 10]."""
    (calibrated,) = model.calibrated_classifiers_
    (temperature,) = calibrated.calibrators
    machines = calibrated.estimator.estimators_
    images, weights = shared_images(machines)
    constants = {
        "max_ink": np.array(MAX_INK, np.float64),
        "flat": np.array([0, -1]),
        "images_float32": images.T.astype(np.float32),
        "squares": (images**2).sum(axis=1),
        "axis": np.array([1]),
        "minus_two": np.array(-2.0),
        "minus_gamma": np.array(-machines[0].gamma),
        "weights": weights,
        "intercepts": np.array([machine.intercept_[0] for machine in machines]),
        "inverse_temperature": np.array(temperature.beta_, np.float64),
    }
    nodes = [
        helper.make_node("Cast", ["pixels"], ["ink"], to=TensorProto.DOUBLE),
        helper.make_node("Div", ["ink", "max_ink"], ["scaled"]),
        helper.make_node("Reshape", ["scaled", "flat"], ["x"]),
        helper.make_node("Cast", ["images_float32"], ["images"], to=TensorProto.DOUBLE),
        # |x - image|^2 = |x|^2 - 2 x.image + |image|^2
        helper.make_node("MatMul", ["x", "images"], ["products"]),
        helper.make_node("Mul", ["products", "minus_two"], ["minus_two_products"]),
        helper.make_node("ReduceSumSquare", ["x", "axis"], ["square"]),
        helper.make_node("Add", ["minus_two_products", "square"], ["without_squares"]),
        helper.make_node("Add", ["without_squares", "squares"], ["distances"]),
        helper.make_node("Mul", ["distances", "minus_gamma"], ["exponents"]),
        helper.make_node("Exp", ["exponents"], ["kernel"]),
        helper.make_node("MatMul", ["kernel", "weights"], ["weighted"]),
        helper.make_node("Add", ["weighted", "intercepts"], ["margins"]),
        helper.make_node("Mul", ["margins", "inverse_temperature"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["shares"], axis=1),
        helper.make_node("Cast", ["shares"], ["probabilities"], to=TensorProto.FLOAT),
        # The classes are 0 to 9, so the class index is the digit.
        helper.make_node("ArgMax", ["margins"], ["digit"], axis=1, keepdims=1),
    ]
    graph = helper.make_graph(
        nodes,
        "digits",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["batch", 8, 8])],
        [
            helper.make_tensor_value_info("digit", TensorProto.INT64, ["batch", 1]),
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", 10]),
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, ir_version=8)


def shared_images(machines: Sequence[SVC]) -> tuple[np.ndarray, np.ndarray]:
    """Returns the distinct support vectors of all SVMs and their weights in each."""
    support = np.concatenate([machine.support_vectors_ for machine in machines])
    images, indices = np.unique(support, axis=0, return_inverse=True)
    if (images.astype(np.float32) != images).any():
        raise ValueError("the images are not multiples of 1/32; store them as float64")
    weights = np.zeros((len(images), len(machines)))
    column = np.repeat(np.arange(len(machines)), [len(m.support_) for m in machines])
    np.add.at(weights, (indices, column), np.concatenate([m.dual_coef_[0] for m in machines]))
    return images, weights
