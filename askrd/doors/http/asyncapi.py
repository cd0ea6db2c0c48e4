"""`/asyncapi.json`: what the services offer right now, as an AsyncAPI 3 document."""

from __future__ import annotations

import re

from askrd.doors.http.answer import Answer, json_answer
from askrd.doors.http.request import Request
from askrd.doors.http.schemas import Schemas
from askrd.version import VERSION
from askrd.wire.bodies import Json
from askrd.wire.errors import AskrError

SPECIFICATION = "3.0.0"
_NOT_ID = re.compile(r"[^A-Za-z0-9_\-]")


async def asyncapi(request: Request) -> Answer:
    """Describes every service of the workspace.

    Raises:
        AskrError: the daemon could not say.
    """
    document = Document(request)
    rows = await request.guest.ask("$askr.services")
    for service in dict.fromkeys(row["service"] for row in rows):
        try:
            document.add(await request.guest.ask("$askr.describe", {"target": service}))
        except AskrError:
            continue  # It left a moment ago.
    return json_answer(document.finish(), headers={"cache-control": "no-cache"})


class Document:
    """An AsyncAPI document in the making."""

    def __init__(self, request: Request) -> None:
        """Begins with the daemon itself, as the request reached it."""
        host = request.header("x-forwarded-host") or request.header("host") or "localhost"
        is_secure = request.header("x-forwarded-proto").lower() == "https"
        server = {"host": host, "protocol": "https" if is_secure else "http"}
        if request.prefix:
            server["pathname"] = request.prefix
        self._servers = {"askrd": server}
        self._channels: dict[str, Json] = {}
        self._operations: dict[str, Json] = {}
        self._schemas = Schemas()
        self._names: dict[str, tuple[str, str]] = {}

    def _id(self, kind: str, name: str) -> str:
        """Returns the key of something; the commands `a.b_c` and `a_b.c` have two."""
        id_ = _key(name)
        while self._names.setdefault(id_, (kind, name)) != (kind, name):
            id_ += "-"
        return id_

    def add(self, service: Json) -> None:
        """Takes in one service as `$askr.describe` shows it."""
        name = service["target"]
        for command in service["commands"]:
            self._add_command(name, command)
        for event in service["emits"]:
            self._add_event(name, event, "send")
        for event in service["listens"]:
            self._add_event(name, event, "receive")

    def _add_command(self, service: str, command: Json) -> None:
        address = f"{service}.{command['name']}"
        id_ = self._id("command", address)
        request = self._message(f"{address}.request", command["request"])
        response = self._message(f"{address}.response", command["response"])
        self._channels[id_] = {
            "address": f"call/{address}",
            "title": address,
            "messages": {"request": request, "response": response},
        } | _described(command["doc"])
        channel = {"$ref": f"#/channels/{id_}"}
        self._operations[id_] = {
            "action": "receive",
            "channel": channel,
            "messages": [{"$ref": f"#/channels/{id_}/messages/request"}],
            "reply": {
                "channel": channel,
                "messages": [{"$ref": f"#/channels/{id_}/messages/response"}],
            },
        } | _described(command["doc"])

    def _add_event(self, service: str, event: Json, action: str) -> None:
        subject = event["event"]
        id_ = self._id("event", f"event.{subject}")
        known = self._channels.get(id_)
        if known is None or event["schema"] is not None:
            self._channels[id_] = {
                "address": f"listen/{subject}",
                "title": subject,
                "messages": {"event": self._message(f"event.{subject}", event["schema"])},
            } | _described(event["doc"])
        self._operations[self._id("operation", f"{service}.{action}.{subject}")] = {
            "action": action,
            "channel": {"$ref": f"#/channels/{id_}"},
        }

    def _message(self, name: str, schema: Json) -> Json:
        message: dict[str, Json] = {"name": name, "contentType": "application/json"}
        if schema is not None:
            message["payload"] = self._schemas.place(self._id("schema", name), schema)
        return message

    def finish(self) -> Json:
        """Returns the document."""
        document = {
            "asyncapi": SPECIFICATION,
            "info": {
                "title": "askrd",
                "version": VERSION,
                "description": "The services of one workspace, as they are registered now.",
            },
            "defaultContentType": "application/json",
            "servers": self._servers,
            "channels": self._channels,
            "operations": self._operations,
        }
        if self._schemas.placed:
            document["components"] = {"schemas": self._schemas.placed}
        return document


def _described(doc: str) -> dict[str, str]:
    return {"description": doc} if doc else {}


def _key(name: str) -> str:
    """Returns a name as a key of the document: `*` and `.` are no letters of one."""
    return _NOT_ID.sub(lambda found: "_" if found[0] == "." else f"-{ord(found[0]):x}-", name)
