"""Pictures of pages for README.md, wide and narrow, as a browser shows them.

python benchmarks/pages/take_screenshots.py comparison.html comparison.html#grids

writes docs/results/pages/NAME-SECTION-WIDTH.png.
"""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path

TARGET = Path(__file__).resolve().parents[2] / "docs" / "results" / "pages"
WINDOWS = {1280: 1150, 390: 900}  # width and height, pixels


def main(pages: list[str]) -> int:
    """Run the command line above."""
    from PIL import Image
    from playwright.sync_api import sync_playwright

    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if not pages or browser is None:
        sys.stderr.write(__doc__ or "" if browser else "no chromium is installed\n")
        return 2
    TARGET.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        for page, (width, height) in ((page, window) for page in pages for window in WINDOWS.items()):
            tab = opened.new_page(viewport={"width": width, "height": height})
            path, _, section = page.partition("#")
            tab.goto(Path(path).resolve().as_uri())
            tab.wait_for_function("document.documentElement.dataset.ready")
            if section:
                tab.evaluate("id => document.getElementById(id).scrollIntoView({behavior: 'instant'})", section)
            tab.wait_for_timeout(1500)  # figures are drawn when they come into view
            name = "-".join(part for part in (Path(path).stem, section) if part)
            picture = Image.open(io.BytesIO(tab.screenshot()))
            picture.convert("RGB").quantize(128).save(TARGET / f"{name}-{width}.png", optimize=True)
        opened.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
