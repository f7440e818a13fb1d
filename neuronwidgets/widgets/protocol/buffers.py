"""What the widgets send to their views, in the safetensors format: named little-endian arrays
behind a JSON header. `js/src/protocol/` reads the same; `tests/protocol/` holds golden messages
that both languages check.

tree        merge int32 (n-1) x 2   children of each merge, the larger first
            height float64 n-1      of each merge
            row int32 n             dataset row of each sample, strongest first
            activation float32 n    of the neuron on each sample
            label int32 n           index into meta.labels, -1 none (absent without labels)
            token int32 n           index into meta.tokens, which concepts are named by, -1 none
                                    (absent unless samples are tokens without labels of their own)
            map float32 n x 2       the samples in the plane; meta.elsewhere is true where
                                    tree and map are not of the layer's own vectors
            color int16 2n-1        palette slot of each node, -1 too small to be a concept
            meta.doubt              why its concepts should not be trusted (absent if they may be)
            truth_node int32 p      the nodes that can be concepts (absent without truth)
            truth float64 p x f     cosines of their vectors with the true features that drive the
                                    neuron, meta.truth.names (absent without truth)
            + faces, of texts none: theirs are in the evidence
evidence    node int32 m            tree nodes whose vectors were looked up in the whole dataset
            retrieved int32 r x m x f   dataset rows that each retrieves, best first, by "cosine"
                                    and by "dot"
            retrieved_label int32 r x m x f
            percentile float32 r x m    of what it retrieves on the neuron: the median, 0 to 100
            cosine float32 m        of the node's vector with the neuron's axis
            recurs float32 m        in what share of halves of the samples the node is a cluster
                                    again; NaN unknown
            chance_size int32 g     sizes of groups of top samples drawn at random (these four
                                    absent without labels, and before they are measured)
            chance_label int32 l    indices into meta.labels
            chance, chance_high float32 r x g x l   the mean share of the label among what such
                                    groups retrieve, and what 95% of them do not exceed
            + faces that the tree has not
refinement  concept int32 n         the k-means concept of each sample, -1 none
            mark int8 n             0 stayed, 1 moved, 2 left
            node int32 k            the tree node each concept goes with, -1 none
            truth float64 k x f     as in the tree, of each concept (absent without truth)
            retrieved, retrieved_label, percentile, cosine: as in the evidence, by concept
picture     activation float32 N    of one neuron, class after class, ascending in each
            start int32 C+1         where each class begins
            mean, std float64 C     of each class
            quantile float64 C x L  at the normal scores meta.scores, the ends for the extremes
            edges float64 B+1       the neuron's equal bins; what lies beyond is in the end bins
            density uint8 C x B     smoothed share of each class in each bin: the root of the share,
                                    255 where it is the class's largest
            first uint16 C x B      the narrowest discriminative range that has the bin, in
                                    hundredths of tau; 401 where none has
            bar uint8 C x 81        how dense a discriminative range is at least, against the mean
                                    of the others, by 0.05 of tau: 40 log10(ratio) + 120
            rank int32 C            how salient the neuron is for each class, 1 = most
examples    face_value float32 F    activation of each face's sample
            face_label int32 F      its class
            + faces
toys        of run r, suffix r:     one or two toy models, `k` neurons and `N` features each
            A int8 k x N            responses in steps of meta.runs[r].peak / 127, rows and columns
                                    in the order of the paper's heatmaps
            neurons int32 k         the neuron in each row
            features int32 N        the feature in each column
            bias, share float32 k   by neuron: bias; largest response over the sum, 0 = dead
                                    (these five not where meta.runs[r].kept: the run's last still
                                    in the checkpoints is meant)
            log_step, log_mono int32 L      steps done, monosemantic neurons
            log_loss, log_bias float64 L    loss as a share of the best linear map's; mean bias
checkpoints of run r, suffix r:     C stills: A C x k x N, neurons, features, bias, share as above,
                                    what is said of each in meta.runs[r].stills
faces       face int32              rows that can be shown
            atlas uint8             a PNG or JPEG of square tiles (meta.tile: side, columns, rows,
                                    ink: figures on black, shown inverted on a light page)
            value float32           activation per segment (meta.segments, meta.values, meta.peaks)
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np


def pack(tensors: dict[str, np.ndarray], meta: dict[str, Any]) -> bytes:
    """Arrays and metadata -> safetensors bytes; the metadata is JSON under `meta`."""
    from safetensors.numpy import save

    ready = {}
    for name, array in tensors.items():
        array = np.ascontiguousarray(array)
        ready[name] = array.astype(array.dtype.newbyteorder("<"), copy=False)
    packed: bytes = save(ready, {"meta": json.dumps(meta, ensure_ascii=False)})
    return packed


def unpack(data: bytes) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The inverse of `pack`, for tests and for reading a saved notebook."""
    from safetensors.numpy import load

    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    meta: dict[str, Any] = json.loads(header["__metadata__"]["meta"])
    return load(bytes(data)), meta
