"""``smtp-connector templates`` as a person gets the element templates."""

from __future__ import annotations

from pathlib import Path

import pytest

from connector.modeler.generate import pages
from tests.commands.terminal import command


def contents(directory: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in directory.iterdir()}


async def test_the_files_are_written_and_named(tmp_path: Path) -> None:
    directory = tmp_path / ".camunda" / "element-templates"
    done = await command("templates", "--output", str(directory))
    assert (done.code, done.stdout.splitlines()) == (0, [str(directory / name) for name in pages()])
    assert contents(directory) == pages()


async def test_the_check_names_what_is_not_up_to_date(tmp_path: Path) -> None:
    assert (await command("templates", "--output", str(tmp_path))).code == 0
    assert (await command("templates", "--check", "--output", str(tmp_path))).stdout == ""
    changed, missing, *_ = pages()
    (tmp_path / changed).write_bytes(b"\xff")
    (tmp_path / missing).unlink()
    done = await command("templates", "--check", "--output", str(tmp_path))
    said = [f"{tmp_path / name} is not up to date" for name in (changed, missing)]
    assert (done.code, done.stdout.splitlines()) == (1, said)


async def test_the_templates_lead_to_a_page(tmp_path: Path) -> None:
    url = "https://docs.example.com/mail"
    assert (await command("templates", "-o", str(tmp_path), "--documentation", url)).code == 0
    assert contents(tmp_path) == pages(url)


@pytest.mark.parametrize("url", ["docs.example.com", "ftp://docs.example.com", "https://"])
async def test_a_link_that_modelers_refuse_is_wrong_usage(tmp_path: Path, url: str) -> None:
    done = await command("templates", "-o", str(tmp_path), "--documentation", url)
    assert (done.code, done.stdout, contents(tmp_path)) == (2, "", {})
    assert done.stderr.startswith("smtp-connector: --documentation: expected a URL")


async def test_a_directory_that_cannot_be_is_wrong_usage() -> None:
    done = await command("templates", "-o", __file__)
    assert (done.code, done.stdout) == (2, "")
    assert "--output" in done.stderr
