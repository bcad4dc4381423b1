"""What the demo makes of its settings; the rest of it is tested on an engine."""

from connector.demo.run import _settings


def test_every_demo_has_mails_of_its_own_and_leaves_no_ledger_behind() -> None:
    first, second = (_settings({}) for _ in range(2))
    assert first.engine.name
    assert first.engine.name != second.engine.name
    assert first.ledger.kind == "memory"


def test_what_is_set_stays() -> None:
    environ = {"SMTP_CONNECTOR_ENGINE_NAME": "blue", "SMTP_CONNECTOR_LEDGER_PATH": "ledger.db"}
    settings = _settings(environ)
    assert settings.engine.name == "blue"
    assert settings.ledger.kind == "sqlite"
