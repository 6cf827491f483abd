"""Where tensors come from: embedded data, downloads, folders of images, symbols that the project draws."""
