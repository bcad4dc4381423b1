"""The reference, made from the code that it describes: one module for each page.

``docs/generate.py`` writes what they give. A module either lists what the code has, so that nothing can be
missing, or holds the text about it under the code's own names, and fails when a name has none.
"""
