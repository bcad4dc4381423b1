"""What belongs to development stays out of a running worker."""

import subprocess
import sys

_IMPORTED = """
import sys
import connector.worker.worker
apart = ("connector.devengine", "connector.demo", "connector.testing")
print([name for name in sys.modules if name.startswith(apart)])
"""


def test_a_worker_imports_nothing_for_development() -> None:
    command = [sys.executable, "-c", _IMPORTED]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "[]\n"
