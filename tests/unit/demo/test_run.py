"""What the demo makes of its settings; the rest of it is tested on a real engine."""

from connector.demo.run import _settings


def test_every_demo_has_message_ids_of_its_own() -> None:
    first, second = (_settings({}).message.message_id_namespace for _ in range(2))
    assert first
    assert first != second


def test_a_namespace_that_is_set_stays() -> None:
    environ = {"SMTP_CONNECTOR_MESSAGE_MESSAGE_ID_NAMESPACE": "blue"}
    assert _settings(environ).message.message_id_namespace == "blue"
