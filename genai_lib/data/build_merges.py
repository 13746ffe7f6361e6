"""Write documentation_merges.json again: `python -m genai_lib.data.build_merges`."""

from genai_lib.components.tokens.stored import MERGES, train_tokenizer

if __name__ == "__main__":
    train_tokenizer().save(MERGES)
