"""How does a tower leave torch?

onnx_export.py  the request tower as ONNX        query_tower.py  it is read, without torch
"""
