"""The pages that stand before and behind the chapters."""
