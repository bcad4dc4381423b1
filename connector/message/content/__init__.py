"""What a task only names, read: files, URLs, documents."""
