"""50 clients with a password, each asking the running app 20 texts one after the other: errors, throughput, times.

    python benchmarks/app_clients.py RUN [CLIENTS] [TEXTS]

starts the app with `--auth` on the folder of RUN, a classifier's, waits until the model is loaded, and asks. A client logs in,
opens the queue and reads the events as the page does (gradio_client); times are from the question to its last event.
"""

from __future__ import annotations

import socket
import statistics
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from gradio_client import Client

NAME, WORD = "somebody", "a long password of 30 letters."


def main() -> None:
    """Print what was measured."""
    run = Path(sys.argv[1]).resolve()
    clients, texts = (int(word) for word in [*sys.argv[2:4], "50", "20"][:2])
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = ["--runs", str(run.parent), "--port", str(port), "--no-browser", "--auth", f"{NAME}:{WORD}"]
    app = subprocess.Popen([sys.executable, "-m", "kerasft_app", *command], stdout=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}/"
    try:
        wait_for(url)
        first = connect(url)
        ask(first, run.name, "The first question loads the model.", _sampling(first))
        measure(url, run.name, clients, texts)
    finally:
        app.terminate()
        app.wait()


def wait_for(url: str) -> None:
    """Until the app answers, by its login page or otherwise."""
    for _ in range(240):
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.5)
    raise SystemExit("The app does not answer.")


def connect(url: str) -> Client:
    """A client that has logged in."""
    return Client(url, auth=(NAME, WORD), verbose=False)


def ask(client: Client, run: str, text: str, rest: list[Any]) -> None:
    """Ask about a text.

    Raises:
        RuntimeError: The page shows no label's probability.
    """
    shown = client.predict(run, text, "", "the answer itself", *rest, api_name="/predict")
    if "confidences" not in repr(shown):
        raise RuntimeError(repr(shown)[:300])


def _sampling(client: Client) -> list[Any]:
    """The defaults of what follows the four first inputs."""
    described = client.view_api(return_format="dict", print_info=False)["named_endpoints"]["/predict"]["parameters"]
    return [parameter.get("parameter_default") for parameter in described[4:]]


def measure(url: str, run: str, clients: int, texts: int) -> None:
    """Ask from all clients at once and print errors, throughput, median and 99th percentile."""
    connected = [connect(url) for _ in range(clients)]
    rest = _sampling(connected[0])
    times: list[float] = []
    errors: list[str] = []
    begin = threading.Barrier(clients + 1)

    def work(number: int) -> None:
        begin.wait()
        for i in range(texts):
            started = time.perf_counter()
            try:
                ask(connected[number], run, f"Client {number} has not received parcel {i}.", rest)
                times.append(time.perf_counter() - started)
            except Exception as error:  # whatever a client meets is counted
                errors.append(f"{type(error).__name__}: {error}")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    begin.wait()
    started = time.perf_counter()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - started
    print(f"{clients} clients x {texts} texts: {len(errors)} errors, {len(times) / seconds:.1f} answers a second")
    if times:
        percentile = sorted(times)[min(len(times) - 1, int(0.99 * len(times)))]
        print(f"median {statistics.median(times):.2f} s, 99th percentile {percentile:.2f} s")
    for error in errors[:3]:
        print(error)


if __name__ == "__main__":
    main()
