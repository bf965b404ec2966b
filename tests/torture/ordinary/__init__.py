"""Ordinary views that write the store themselves, beside write functions: their clients and their check."""
