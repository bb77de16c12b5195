"""Writes the folders of `store/` and `rejected/`: small models as people export them, with golden rows of their frameworks.

    python -m venv .venv && .venv/bin/pip install -r requirements.txt && .venv/bin/python recipes.py [name ...]

Each function whose name starts with `make_` is a recipe. It trains or initialises a model, exports it in the usual way of its
framework, and computes the golden outputs with the framework, not with the graph.
"""

import io
import json
import shutil
import sys
import warnings
from pathlib import Path

import numpy as np
import onnx
import yaml

warnings.filterwarnings("ignore")

HERE = Path(__file__).parent
OPSET = 18


def plain(value):
    """A value of NumPy as JSON. Integers beyond 2^53 are strings of digits."""
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        return value.item()
    return value


def save(name, model, inputs, outputs, *, fields=None, results=None, serving=None, folder="store"):
    """Writes a model folder.

    inputs and outputs: arrays or lists by name, one element for each golden row.
    fields and results: what the manifest says of an input or output, by name.
    """
    model = onnx.load_from_string(model) if isinstance(model, bytes) else model
    model.ir_version = min(model.ir_version, 10)
    for value in [*model.metadata_props, *model.graph.metadata_props]:
        value.Clear()
    for node in model.graph.node:
        # Stack traces of the exporter, with paths of this machine.
        del node.metadata_props[:]
        node.doc_string = ""
    for value in [*model.graph.input, *model.graph.output, *model.graph.value_info, *model.graph.initializer]:
        del value.metadata_props[:]
    del model.graph.value_info[:]
    del model.metadata_props[:]
    model.doc_string = model.graph.doc_string = ""
    target = HERE / folder / name
    shutil.rmtree(target, ignore_errors=True)
    (target / "1").mkdir(parents=True)
    (target / "1" / "model.onnx").write_bytes(model.SerializeToString())
    manifest = {
        "title": name,
        **({"serving": serving} if serving else {}),
        "inputs": {key: (fields or {}).get(key, {}) for key in inputs},
        "outputs": {key: (results or {}).get(key, {}) for key in outputs},
    }
    (target / "model.yaml").write_text(yaml.safe_dump(manifest, sort_keys=False))
    count = len(next(iter(inputs.values())))
    rows = [
        {
            "input": {key: plain(values[row]) for key, values in inputs.items()},
            "output": {key: plain(values[row]) for key, values in outputs.items()},
        }
        for row in range(count)
    ]
    if folder == "store":
        lines = (json.dumps(row, ensure_ascii=False) for row in rows)
        (target / "1" / "golden.jsonl").write_text("".join(f"{line}\n" for line in lines))
    print(f"{name}: {(target / '1' / 'model.onnx').stat().st_size} bytes")


def proba(model, rows, classes=None):
    """Probabilities as the maps of `ZipMap`."""
    classes = model.classes_ if classes is None else classes
    return [dict(zip(classes, row)) for row in np.asarray(model.predict_proba(rows), "float32")]


# --- scikit-learn -------------------------------------------------------------------------------------------------------


def iris():
    from sklearn.datasets import load_iris

    rows, target = load_iris(return_X_y=True)
    return rows.astype("float32"), target, np.array(["setosa", "versicolor", "virginica"])


def from_sklearn(model, example, **options):
    from skl2onnx import to_onnx

    return to_onnx(model, example, target_opset={"": OPSET, "ai.onnx.ml": 3}, **options)


def make_sklearn_logistic_regression_zipmap():
    from sklearn.linear_model import LogisticRegression

    rows, target, names = iris()
    model = LogisticRegression(max_iter=500).fit(rows, names[target])
    test = rows[::15]
    outputs = {"output_label": model.predict(test), "output_probability": proba(model, test)}
    save("sklearn-logistic-regression-zipmap", from_sklearn(model, rows[:1]), {"X": test}, outputs)


