"""From measurements to what people read: medians, ratios, verdicts, Markdown and plots."""
