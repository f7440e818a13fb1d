"""Pages with JupyterLab: to load it costs more than most tests, so notebooks use one in turn."""

from __future__ import annotations

from playwright.sync_api import Browser, ConsoleMessage, Error, Page, Request

CHROMIUM = """--no-sandbox --disable-gpu --disable-quic --no-first-run
--disable-background-networking --disable-component-update --disable-sync""".split()  # noqa: SIM905
OPEN = """async path => {
  const { commands, shell } = window.jupyterapp;
  const former = [...shell.widgets('main')];
  await commands.execute('docmanager:open', { path });
  for (const tab of former) tab.dispose();
}"""
"""Opens a file and then drops all other tabs: JupyterLab fills an empty page with a launcher."""
SHUT_DOWN = """async () => {
  await window.jupyterapp.shell.currentWidget.sessionContext.shutdown();
  return document.querySelector('.jp-Dialog') === null;
}"""
"""Ends the notebook's kernel: whether the page waits for nobody."""


class Ear:
    """What a page throws and asks for, while one notebook has it.

    Attributes:
        errors: what was thrown. What a view throws as its model changes, ipywidgets only writes to
            the console.
        requests: the addresses of all requests.
    """

    def __init__(self, page: Page) -> None:
        self._page = page
        self.errors: list[str] = []
        self.requests: list[str] = []
        page.on("pageerror", self._threw)
        page.on("console", self._wrote)
        page.on("request", self._asked)

    def close(self) -> None:
        """Hear no more."""
        self._page.remove_listener("pageerror", self._threw)
        self._page.remove_listener("console", self._wrote)
        self._page.remove_listener("request", self._asked)

    def _threw(self, error: Error) -> None:
        self.errors.append(error.stack or str(error))

    def _wrote(self, message: ConsoleMessage) -> None:
        if message.type == "error" and "setting state" in message.text:
            self.errors.append(message.text)

    def _asked(self, request: Request) -> None:
        self.requests.append(request.url)


class Pages:
    """The pages of a browser, each with at most one notebook.

    Args:
        timeout: milliseconds after which something will not come.
    """

    def __init__(self, browser: Browser, timeout: int) -> None:
        self._browser, self._timeout = browser, timeout
        self._left: list[Page] = []

    def new(self, width: int, height: int) -> Page:
        """A page that has loaded nothing yet."""
        page = self._browser.new_page(viewport={"width": width, "height": height})
        page.set_default_timeout(self._timeout)
        return page

    def take(self, width: int, height: int) -> Page | None:
        """A page with JupyterLab and a notebook that nobody needs: `OPEN` replaces it."""
        if not self._left:
            return None
        page = self._left.pop()
        page.set_viewport_size({"width": width, "height": height})
        return page

    def leave(self, page: Page) -> None:
        """End the page's kernel and leave the page, as it was at first, to the next notebook.

        One that is not as it was is closed: a test has failed in it.
        """
        if page.is_closed():
            return
        try:
            page.emulate_media(media="null", color_scheme="null", forced_colors="null")
            page.context.clear_permissions()
            good = page.evaluate(SHUT_DOWN)
        except Error:
            good = False
        if good:
            self._left.append(page)
        else:
            page.close()