def make_sklearn_logistic_regression_fixed_row():
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType
    from sklearn.linear_model import LogisticRegression

    rows, target, _ = iris()
    model = LogisticRegression(max_iter=500).fit(rows, target)
    graph = convert_sklearn(
        model, initial_types=[("X", FloatTensorType([1, 4]))], options={"zipmap": False}, target_opset=OPSET
    )
    test = rows[::15]
    save(
        "sklearn-logistic-regression-fixed-row",
        graph,
        {"X": test},
        {"label": model.predict(test), "probabilities": model.predict_proba(test).astype("float32")},
    )


def make_sklearn_random_forest_zipmap_integers():
    from sklearn.ensemble import RandomForestClassifier

    rows, target, _ = iris()
    model = RandomForestClassifier(10, max_depth=4, random_state=0).fit(rows, target)
    test = rows[::15]
    outputs = {"output_label": model.predict(test), "output_probability": proba(model, test)}
    save("sklearn-random-forest-zipmap-integers", from_sklearn(model, rows[:1]), {"X": test}, outputs)


def make_sklearn_zipmap_columns():
    from sklearn.tree import DecisionTreeClassifier

    rows, target, _ = iris()
    model = DecisionTreeClassifier(max_depth=3, random_state=0).fit(rows, target)
    test = rows[::15]
    graph = from_sklearn(model, rows[:1], options={"zipmap": "columns"})
    names = [value.name for value in graph.graph.output]
    columns = model.predict_proba(test).astype("float32").T
    save("sklearn-zipmap-columns", graph, {"X": test}, dict(zip(names, [model.predict(test), *columns])))


def make_sklearn_gradient_boosting_regressor():
    from sklearn.ensemble import GradientBoostingRegressor

    rows, _, _ = iris()
    model = GradientBoostingRegressor(n_estimators=20, random_state=0).fit(rows[:, :3], rows[:, 3])
    test = rows[::15, :3]
    outputs = {"variable": model.predict(test).astype("float32")}
    save("sklearn-gradient-boosting-regressor", from_sklearn(model, rows[:1, :3]), {"X": test}, outputs)


def make_sklearn_extra_trees_regressor():
    from sklearn.ensemble import ExtraTreesRegressor

    rows, _, _ = iris()
    # Two targets: a list of two numbers.
    model = ExtraTreesRegressor(5, max_depth=4, random_state=0).fit(rows[:, :2], rows[:, 2:])
    test = rows[::15, :2]
    outputs = {"variable": model.predict(test).astype("float32")}
    save("sklearn-extra-trees-regressor", from_sklearn(model, rows[:1, :2]), {"X": test}, outputs)


def make_sklearn_svc():
    from sklearn.svm import SVC

    rows, target, names = iris()
    model = SVC(kernel="rbf").fit(rows, names[target])
    test = rows[::15]
    graph = from_sklearn(model, rows[:1], options={"zipmap": False})
    scores = graph.graph.output[1].name
    outputs = {"label": model.predict(test), scores: model.decision_function(test).astype("float32")}
    save("sklearn-svc", graph, {"X": test}, outputs)


def make_sklearn_nearest_neighbours():
    from sklearn.neighbors import KNeighborsClassifier

    rows, target, _ = iris()
    model = KNeighborsClassifier(5).fit(rows, target)
    test = rows[::15]
    graph = from_sklearn(model, rows[:1], options={"zipmap": False})
    outputs = {"label": model.predict(test), "probabilities": model.predict_proba(test).astype("float32")}
    save("sklearn-nearest-neighbours", graph, {"X": test}, outputs)


def make_sklearn_linear_regression_double():
    from sklearn.linear_model import LinearRegression

    rows, _, _ = iris()
    rows = rows.astype("float64")
    model = LinearRegression().fit(rows[:, :3], rows[:, 3])
    test = rows[::15, :3]
    save(
        "sklearn-linear-regression-double",
        from_sklearn(model, rows[:1, :3]),
        {"X": test},
        {"variable": model.predict(test)},
    )


