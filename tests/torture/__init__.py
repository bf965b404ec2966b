"""Torture: load and faults together, then a check of every promise. `make torture MINUTES=5`.

`workload` sends and logs, `nemesis` forces `faults`, `checker` compares what clients were told (`history`)
with what the store holds (`snapshot`, `replay`), `report` says it in figures. `run` puts them together.
"""
