"""A worker that sends through Azure Communication Services is killed at any of its requests.

No mail may be sent twice and none be lost, and no person is asked: the next worker asks for the operation
under its id, and repeats it where the service does not know it.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.faults.service_workers import KILLS, kill_again_and_again
from tests.servers.acs import acs_server


@pytest.mark.parametrize("kills", KILLS)
def test_no_mail_twice_and_none_lost(tmp_path: Path, kills: int) -> None:
    with acs_server("example.test") as acs:
        account = {
            "transport": "acs",
            "address": "flow@example.test",
            "acs": {"endpoint": acs.endpoint, "access_key": acs.key},
        }
        keys = kill_again_and_again(acs, account, tmp_path, kills)
        copies = Counter(str(mail["content"]["subject"]) for mail in acs.delivered)
    print(f"{kills} kills, {len(keys)} mails, {acs.repeated} ids asked for again")  # noqa: T201
    assert set(copies) == keys
    assert set(copies.values()) == {1}
