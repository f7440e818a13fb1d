"""Bundled data sets, each with a small trained model. Nothing is downloaded."""

from neuronwidgets.datasets.load import Fashion as Fashion
from neuronwidgets.datasets.load import Stories as Stories
from neuronwidgets.datasets.load import Topics as Topics
from neuronwidgets.datasets.load import fashion as fashion
from neuronwidgets.datasets.load import stories as stories
from neuronwidgets.datasets.load import topics as topics
