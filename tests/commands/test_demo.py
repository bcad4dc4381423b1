"""``smtp-connector demo`` as far as it goes without an engine; ``tests/engine`` has the rest."""

from connector.demo.examples import EXAMPLES
from tests.commands.terminal import command


async def test_the_list_names_every_example() -> None:
    listed = await command("demo", "--list")
    assert (listed.code, listed.stderr) == (0, "")
    assert [line.split()[0] for line in listed.stdout.splitlines()] == list(EXAMPLES)


async def test_an_example_that_is_none_is_wrong_usage() -> None:
    refused = await command("demo", "--example", "threading")
    assert (refused.code, refused.stdout) == (2, "")
    assert "There is no example 'threading'; did you mean reply-and-threading?" in refused.stderr
    assert "escalation" in refused.stderr
