"""The app: builds every service once, keeps the server as people want it, and says how everything is."""
