"""The public HTTP address: what programs speak to, and the private one that the terminal speaks to."""
