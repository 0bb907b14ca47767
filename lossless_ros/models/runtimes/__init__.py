"""Inference runtimes: PyTorch, OpenVINO, ONNX Runtime, CUDA graphs and TensorRT."""
