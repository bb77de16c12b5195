"""MLServer with car-price in a custom runtime and adaptive batching. As a program it writes the settings and starts the server."""

import json
import os
import sys
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import onnxruntime as ort
from mlserver import MLModel
from mlserver.codecs import NumpyCodec, StringCodec
from mlserver.types import InferenceRequest, InferenceResponse
from ports import free_ports


class OnnxModel(MLModel):
    async def load(self) -> bool:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = ort.InferenceSession(self.settings.parameters.uri, options)
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        feeds = {}
        for tensor in payload.inputs:
            if tensor.datatype == "BYTES":
                feeds[tensor.name] = np.array(StringCodec.decode_input(tensor), object).reshape(tensor.shape)
            else:
                feeds[tensor.name] = NumpyCodec.decode_input(tensor)
        (prices,) = self.session.run(None, feeds)
        output = NumpyCodec.encode_output("selling_price", prices)
        return InferenceResponse(model_name=self.name, model_version=self.version, outputs=[output])


if __name__ == "__main__":
    models = Path(mkdtemp(prefix="auspex-bench-mlserver-", dir=os.environ["WORK_DIR"]))
    settings = {
        "name": "car-price",
        "implementation": "mlserver_server.OnnxModel",
        "parameters": {"uri": os.environ["MODEL_FILE"], "version": "1"},
        "max_batch_size": 64,
        "max_batch_time": 0.005,
    }
    (models / "model-settings.json").write_text(json.dumps(settings))
    http, grpc, metrics = free_ports(3)
    environment = {
        **os.environ,
        "MLSERVER_HOST": "127.0.0.1",
        "MLSERVER_HTTP_PORT": str(http),
        "MLSERVER_GRPC_PORT": str(grpc),
        "MLSERVER_METRICS_PORT": str(metrics),
        "MLSERVER_METRICS_DIR": str(models),
        # The model runs in the server's process: a worker costs more than it brings on one core.
        "MLSERVER_PARALLEL_WORKERS": "0",
        "MLSERVER_DEBUG": "false",
        "PYTHONPATH": str(Path(__file__).parent),
    }
    print(f"http://127.0.0.1:{http}", flush=True)
    program = Path(sys.executable).parent / "mlserver"
    os.execve(program, [str(program), "start", str(models)], environment)
