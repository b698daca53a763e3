"""The settings of the service: from the environment, then from the command line."""

import os

from mltu.configs import BaseModelConfigs
from mltu.inference import find_pretrained


class ServiceConfigs(BaseModelConfigs):
    def __init__(self):
        self.host = "127.0.0.1"  # 0.0.0.0 to be reached from elsewhere
        self.port = 8000
        self.model = str(find_pretrained())  # an .onnx file that mltu exported
        self.max_bytes = 4_000_000  # of a request; an image of a word has a few thousand
        self.max_pixels = 16_000_000  # of an image, before it is decoded
        self.max_batch = 64  # images through the model at once
        self.max_wait_ms = 3.0  # for which an image waits for others
        self.max_waiting = 256  # images; times max_bytes, the memory that they may take
        self.max_connections = 512  # more are answered with 503 before their upload is read
        self.num_threads = 0  # of onnxruntime; 0 for its default

    @classmethod
    def from_environment(cls, environment=os.environ, arguments=()):
        """Read READER_MODEL, READER_MAX_BYTES, ..., and arguments such as `port=8001`."""
        # The address is not read: Kubernetes sets READER_PORT for a service named reader.
        names = vars(cls()).keys() - {"host", "port"}
        given = {name: environment.get(f"READER_{name.upper()}") for name in sorted(names)}
        found = [f"{name}={value}" for name, value in given.items() if value is not None]
        configs = cls.from_command_line([*found, *arguments])
        for name in ("max_bytes", "max_pixels", "max_batch", "max_waiting", "max_connections"):
            if (value := getattr(configs, name)) < 1:
                raise SystemExit(f"{name} must be at least 1. Received {value}.")
        return configs
