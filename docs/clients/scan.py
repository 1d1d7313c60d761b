#!/usr/bin/env python3
"""Has a file scanned by Lazaret's verdict API before it goes anywhere.

    LAZARET_USER=... LAZARET_PASSWORD=... python scan.py https://lazaret.example.com FILE

Exit code: 0 clean, 1 something was found, 2 nobody knows. Needs: requests.
"""

import os
import sys
import time
from urllib.parse import quote

import requests

# To connect, and to wait for an answer: a large archive may take an hour.
TIMEOUTS_SECONDS = (10, 4000)
# A full server says 429, one that can't scan right now 503: both say when to come again.
TRIES = 5


def post(session, url, **request):
    """One request, tried again when the server asks for that. `data` is a function, so that each try reads from the beginning."""
    data = request.pop("data", lambda: None)
    for left in reversed(range(TRIES)):
        response = session.post(url, data=data(), timeout=TIMEOUTS_SECONDS, **request)
        if response.status_code in (429, 503) and left:
            time.sleep(int(response.headers.get("Retry-After", "2")))
            continue
        if response.status_code != 200:
            try:
                why = response.json()["errorMessage"]
            except (ValueError, KeyError, TypeError):
                why = "no answer of the API"
            raise RuntimeError(f"{response.status_code}: {ascii(why)}")
        return response.json()


def scan(base_url, user, password, path):
    """The answer of the API on a file."""
    session = requests.Session()
    # a token counts for an hour, and for any number of files: keep it if you have many
    token = post(session, f"{base_url}/api/Token", json={"username": user, "password": password})["accessToken"]
    headers = {"Authorization": f"Bearer {token}", "File-Name": quote(os.path.basename(path))}
    # an open file is sent as it is read: it need not fit into memory
    with open(path, "rb") as file:
        def from_the_beginning():
            file.seek(0)
            return file
        return post(session, f"{base_url}/api/Scan", headers=headers, data=from_the_beginning)


def main():
    if len(sys.argv) != 3 or not os.environ.get("LAZARET_USER") or not os.environ.get("LAZARET_PASSWORD"):
        print(__doc__.strip(), file=sys.stderr)
        return 2
    base_url, path = sys.argv[1].rstrip("/"), sys.argv[2]
    try:
        answer = scan(base_url, os.environ["LAZARET_USER"], os.environ["LAZARET_PASSWORD"], path)
    except (OSError, RuntimeError) as error:  # those of requests are OSErrors
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{path}: {answer['result']}")
    for found in answer["detectedInfections"]:
        # names of members come from whoever made the archive: ascii() shows what a terminal would obey
        print(f"  {ascii(found['infection'])} in {ascii(found['file'])}")
    if answer["errorMessage"]:
        print(f"  {ascii(answer['errorMessage'])}")
    # whatever is not Clean is not: also what nobody could read
    return {"Clean": 0, "Infected": 1, "InfectedAllowed": 1}.get(answer["result"], 2)


if __name__ == "__main__":
    sys.exit(main())
