"""One Writer and what people would use instead of it, side by side on one machine: see README.md."""
