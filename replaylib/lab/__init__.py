"""What makes an experiment of the science: describing, running, storing, repeating, scaling, comparing."""
