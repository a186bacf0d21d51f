"""Qt, and nothing but Qt: shows snapshots of the app and turns clicks into its calls."""
