"""Triton Inference Server (the binary in the wheel nvidia-pytriton) with car-price in its Python backend.

The wheel has no other backend. Dynamic batching is on, as Triton's documentation recommends.
"""

import os
import shutil
import sys
import sysconfig
from pathlib import Path
from tempfile import mkdtemp

import onnxruntime as ort
from ports import free_ports

TYPES = {"tensor(float)": "TYPE_FP32", "tensor(string)": "TYPE_STRING"}

MODEL = '''
import os
import numpy as np
import onnxruntime as ort
import triton_python_backend_utils as pb


class TritonPythonModel:
    def initialize(self, args):
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        folder = os.path.join(args["model_repository"], args["model_version"])
        self.session = ort.InferenceSession(os.path.join(folder, "model.onnx"), options)

    def execute(self, requests):
        # The batcher passes whole requests, so they are concatenated for one run.
        columns = {
            node.name: [pb.get_input_tensor_by_name(request, node.name).as_numpy() for request in requests]
            for node in self.session.get_inputs()
        }
        feeds = {name: np.concatenate(parts) for name, parts in columns.items()}
        for name, values in feeds.items():
            if values.dtype == object:
                feeds[name] = np.array([text.decode() for text in values.ravel()], object).reshape(values.shape)
        (prices,) = self.session.run(None, feeds)
        ends = np.cumsum([len(part) for part in columns["year"]])[:-1]
        return [
            pb.InferenceResponse([pb.Tensor("selling_price", part)]) for part in np.split(prices, ends)
        ]
'''


def fields(kind: str, nodes: list[ort.NodeArg]) -> str:
    entries = [f'{{ name: "{node.name}" data_type: {TYPES[node.type]} dims: [1] }}' for node in nodes]
    return f"{kind} [{', '.join(entries)}]"


packages = Path(sysconfig.get_path("purelib"))
triton = packages / "pytriton" / "tritonserver"
work = Path(mkdtemp(prefix="auspex-bench-triton-", dir=os.environ["WORK_DIR"]))

# Triton starts the stub of this Python version from the folder of the backend.
backends = work / "backends"
shutil.copytree(triton / "backends", backends)
version = f"{sys.version_info.major}.{sys.version_info.minor}"
shutil.copy(triton / "python_backend_stubs" / version / "triton_python_backend_stub", backends / "python")

session = ort.InferenceSession(os.environ["MODEL_FILE"])
folder = work / "models" / "car-price" / "1"
folder.mkdir(parents=True)
shutil.copy(os.environ["MODEL_FILE"], folder / "model.onnx")
(folder / "model.py").write_text(MODEL)
(folder.parent / "config.pbtxt").write_text(
    "\n".join(
        [
            'backend: "python"',
            "max_batch_size: 1024",
            "dynamic_batching {}",
            "instance_group [{ count: 1 kind: KIND_CPU }]",
            fields("input", session.get_inputs()),
            fields("output", session.get_outputs()),
        ]
    )
)

http, grpc, metrics = free_ports(3)
libraries = [sysconfig.get_config_var("LIBDIR"), str(packages / "nvidia_pytriton.libs")]
environment = {
    **os.environ,
    "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    "PYTHONPATH": str(packages),
    "LD_LIBRARY_PATH": ":".join(libraries),
    "CUDA_VISIBLE_DEVICES": "",
}
print(f"http://127.0.0.1:{http}", flush=True)
program = triton / "bin" / "tritonserver"
os.execve(
    program,
    [
        str(program),
        f"--model-repository={work / 'models'}",
        f"--backend-directory={backends}",
        "--exit-timeout-secs=5",
        "--http-address=127.0.0.1",
        f"--http-port={http}",
        "--grpc-address=127.0.0.1",
        f"--grpc-port={grpc}",
        "--metrics-address=127.0.0.1",
        f"--metrics-port={metrics}",
    ],
    environment,
)