def make_sklearn_isolation_forest():
    from sklearn.ensemble import IsolationForest

    rows, _, _ = iris()
    model = IsolationForest(n_estimators=10, random_state=0).fit(rows)
    test = rows[::15]
    outputs = {"label": model.predict(test), "scores": model.decision_function(test).astype("float32")}
    save("sklearn-isolation-forest", from_sklearn(model, rows[:1]), {"X": test}, outputs)


def make_sklearn_k_means():
    from sklearn.cluster import KMeans

    rows, _, _ = iris()
    model = KMeans(3, n_init=1, random_state=0).fit(rows)
    test = rows[::15]
    outputs = {"label": model.predict(test), "scores": model.transform(test).astype("float32")}
    save("sklearn-k-means", from_sklearn(model, rows[:1]), {"X": test}, outputs)


def make_sklearn_multi_output():
    from sklearn.linear_model import LogisticRegression
    from sklearn.multioutput import MultiOutputClassifier

    rows, target, _ = iris()
    both = np.stack([target, (target > 0).astype(int)], 1)
    model = MultiOutputClassifier(LogisticRegression(max_iter=500)).fit(rows, both)
    test = rows[::15]
    first, second = (each.astype("float32") for each in model.predict_proba(test))
    outputs = {"label": model.predict(test), "probabilities_0": first, "probabilities_1": second}
    graph = from_sklearn(model, rows[:1], options={"zipmap": False})
    save("sklearn-multi-output", graph, {"X": test}, outputs)


def make_sklearn_column_transformer():
    import pandas as pd
    from sklearn.compose import ColumnTransformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    random = np.random.default_rng(0)
    rows = pd.DataFrame(
        {
            "plan": random.choice(["free", "pro", "team"], 200),
            "seats": random.integers(1, 40, 200),
            "hours": random.uniform(0, 60, 200).round(1).astype("float32"),
        }
    )
    target = np.where((rows.hours < 12) & (rows.plan != "team"), "leaves", "stays")
    columns = ColumnTransformer(
        [
            ("texts", OneHotEncoder(handle_unknown="ignore"), ["plan"]),
            ("numbers", StandardScaler(), ["seats", "hours"]),
        ]
    )
    model = make_pipeline(columns, LogisticRegression()).fit(rows, target)
    test = rows[:10]
    inputs = {name: test[name].tolist() for name in rows}
    outputs = {"output_label": model.predict(test), "output_probability": proba(model, test)}
    save("sklearn-column-transformer", from_sklearn(model, rows[:1]), inputs, outputs)


def make_sklearn_text():
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import StringTensorType
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    texts = ["Good fine day", "bad WORSE night", "good great Work", "bad awful food", "FINE great", "Awful night"]
    labels = ["positive", "negative", "positive", "negative", "positive", "negative"]
    model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts, labels)
    graph = convert_sklearn(model, initial_types=[("text", StringTensorType([None, 1]))], target_opset=OPSET)
    outputs = {"output_label": model.predict(texts), "output_probability": proba(model, texts)}
    save("sklearn-text", graph, {"text": texts}, outputs)


# --- gradient boosting libraries ----------------------------------------------------------------------------------------


def make_xgboost_multiclass():
    import xgboost
    from onnxmltools import convert_xgboost
    from onnxmltools.convert.common.data_types import FloatTensorType

    rows, target, _ = iris()
    model = xgboost.XGBClassifier(n_estimators=5, max_depth=3).fit(rows, target)
    test = rows[::15]
    graph = convert_xgboost(model, initial_types=[("input", FloatTensorType([None, 4]))], target_opset=15)
    save(
        "xgboost-multiclass",
        graph,
        {"input": test},
        {"label": model.predict(test), "probabilities": model.predict_proba(test)},
    )


def make_xgboost_binary():
    import xgboost
    from onnxmltools import convert_xgboost
    from onnxmltools.convert.common.data_types import FloatTensorType

    rows, target, _ = iris()
    model = xgboost.XGBClassifier(n_estimators=5, max_depth=3).fit(rows, (target > 0).astype(int))
    test = rows[::15]
    graph = convert_xgboost(model, initial_types=[("input", FloatTensorType([None, 4]))], target_opset=15)
    save(
        "xgboost-binary",
        graph,
        {"input": test},
        {"label": model.predict(test), "probabilities": model.predict_proba(test)},
    )


