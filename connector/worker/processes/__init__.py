"""Several worker processes under one supervisor; see ``supervisor`` for it and ``link`` for what they say."""
