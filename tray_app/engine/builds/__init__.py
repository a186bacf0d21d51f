"""Builds of engines that are installed beside the app: on offer, installed, proven on this machine."""