def make_xgboost_regressor():
    import xgboost
    from onnxmltools import convert_xgboost
    from onnxmltools.convert.common.data_types import FloatTensorType

    rows, _, _ = iris()
    model = xgboost.XGBRegressor(n_estimators=5, max_depth=3).fit(rows[:, :3], rows[:, 3])
    test = rows[::15, :3]
    graph = convert_xgboost(model, initial_types=[("input", FloatTensorType([None, 3]))], target_opset=15)
    save("xgboost-regressor", graph, {"input": test}, {"variable": model.predict(test)})


def make_lightgbm_zipmap():
    import lightgbm
    from onnxmltools import convert_lightgbm
    from onnxmltools.convert.common.data_types import FloatTensorType

    rows, target, _ = iris()
    model = lightgbm.LGBMClassifier(n_estimators=5, verbose=-1, min_child_samples=5).fit(rows, target)
    test = rows[::15]
    graph = convert_lightgbm(model, initial_types=[("input", FloatTensorType([None, 4]))], target_opset=15)
    save("lightgbm-zipmap", graph, {"input": test}, {"label": model.predict(test), "probabilities": proba(model, test)})


def make_lightgbm_regressor_fixed_row():
    import lightgbm
    from onnxmltools import convert_lightgbm
    from onnxmltools.convert.common.data_types import FloatTensorType

    rows, _, _ = iris()
    model = lightgbm.LGBMRegressor(n_estimators=5, verbose=-1, min_child_samples=5).fit(rows[:, :3], rows[:, 3])
    test = rows[::15, :3]
    graph = convert_lightgbm(model, initial_types=[("input", FloatTensorType([1, 3]))], target_opset=15)
    outputs = {"variable": model.predict(test).astype("float32")}
    save("lightgbm-regressor-fixed-row", graph, {"input": test}, outputs)


def catboost_graph(model):
    """CatBoost exports to a file only."""
    path = HERE / "catboost.onnx"
    model.save_model(str(path), format="onnx")
    graph = onnx.load(str(path))
    path.unlink()
    return graph


def make_catboost_classifier():
    from catboost import CatBoostClassifier

    rows, target, names = iris()
    model = CatBoostClassifier(iterations=5, depth=3, verbose=False, allow_writing_files=False, random_seed=0)
    model.fit(rows, names[target])
    test = rows[::15]
    outputs = {"label": model.predict(test).ravel(), "probabilities": proba(model, test)}
    save("catboost-classifier", catboost_graph(model), {"features": test}, outputs)


def make_catboost_regressor():
    from catboost import CatBoostRegressor

    rows, _, _ = iris()
    model = CatBoostRegressor(iterations=5, depth=3, verbose=False, allow_writing_files=False, random_seed=0)
    model.fit(rows[:, :3], rows[:, 3])
    test = rows[::15, :3]
    outputs = {"predictions": model.predict(test).astype("float32")}
    save("catboost-regressor", catboost_graph(model), {"features": test}, outputs)


# --- PyTorch ------------------------------------------------------------------------------------------------------------


def from_torch(model, examples, inputs, outputs, free=None):
    """Exports by torch.export. free: names of the free dimensions of each input, by axis."""
    import torch

    with torch.no_grad():
        program = torch.onnx.export(
            model.eval(),
            tuple(examples),
            input_names=inputs,
            output_names=outputs,
            dynamo=True,
            opset_version=OPSET,
            dynamic_shapes=free,
            verbose=False,
        )
    return program.model_proto


def from_torch_script(model, examples, inputs, outputs, free=None):
    """Exports by tracing, as before PyTorch 2.9."""
    import torch

    file = io.BytesIO()
    with torch.no_grad():
        torch.onnx.export(
            model.eval(),
            tuple(examples),
            file,
            input_names=inputs,
            output_names=outputs,
            dynamic_axes=free,
            opset_version=17,
            dynamo=False,
        )
    return onnx.load_from_string(file.getvalue())


