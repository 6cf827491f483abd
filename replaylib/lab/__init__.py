"""What makes an experiment of the science: describing, running, storing, repeating, scaling, comparing."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
