"""The picture in a body."""

from __future__ import annotations

import logging

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from digits.errors import UserError

_MOST_PARTS = 20

logging.getLogger("python_multipart").setLevel(logging.CRITICAL)  # whoever sends torn forms would fill the log


def picture_of(content_type: str, body: bytes) -> tuple[str, bytes]:
    """The name and the bytes of the picture in a body: the first file of a form, or the body itself.

    Raises UserError where a form holds no whole file, more than 20 parts up to it, or cannot be read. What comes after
    the file is not looked at.
    """
    kind, options = parse_options_header(content_type)
    if kind != b"multipart/form-data":
        return "picture", body
    form = _Form()
    try:
        MultipartParser(options.get(b"boundary", b""), form.callbacks()).write(body)  # type: ignore[arg-type]
    except _FoundError:
        return form.name or "picture", bytes(form.content)
    except FormParserError as error:
        raise UserError(f"the form cannot be read: {error}") from None
    if form.name is not None:
        raise UserError("the form ends before its file does")
    raise UserError("the form holds no file; send a picture as the field `file`, or as the body itself")


class _FoundError(Exception):
    """The first file is complete."""


class _Form:
    """Keeps the first file of a form, and counts the parts up to it. (The parser itself limits the parts' headers.)"""

    def __init__(self) -> None:
        self.name: str | None = None
        self.content = bytearray()
        self._parts = 0
        self._field, self._value = bytearray(), bytearray()

    def callbacks(self) -> dict[str, object]:
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._take_field,
            "on_header_value": self._take_value,
            "on_header_end": self._end_header,
            "on_part_data": self._take_data,
            "on_part_end": self._end,
        }

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > _MOST_PARTS:
            raise UserError(f"the form has more than {_MOST_PARTS} fields; send a picture as the field `file`")

    def _take_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _take_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        if self._field.lower() == b"content-disposition":
            _, options = parse_options_header(bytes(self._value))
            if b"filename" in options:
                self.name = options[b"filename"].decode("utf-8", "replace")
        self._field.clear()
        self._value.clear()

    def _take_data(self, data: bytes, start: int, end: int) -> None:
        if self.name is not None:
            self.content += data[start:end]

    def _end(self) -> None:
        if self.name is not None:
            raise _FoundError
