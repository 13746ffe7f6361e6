"""The parts that every model of this book is made of."""
