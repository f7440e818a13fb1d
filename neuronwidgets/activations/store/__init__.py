"""Activations on disk: shards of values in safetensors, samples in Parquet, a manifest in JSON."""

from neuronwidgets.activations.store.encode import DTYPES as DTYPES
from neuronwidgets.activations.store.encode import as_array as as_array
from neuronwidgets.activations.store.encode import encode as encode
from neuronwidgets.activations.store.matrix import Stored as Stored
from neuronwidgets.activations.store.shards import StoreError as StoreError
from neuronwidgets.activations.store.store import Store as Store
from neuronwidgets.activations.store.writer import WITHOUT_FIRST as WITHOUT_FIRST
from neuronwidgets.activations.store.writer import Shard as Shard
from neuronwidgets.activations.store.writer import Writer as Writer
