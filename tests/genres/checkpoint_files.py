"""What the tests of checkpoints do to the files of a folder: change, drop, add."""

import json

from safetensors.torch import load_file, save_file


def edit_config(folder, **changes):
    """Change fields of config.json; the value "dropped" removes a field."""
    path = folder / "config.json"
    fields = json.loads(path.read_text()) | changes
    fields = {name: value for name, value in fields.items() if value != "dropped"}
    path.write_text(json.dumps(fields))


def edit_tensors(folder, change):
    """Let `change` work on the tensors of a file, or return a dict of others."""
    path = folder / "model.safetensors"
    tensors = load_file(path)
    changed = change(tensors)
    save_file(changed if isinstance(changed, dict) else tensors, path)
