"""What the user chose: the schema says what can be chosen, the store keeps it."""
