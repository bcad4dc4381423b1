"""Named mail accounts: presets, and which account a task uses."""
