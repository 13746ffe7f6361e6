"""Small, readable and tested implementations of the models the book explains."""
