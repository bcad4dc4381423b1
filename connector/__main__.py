"""``python -m connector`` is ``smtp-connector``."""

from connector.cli.main import main

if __name__ == "__main__":
    main()
