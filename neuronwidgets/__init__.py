"""neuronwidgets: look inside neurons, in a notebook.

The public names are in `__init__.pyi` and load lazily: `import neuronwidgets` imports neither
torch nor any widget.
"""

import sys

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__version__ = "0.1.0"
__all__ += ["__version__"]

if "IPython" in sys.modules:
    # In a kernel: JupyterLab's panel can follow it.
    from neuronwidgets.lab.target import register

    register()
    del register
