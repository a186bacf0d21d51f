"""The machine: folders, facts, processes, ports. Knows nothing of models or servers."""