def forward(model, *rows):
    """The outputs of a model as arrays."""
    import torch

    with torch.no_grad():
        found = model.eval()(*rows)
    found = found if isinstance(found, (tuple, list)) else (found,)
    return [each.float().numpy() if each.is_floating_point() else each.numpy() for each in found]


def rounded(*shape):
    """Numbers with few digits, so that golden rows are short."""
    import torch

    return (torch.randn(*shape) * 100).round() / 100


def make_torch_mlp():
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Sequential(nn.BatchNorm1d(4), nn.Linear(4, 16), nn.GELU(), nn.Linear(16, 3), nn.Softmax(1))
    batch = torch.export.Dim("batch")
    graph = from_torch(model, [rounded(3, 4)], ["x"], ["y"], [{0: batch}])
    test = rounded(10, 4)
    save("torch-mlp", graph, {"x": test.numpy()}, {"y": forward(model, test)[0]})


def make_torch_mlp_eight_rows():
    import torch
    from torch import nn

    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 1))
    graph = from_torch(model, [rounded(8, 4)], ["x"], ["y"])
    test = rounded(11, 4)
    save("torch-mlp-eight-rows", graph, {"x": test.numpy()}, {"y": forward(model, test)[0].ravel()})


def half(name, dtype, decimals):
    import torch
    from torch import nn

    torch.manual_seed(2)
    model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2)).to(dtype)
    batch = torch.export.Dim("batch")
    graph = from_torch(model, [rounded(3, 4).to(dtype)], ["x"], ["y"], [{0: batch}])
    test = (torch.randn(6, 4) * 4).round() / 4
    # 16-bit floats are summed in another order.
    results = {"y": {"tolerance": {"relative": decimals, "absolute": decimals}}}
    outputs = {"y": forward(model, test.to(dtype))[0]}
    save(name, graph, {"x": test.numpy()}, outputs, results=results)


def make_torch_mlp_float16():
    import torch

    half("torch-mlp-float16", torch.float16, 0.005)


def make_torch_mlp_bfloat16():
    import torch

    half("torch-mlp-bfloat16", torch.bfloat16, 0.03)


def make_torch_bfloat16_embedding():
    """A table that is stored as bfloat16, and computed with in float32."""
    import torch
    from torch import nn

    class Table(nn.Module):
        def __init__(self):
            super().__init__()
            self.table = nn.Embedding(20, 3, dtype=torch.bfloat16)
            self.score = nn.Linear(3, 1)

        def forward(self, ids):
            return self.score(self.table(ids).float())

    torch.manual_seed(13)
    model, ids = Table(), torch.tensor([0, 7, 19, 3])
    graph = from_torch(model, [ids[:3]], ["id"], ["score"], [{0: torch.export.Dim("batch")}])
    fields = {"id": {"minimum": 0, "maximum": 19}}
    save("torch-bfloat16-embedding", graph, {"id": ids.numpy()}, {"score": forward(model, ids)[0][:, 0]}, fields=fields)


def make_torch_cnn_fixed_image():
    import torch
    from torch import nn

    torch.manual_seed(3)
    model = nn.Sequential(
        *[nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 8, 3), nn.ReLU()],
        *[nn.Flatten(), nn.Linear(8 * 2 * 2, 10)],
    )
    graph = from_torch_script(model, [rounded(1, 1, 8, 8)], ["image"], ["logits"])
    test = rounded(4, 1, 8, 8)
    save("torch-cnn-fixed-image", graph, {"image": test.numpy()}, {"logits": forward(model, test)[0]})


