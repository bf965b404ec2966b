"""Two public applications that nobody here wrote, in several ways to write: see docs/adoption-measured.md."""
