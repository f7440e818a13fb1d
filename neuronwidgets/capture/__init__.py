"""Model + data -> Activations, or what collectors keep."""

from neuronwidgets.capture.background import Capturing as Capturing
from neuronwidgets.capture.capture import capture as capture
from neuronwidgets.capture.collecting import Collected as Collected
from neuronwidgets.capture.collectors import Coactivation as Coactivation
from neuronwidgets.capture.collectors import Collector as Collector
from neuronwidgets.capture.collectors import Histogram as Histogram
from neuronwidgets.capture.collectors import Moments as Moments
from neuronwidgets.capture.collectors import Reservoir as Reservoir
from neuronwidgets.capture.collectors import Rows as Rows
from neuronwidgets.capture.collectors import Top as Top
from neuronwidgets.capture.passes import CaptureError as CaptureError
