"""What to keep of a layer while it is read: each collector sees every row once, and merges."""

from neuronwidgets.capture.collectors.coactivation import Coactivation as Coactivation
from neuronwidgets.capture.collectors.coactivation import Coactivations as Coactivations
from neuronwidgets.capture.collectors.collector import Chunk as Chunk
from neuronwidgets.capture.collectors.collector import Collector as Collector
from neuronwidgets.capture.collectors.histogram import Histogram as Histogram
from neuronwidgets.capture.collectors.histogram import Histograms as Histograms
from neuronwidgets.capture.collectors.moments import Moments as Moments
from neuronwidgets.capture.collectors.moments import MomentTable as MomentTable
from neuronwidgets.capture.collectors.reservoir import Reservoir as Reservoir
from neuronwidgets.capture.collectors.rows import KeptRows as KeptRows
from neuronwidgets.capture.collectors.rows import Rows as Rows
from neuronwidgets.capture.collectors.top import Top as Top
from neuronwidgets.capture.collectors.top import Tops as Tops
