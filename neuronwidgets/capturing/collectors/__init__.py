"""Collectors: summaries of a layer that see every row once and merge."""

from neuronwidgets.capturing.collectors.chunk import Chunk as Chunk
from neuronwidgets.capturing.collectors.coactivation import Coactivation as Coactivation
from neuronwidgets.capturing.collectors.coactivation import Coactivations as Coactivations
from neuronwidgets.capturing.collectors.collector import Collector as Collector
from neuronwidgets.capturing.collectors.histogram import Histogram as Histogram
from neuronwidgets.capturing.collectors.histogram import Histograms as Histograms
from neuronwidgets.capturing.collectors.moments import Moments as Moments
from neuronwidgets.capturing.collectors.moments import MomentTable as MomentTable
from neuronwidgets.capturing.collectors.reservoir import Reservoir as Reservoir
from neuronwidgets.capturing.collectors.rows import KeptRows as KeptRows
from neuronwidgets.capturing.collectors.rows import Rows as Rows
from neuronwidgets.capturing.collectors.top import Top as Top
from neuronwidgets.capturing.collectors.top import Tops as Tops
