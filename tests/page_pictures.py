"""Make the pictures of the page in docs/ again: `PYTHONPATH=. python tests/page_pictures.py`."""

from __future__ import annotations

from ops.paths import ROOT
from tests.browser_stage import browser, take_pictures
from tests.service_stage import gateway, service

if __name__ == "__main__":
    with service() as running, gateway(running) as url, browser() as page:
        running.table.put({"message": {"S": "Welcome! It works, and nothing here needs an AWS account."}})
        for file in take_pictures(page, url, ROOT / "docs"):
            print(file.relative_to(ROOT))
