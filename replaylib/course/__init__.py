"""What the pages of the book need: figures, widgets, the figures of the paper, the graded assignments."""
