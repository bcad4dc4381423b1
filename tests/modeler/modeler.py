"""Camunda's modeler library in a headless Chromium, used through its panel as a person uses it.

Labels and values enter, as one reads and types them; the diagram leaves, as the modeler saves it.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from playwright.async_api import Locator, Page, async_playwright, expect

HERE = Path(__file__).parent
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_WIDTH, _HEIGHT = 1000, 700
_LONG = 100  # characters that a person pastes


def missing() -> str:
    """What of it is not installed here, and how to install it; empty when all is there."""
    if not _browser():
        return "no Chromium; install chromium"
    if not shutil.which("node"):
        return "no Node.js; install nodejs and npm"
    if not (HERE / "node_modules").is_dir():
        return "the modeler's library is not installed; run npm ci in tests/modeler"
    return ""


def _browser() -> str | None:
    return next(filter(None, map(shutil.which, _BROWSERS)), None)


class Modeler:
    """A modeler with one diagram."""

    def __init__(self, page: Page) -> None:
        self._page = page

    async def open(self, diagram: str, templates: Iterable[Path]) -> list[str]:
        """Open a diagram with element templates at hand.

        Returns:
            What the modeler has against the templates; it drops those.
        """
        read = [json.loads(path.read_text(encoding="utf-8")) for path in templates]
        refused: list[str] = await self._page.evaluate("([xml, all]) => open(xml, all)", [diagram, read])
        return refused

    async def select(self, element: str) -> None:
        """Click on an element of the diagram."""
        await self._page.evaluate("show", element)
        await self._page.locator(f'[data-element-id="{element}"] .djs-hit').first.click()

    async def apply(self, template: str) -> None:
        """Look for a template by its name, and choose it for the selected element."""
        await self.offered()
        await self._page.locator(".djs-popup").get_by_text(template, exact=True).click()
        await self._page.get_by_text("Applied", exact=True).wait_for()

    async def fill(self, group: str, label: str, value: str | bool) -> None:
        """Fill in one entry.

        Args:
            group: The section, by its title; it is opened.
            label: The entry, by its label.
            value: What to type or to choose; FEEL begins with ``=``.
        """
        entry = await self._entry(group, label)
        if await entry.locator("select").count():
            await entry.locator("select").select_option(label=str(value))
        elif isinstance(value, bool):
            await entry.locator("input[type=checkbox]").set_checked(value)
        elif value.startswith("="):
            await self._type_feel(entry, value[1:])
        else:
            await self._type(entry.locator("input, textarea"), value)

    async def labels(self, group: str) -> list[str]:
        """Open a section; the labels in it."""
        labels = (await self._open(group)).locator(
            "[data-entry-id] label .bio-properties-panel-tooltip-wrapper"
        )
        return await labels.all_inner_texts()

    async def options(self, group: str) -> list[str]:
        """Open a section; what its dropdowns offer."""
        return await (await self._open(group)).locator("select option").all_inner_texts()

    async def reapply(self) -> list[str]:
        """Apply the template of every element that has one once more; the ids of those elements."""
        elements: list[str] = await self._page.evaluate("reapply()")
        return elements

    async def update(self) -> list[tuple[str, int]]:
        """Update every element to the newest version of its template; the ids, each with that version."""
        elements: list[list[Any]] = await self._page.evaluate("update()")
        return [(str(element), int(version)) for element, version in elements]

    async def state_of_template(self) -> str:
        """What the panel says of the selected element's template, such as ``Applied`` or ``Not found``."""
        text = await self._page.locator("#panel .bio-properties-panel-templates-group").inner_text()
        return text.removeprefix("Template").strip()

    async def errors(self) -> list[str]:
        """What the panel shows in red."""
        return await self._page.locator("#panel .bio-properties-panel-error").all_inner_texts()

    async def lasting_errors(self) -> list[str]:
        """What the panel still shows in red after a while.

        On a busy machine the editor parses a long expression in several turns, and calls what it has not read
        yet unparsable.
        """
        errors = self._page.locator("#panel .bio-properties-panel-error")
        with contextlib.suppress(AssertionError):
            await expect(errors).to_have_count(0, timeout=20_000)
        return await self.errors()

    async def save(self) -> str:
        """Give the diagram as the modeler saves it."""
        xml: str = await self._page.evaluate("save()")
        return xml

    async def offered(self) -> list[str]:
        """Ask for the templates that fit the selected element; their names, in the modeler's order."""
        await self._page.get_by_text("Select", exact=True).click()
        popup = self._page.locator(".djs-popup")
        await popup.wait_for()
        return await popup.locator(".djs-popup-label").all_inner_texts()

    async def picture(self, file: Path) -> None:
        """Take a picture of the window as it is, without the tools beside what is selected."""
        await self._without_tools()
        await self._page.screenshot(path=file)

    async def picture_of_diagram(self, file: Path) -> None:
        """Take a picture of the diagram alone, in the size in which it is drawn."""
        svg: str = await self._page.evaluate("modeler.saveSVG().then(({ svg }) => svg)")
        picture = svg[svg.index("<svg") :]
        await self._page.set_content(f'<div id="picture" style="display: inline-block">{picture}</div>')
        await self._page.locator("#picture").screenshot(path=file)

    async def picture_of_panel(self, file: Path, *, diagram: bool = True) -> None:
        """Take a picture of the whole panel, with the diagram beside it or alone."""
        bottom = await self._page.locator("#panel .bio-properties-panel-scroll-container").evaluate(
            "sections => sections.getBoundingClientRect().top + sections.scrollHeight"
        )
        await self._page.set_viewport_size({"width": _WIDTH, "height": max(int(bottom), _HEIGHT)})
        await self._without_tools()
        await self._page.locator("body" if diagram else "#panel").screenshot(path=file)

    async def _without_tools(self) -> None:
        await self._page.add_style_tag(content=".djs-context-pad-parent { display: none }")

    async def _entry(self, group: str, label: str) -> Locator:
        opened = await self._open(group)
        named = self._page.locator("label").get_by_text(label, exact=True)
        return opened.locator("[data-entry-id]").filter(has=named)

    async def _open(self, group: str) -> Locator:
        title = self._page.locator(".bio-properties-panel-group-header-title").get_by_text(group, exact=True)
        section = self._page.locator("#panel .bio-properties-panel-group").filter(has=title)
        entries = section.locator(".bio-properties-panel-group-entries.open")
        while not await entries.count():
            await title.click()
            # The entry that is left may move the panel away below the click.
            with contextlib.suppress(AssertionError):
                await expect(entries).to_have_count(1, timeout=1_000)
        return section

    async def _type(self, field: Locator, text: str) -> None:
        pasted = len(text) > _LONG
        await field.fill(text if pasted else "")
        if not pasted:
            await field.press_sequentially(text)
        # Once it is left, the panel shows what is wrong with it and moves; only then can the next be hit.
        await field.blur()

    async def _type_feel(self, entry: Locator, expression: str) -> None:
        switch = entry.locator("button.bio-properties-panel-feel-icon.optional:not(.active)")
        if await switch.count():
            await switch.click()
        editor = entry.locator("[contenteditable=true]")
        await editor.click()
        # As pasted: typed, the editor would close every bracket by itself.
        await self._page.keyboard.insert_text(expression)
        await self._page.keyboard.press("Escape")  # the list of suggestions


@asynccontextmanager
async def modeler() -> AsyncIterator[Modeler]:
    """Start a browser with the modeler in it; an error in its page is an error here."""
    errors: list[str] = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=_browser())
        try:
            context = await browser.new_context(viewport={"width": _WIDTH, "height": _HEIGHT}, offline=True)
            page = await context.new_page()
            page.set_default_timeout(30_000)  # a deadline, for machines that do much else
            page.on("pageerror", lambda error: errors.append(str(error)))
            await page.goto((HERE / "page.html").as_uri())
            yield Modeler(page)
        finally:
            await browser.close()
    assert errors == []
