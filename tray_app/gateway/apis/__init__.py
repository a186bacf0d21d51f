"""APIs whose requests become OpenAI's, and whose answers become theirs again."""
