"""Models that other apps have on this computer."""
