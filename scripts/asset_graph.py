#!/usr/bin/env python
"""Draw docs/images/asset-graph.png: Dagster's own page of the asset graph, in a headless browser.

Needs `chromium`. Starts a web server on a free port of this machine and ends it again.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "images" / "asset-graph.png"
START_SECONDS = 120
SETTINGS = "telemetry: {enabled: false}\nnux: {enabled: false}\n"


def main() -> None:
    """Serve, wait, take the picture."""
    chromium = shutil.which("chromium") or sys.exit("chromium is not installed.")
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
        free.close()
        (Path(folder) / "dagster.yaml").write_text(SETTINGS)
        server = subprocess.Popen(
            [
                *(sys.executable, "-m", "dagster_webserver", "-m", "pipelines.definitions"),
                *("--host", "127.0.0.1", "--port", str(port)),
            ],
            cwd=ROOT,
            env=os.environ | {"DAGSTER_HOME": folder, "DAGSTER_DISABLE_TELEMETRY": "yes"},
            start_new_session=True,
        )
        try:
            url = f"http://127.0.0.1:{port}"
            _wait(url)
            _picture(chromium, f"{url}/asset-groups", folder)
        finally:
            os.killpg(server.pid, signal.SIGTERM)
            server.wait(30)


def _wait(url: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{url}/server_info", timeout=5):
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(1)
    sys.exit(f"The web server did not answer within {START_SECONDS} s.")


def _picture(chromium: str, url: str, folder: str) -> None:
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        [
            *(chromium, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
            *("--window-size=1700,760", "--virtual-time-budget=40000"),
            *(f"--user-data-dir={folder}/browser", f"--screenshot={PICTURE}", url),
        ],
        check=True,
        timeout=180,
    )


if __name__ == "__main__":
    main()
