"""The genres of transformers: what they see, and what they are asked to predict."""
