"""Mail templates: an operator's folders of subjects, bodies and files, rendered with a job's data.

A template's name, data and a language enter; subject, text, HTML and files leave, or the error that names the
file, the line and the variable. Templates come from the operator only, never from a variable. They are
sandboxed nevertheless, and what one rendering may take is bounded (:mod:`.budget`).
"""
