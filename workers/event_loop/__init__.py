"""Synchronous code on an event loop: a fiber for each request, bells to sleep by, lanes for what blocks."""
