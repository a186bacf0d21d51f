"""Brings the tables of the documents to what sources and tests say: `python -m tools`."""

from tools import clients, guide

guide.main()
clients.main()
