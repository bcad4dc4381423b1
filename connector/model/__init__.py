"""Values that several packages share; no I/O."""

VERSION = "0.1.0"


def to_install(extra: str) -> str:
    """Say how an operator installs an extra, with the versions that the worker was tested with."""
    return (
        f"install the extra {extra}: pip install -c constraints.txt '.[{extra}]' in the worker's checkout, "
        f"or docker build --build-arg EXTRAS={extra}"
    )