def make_torch_lstm():
    import torch
    from torch import nn

    class Classifier(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = nn.LSTM(3, 8, batch_first=True)
            self.head = nn.Linear(8, 2)

        def forward(self, steps):
            found, _ = self.lstm(steps)
            return self.head(found[:, -1])

    torch.manual_seed(4)
    model = Classifier()
    free = {"steps": {0: "batch", 1: "time"}, "scores": {0: "batch"}}
    graph = from_torch_script(model, [rounded(2, 5, 3)], ["steps"], ["scores"], free)
    tests = [rounded(1, length, 3) for length in (5, 2, 7, 5, 1)]
    save(
        "torch-lstm",
        graph,
        {"steps": [test[0].numpy() for test in tests]},
        {"scores": [forward(model, test)[0][0] for test in tests]},
    )


def make_torch_recommender():
    import torch
    from torch import nn

    class Recommender(nn.Module):
        def __init__(self):
            super().__init__()
            self.users, self.items = nn.Embedding(20, 4), nn.Embedding(30, 4)

        def forward(self, user, item):
            return (self.users(user) * self.items(item)).sum(1).sigmoid()

    torch.manual_seed(5)
    model = Recommender()
    batch = torch.export.Dim("batch")
    user, item = torch.tensor([0, 5, 19, 7]), torch.tensor([29, 0, 3, 11])
    graph = from_torch(model, [user, item], ["user", "item"], ["score"], [{0: batch}, {0: batch}])
    limits = {"user": {"minimum": 0, "maximum": 19}, "item": {"minimum": 0, "maximum": 29}}
    inputs = {"user": user.numpy(), "item": item.numpy()}
    save("torch-recommender", graph, inputs, {"score": forward(model, user, item)[0]}, fields=limits)


def make_torch_autoencoder():
    import torch
    from torch import nn

    class AutoEncoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder, self.decoder = nn.Linear(6, 2), nn.Linear(2, 6)

        def forward(self, x):
            code = self.encoder(x).tanh()
            copy = self.decoder(code)
            return copy, code, ((copy - x) ** 2).mean(1)

    torch.manual_seed(6)
    model = AutoEncoder()
    batch = torch.export.Dim("batch")
    graph = from_torch(model, [rounded(3, 6)], ["x"], ["copy", "code", "error"], [{0: batch}])
    test = rounded(5, 6)
    save("torch-autoencoder", graph, {"x": test.numpy()}, dict(zip(["copy", "code", "error"], forward(model, test))))


def make_torchvision_resnet18():
    """A ResNet-18 of a sixteenth of the width, with bytes of an image as its input, as from a camera."""
    import torch
    from torch import nn
    from torchvision.models.resnet import BasicBlock, ResNet

    class Narrow(ResNet):
        def _make_layer(self, block, planes, blocks, stride=1, dilate=False):
            return super()._make_layer(block, planes // 16, blocks, stride, dilate)

    class FromBytes(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = Narrow(BasicBlock, [2, 2, 2, 2], num_classes=512)
            self.net.fc = nn.Linear(32, 5)

        def forward(self, image):
            return self.net((image.permute(0, 3, 1, 2).float() / 255 - 0.45) / 0.225)

    torch.manual_seed(7)
    model = FromBytes()
    model.net.layer1 = nn.Sequential(*[BasicBlock(4, 4), BasicBlock(4, 4)])
    model.net.conv1 = nn.Conv2d(3, 4, 7, 2, 3, bias=False)
    model.net.bn1 = nn.BatchNorm2d(4)
    model.net.layer2[0] = BasicBlock(4, 8, 2, nn.Sequential(nn.Conv2d(4, 8, 1, 2, bias=False), nn.BatchNorm2d(8)))
    batch = torch.export.Dim("batch")
    test = torch.randint(0, 256, (3, 32, 32, 3), dtype=torch.uint8)
    graph = from_torch(model, [test], ["image"], ["logits"], [{0: batch}])
    save("torchvision-resnet18", graph, {"image": test.numpy()}, {"logits": forward(model, test)[0]})


def make_torch_detection_head():
    """The raw head of a YOLO: for each cell of two scales a box, a score and the classes; boxes are chosen by the caller."""
    import torch
    from torch import nn

    class Detector(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.SiLU(), nn.Conv2d(4, 8, 3, 2, 1), nn.SiLU())
            self.down = nn.Sequential(nn.Conv2d(8, 8, 3, 2, 1), nn.SiLU())
            self.fine, self.coarse = nn.Conv2d(8, 7, 1), nn.Conv2d(8, 7, 1)

        def forward(self, images):
            fine = self.stem(images)
            coarse = self.down(fine)
            return torch.cat([self.fine(fine).flatten(2), self.coarse(coarse).flatten(2)], 2)

    torch.manual_seed(8)
    model = Detector()
    free = {"images": {0: "batch", 2: "height", 3: "width"}, "output0": {0: "batch", 2: "cells"}}
    graph = from_torch_script(model, [rounded(1, 3, 32, 32)], ["images"], ["output0"], free)
    tests = [rounded(1, 3, height, width) for height, width in ((32, 32), (16, 32), (32, 16))]
    save(
        "torch-detection-head",
        graph,
        {"images": [test[0].numpy() for test in tests]},
        {"output0": [forward(model, test)[0][0] for test in tests]},
    )


def make_torch_segmentation():
    """A mask with the size of the image."""
    import torch
    from torch import nn

    class Segmenter(nn.Module):
        def __init__(self):
            super().__init__()
            self.down, self.up = nn.Conv2d(1, 4, 3, 2, 1), nn.ConvTranspose2d(4, 2, 2, 2)

        def forward(self, image):
            return self.up(self.down(image).relu()).argmax(1)

    torch.manual_seed(9)
    model = Segmenter()
    batch = torch.export.Dim("batch")
    graph = from_torch(model, [rounded(2, 1, 16, 16)], ["image"], ["mask"], [{0: batch}])
    test = rounded(2, 1, 16, 16)
    save("torch-segmentation", graph, {"image": test.numpy()}, {"mask": forward(model, test)[0]})


# --- transformers -------------------------------------------------------------------------------------------------------


def bert(kind, name, output):
    import torch
    import transformers

    torch.manual_seed(10)
    config = transformers.BertConfig(
        vocab_size=50,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=32,
        num_labels=3,
        attn_implementation="eager",
    )
    model = getattr(transformers, kind)(config).eval()

    class Logits(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, input_ids, attention_mask, token_type_ids):
            return self.model(input_ids, attention_mask, token_type_ids).logits

    names = ["input_ids", "attention_mask", "token_type_ids"]
    free = {each: {0: "batch", 1: "sequence"} for each in names}
    free["logits"] = {0: "batch"} if output == 1 else {0: "batch", 1: "sequence"}
    example = torch.randint(1, 50, (2, 6))
    examples = [example, torch.ones_like(example), torch.zeros_like(example)]
    wrapped = Logits()
    graph = from_torch_script(wrapped, examples, names, ["logits"], free)
    inputs, outputs = {each: [] for each in names}, {"logits": []}
    for length, hidden in ((6, 0), (3, 0), (9, 2), (6, 1)):
        ids = torch.randint(1, 50, (1, length))
        mask = torch.ones_like(ids)
        mask[0, length - hidden :] = 0
        row = [ids, mask, torch.zeros_like(ids)]
        for each, value in zip(names, row):
            inputs[each].append(value[0].numpy())
        outputs["logits"].append(forward(wrapped, *row)[0][0])
    save(name, graph, inputs, outputs, fields={"input_ids": {"minimum": 0, "maximum": 49}})


def make_bert_classifier():
    bert("BertForSequenceClassification", "bert-classifier", 1)


def make_bert_tokens():
    bert("BertForTokenClassification", "bert-tokens", 2)


# --- quantised ----------------------------------------------------------------------------------------------------------


def float_mlp():
    import torch
    from torch import nn

    torch.manual_seed(11)
    model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3))
    free = {"x": {0: "batch"}, "y": {0: "batch"}}
    path = HERE / "float.onnx"
    onnx.save(from_torch_script(model, [rounded(2, 4)], ["x"], ["y"], free), path)
    return path, rounded(20, 4).numpy()


def run_graph(path, rows):
    """Quantised graphs have no other framework than the runtime; each row runs alone."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path)
    return np.concatenate([session.run(None, {"x": rows[index : index + 1]})[0] for index in range(len(rows))])


def make_quantised_static():
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static

    path, rows = float_mlp()

    class Rows(CalibrationDataReader):
        def __init__(self):
            self.left = iter(rows)

        def get_next(self):
            row = next(self.left, None)
            return None if row is None else {"x": row[None]}

    target = HERE / "quantised.onnx"
    quantize_static(path, target, Rows(), quant_format=QuantFormat.QDQ)
    graph, outputs = onnx.load(target), {"y": run_graph(target, rows[:8])}
    path.unlink(), target.unlink()
    # A value on the border of two steps is rounded to either.
    save("quantised-static", graph, {"x": rows[:8]}, outputs, results={"y": {"tolerance": {"absolute": 0.02}}})


def quantised_dynamic(name, folder, serving):
    from onnxruntime.quantization import quantize_dynamic

    path, rows = float_mlp()
    target = HERE / "quantised.onnx"
    quantize_dynamic(path, target)
    graph, outputs = onnx.load(target), {"y": run_graph(target, rows[:8])}
    path.unlink(), target.unlink()
    results = {"y": {"tolerance": {"absolute": 0.02}}} if folder == "store" else None
    save(name, graph, {"x": rows[:8]}, outputs, serving=serving, results=results, folder=folder)


def make_quantised_dynamic():
    quantised_dynamic("quantised-dynamic", "store", {"max_batch": 1})


# --- rejected, with a remedy --------------------------------------------------------------------------------------------


def make_rejected_quantised_dynamic():
    quantised_dynamic("quantised-dynamic-batched", "rejected", None)


def make_rejected_lstm_states():
    import torch
    from torch import nn

    torch.manual_seed(12)
    model = nn.LSTM(3, 4, batch_first=True)

    class States(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = model

        def forward(self, steps):
            found, (state, _) = self.lstm(steps)
            return found, state

    free = {"steps": {0: "batch", 1: "time"}, "found": {0: "batch", 1: "time"}, "state": {1: "batch"}}
    graph = from_torch_script(States(), [rounded(2, 5, 3)], ["steps"], ["found", "state"], free)
    save("torch-lstm-states", graph, {"steps": []}, {"found": [], "state": []}, folder="rejected")


def make_rejected_chosen_boxes():
    """Detections of all images in one list, as after non-maximum suppression in the graph."""
    import torch
    from torch import nn

    class Chosen(nn.Module):
        def forward(self, boxes, scores):
            return torch.cat([boxes.flatten(0, 1), scores.flatten()[:, None]], 1)

    free = {"boxes": {0: "batch"}, "scores": {0: "batch"}, "found": {0: "number"}}
    graph = from_torch_script(Chosen(), [rounded(2, 5, 4), rounded(2, 5)], ["boxes", "scores"], ["found"], free)
    save("torch-chosen-boxes", graph, {"boxes": [], "scores": []}, {"found": []}, folder="rejected")


def make_rejected_dictionaries():
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import DictionaryType, FloatTensorType, StringTensorType
    from sklearn.feature_extraction import DictVectorizer
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import make_pipeline

    rows = [{"age": 3.0, "km": 4.0}, {"age": 5.0, "km": 1.0}, {"km": 7.0}]
    model = make_pipeline(DictVectorizer(sparse=False), LinearRegression()).fit(rows, [1.0, 2.0, 3.0])
    kind = DictionaryType(StringTensorType([1]), FloatTensorType([]))
    graph = convert_sklearn(model, initial_types=[("row", kind)], target_opset=OPSET)
    save("sklearn-dictionaries", graph, {"row": []}, {"variable": []}, folder="rejected")


if __name__ == "__main__":
    selected = sys.argv[1:]
    for key, recipe in list(globals().items()):
        if key.startswith("make_") and (not selected or key.removeprefix("make_") in selected):
            recipe()
