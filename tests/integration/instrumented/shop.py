"""A shop that knows nothing of OpenTelemetry: `GET /order/ID` asks its own `/stock/ID`, which asks a database."""

from __future__ import annotations

import logging
import sqlite3
import sys

import flask
import requests

app = flask.Flask("shop")
logger = logging.getLogger("shop")
logging.getLogger("werkzeug").setLevel(logging.ERROR)
PORT = int(sys.argv[1])


@app.get("/order/<int:number>")
def order(number: int) -> dict[str, object]:
    """Order something."""
    left = requests.get(f"http://127.0.0.1:{PORT}/stock/{number}", timeout=10).json()["left"]
    logger.warning("ordered %s", number)
    return {"ordered": number, "left": left}


@app.get("/stock/<int:number>")
def stock(number: int) -> dict[str, int]:
    """Say how many there are."""
    connection = sqlite3.connect(":memory:")
    try:
        cursor = connection.cursor()
        cursor.execute("SELECT ? * 2", (number,))
        return {"left": cursor.fetchone()[0]}
    finally:
        connection.close()


if __name__ == "__main__":
    app.run("127.0.0.1", PORT, threaded=True)
