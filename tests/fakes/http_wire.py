"""Answers as cpp-httplib writes them: the head first, then the body, so that each arrives on its own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio


async def send(writer: asyncio.StreamWriter, status: int, content_type: str, body: bytes) -> None:
    writer.write(
        f"HTTP/1.1 {status} X\r\nAccess-Control-Allow-Origin: *\r\nContent-Length: {len(body)}\r\n"
        f"Content-Type: {content_type}\r\nKeep-Alive: timeout=5, max=5\r\n\r\n".encode()
    )
    await writer.drain()
    writer.write(body)
    await writer.drain()


async def send_json(writer: asyncio.StreamWriter, body: object) -> None:
    await send(writer, 200, "application/json", json.dumps(body).encode())


async def send_head(writer: asyncio.StreamWriter) -> None:
    writer.write(
        b"HTTP/1.1 200 OK\r\nAccess-Control-Allow-Origin: *\r\nTransfer-Encoding: chunked\r\n"
        b"Content-Type: text/event-stream\r\n\r\n"
    )
    await writer.drain()


async def send_event(writer: asyncio.StreamWriter, event: object) -> None:
    data = b"data: " + json.dumps(event, ensure_ascii=False).encode() + b"\n\n"
    writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
    await writer.drain()


async def end_chunks(writer: asyncio.StreamWriter) -> None:
    writer.write(b"0\r\n\r\n")
    await writer.drain()
