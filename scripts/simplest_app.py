"""The simplest service around a Recognizer, to compare ``serve`` with: plain FastAPI and uvicorn, without any limit.

python scripts/simplest_app.py PORT
"""

from __future__ import annotations

import sys
from typing import Any

import uvicorn
from fastapi import FastAPI, Request

from digits import Recognizer

app = FastAPI()
recognizer = Recognizer.pretrained()


@app.post("/v1/recognize")
async def recognize(request: Request) -> dict[str, Any]:
    """Read the picture in the body."""
    return recognizer.read(await request.body()).as_json("picture")


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), access_log=False, log_level="error")
