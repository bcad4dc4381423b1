"""A person at a browser, who logs in at the provider, consents or refuses, and uses the worker's pages."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Locator, Page, async_playwright

_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_QUIET = ("--disable-background-networking", "--disable-component-update", "--no-first-run")
_MILLISECONDS = 30_000  # a deadline, for machines that do much else


# Elements that reach over the page's edge and cannot be scrolled to.
_CUT_OFF = """() => {
  const edge = document.documentElement.clientWidth;
  const scrolls = (element) => element !== null && element !== document.body &&
    (getComputedStyle(element).overflowX !== 'visible' || scrolls(element.parentElement));
  return [...document.querySelectorAll('article *')].filter((element) => {
    const { left, right, width } = element.getBoundingClientRect();
    return width && (right > edge + 1 || left < -1) && !scrolls(element.parentElement);
  }).map((element) => `${element.tagName} ${element.textContent.slice(0, 60)}`);
}"""
# Tables that are wider than their place, so that a reader has to scroll them.
_SCROLLED = """() => [...document.querySelectorAll('article table')]
  .filter((table) => table.offsetWidth > table.parentElement.parentElement.clientWidth + 1)
  .map((table) => table.textContent.slice(0, 60))"""
# Words of names that stand on two lines. A name has a place to break between its words: text ends there.
_BROKEN = """() => {
  const broken = [];
  for (const code of document.querySelectorAll('article code:not(pre code)')) {
    const texts = document.createTreeWalker(code, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
      for (const word of texts.currentNode.data.matchAll(/\\w+/g)) {
        const range = document.createRange();
        range.setStart(texts.currentNode, word.index);
        range.setEnd(texts.currentNode, word.index + word[0].length);
        const lines = [...range.getClientRects()].filter(({ width }) => width);
        if (new Set(lines.map(({ top }) => Math.round(top))).size > 1) broken.push(word[0]);
      }
    }
  }
  return broken;
}"""


class Person:
    """One window."""

    def __init__(self, page: Page) -> None:
        self._page = page

    async def open(self, url: str) -> None:
        """Go to an address."""
        await self._page.goto(url)

    async def log_in(self, user: str, password: str) -> None:
        """Log in at the provider."""
        await self._page.get_by_label("User").fill(user)
        await self._page.get_by_label("Password").fill(password)
        await self.press("Next")

    async def type(self, label: str, text: str) -> None:
        """Fill in a field."""
        await self._page.get_by_label(label, exact=False).fill(text)

    async def press(self, button: str) -> None:
        """Press a button, and wait for the page that follows."""
        async with self._page.expect_navigation():
            await self._page.get_by_role("button", name=button, exact=True).click()

    async def press_in(self, row: str, button: str) -> None:
        """Press a button in the row of a table that begins with this text."""
        async with self._page.expect_navigation():
            await self._row(row).get_by_role("button", name=button, exact=True).click()

    async def follow(self, link: str) -> None:
        """Click on a link."""
        async with self._page.expect_navigation():
            await self._page.get_by_role("link", name=link, exact=True).click()

    async def search(self, words: str) -> str:
        """Search the documentation; the text of what is found."""
        await self._page.fill("input.md-search__input", words)
        await self._page.wait_for_selector(".md-search-result__item")
        return await self._page.inner_text(".md-search-result__list")

    async def sees(self) -> str:
        """The text of the page."""
        return await self._page.locator("body").inner_text()

    async def sees_in(self, row: str) -> str:
        """The text of a row."""
        return await self._row(row).inner_text()

    async def resize(self, width: int) -> None:
        """Make the window as wide as a device, in pixels."""
        await self._page.set_viewport_size({"width": width, "height": 900})

    async def sees_cut_off(self) -> list[str]:
        """What reaches over the edge of the page, without a way to scroll to it."""
        found: list[str] = await self._page.evaluate(_CUT_OFF)
        return found

    async def sees_scrolled(self) -> list[str]:
        """Tables that do not fit into the page."""
        found: list[str] = await self._page.evaluate(_SCROLLED)
        return found

    async def sees_broken(self) -> list[str]:
        """Words within names that are broken over two lines."""
        found: list[str] = await self._page.evaluate(_BROKEN)
        return found

    def _row(self, text: str) -> Locator:
        first = self._page.locator("td:first-child").filter(has_text=re.compile(rf"^\s*{re.escape(text)}"))
        return self._page.locator("tr").filter(has=first)


@asynccontextmanager
async def browsing() -> AsyncIterator[Person]:
    """Start a browser; skipped where there is none, but never in CI."""
    executable = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if executable is None:
        reason = "no Chromium; install chromium"
        if os.environ.get("CI"):
            pytest.fail(f"CI must have a browser: {reason}")
        pytest.skip(reason)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, args=list(_QUIET))
        try:
            page = await (await browser.new_context()).new_page()
            page.set_default_timeout(_MILLISECONDS)
            yield Person(page)
        finally:
            await browser.close()
