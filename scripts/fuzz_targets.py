"""What scripts/fuzz.py tries: functions from bytes that may only return or raise UserError, and valid bytes."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import h11
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from digits.errors import UserError

_BETWEEN = b"\n----\n"
"""Stands between the files of an input that is several."""
_ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Target:
    """One function under test.

    ``function`` makes it, which may take a while; ``words`` are what its format has a meaning for.
    """

    seeds: Callable[[], list[bytes]]
    function: Callable[[], Callable[[bytes], None]]
    words: tuple[bytes, ...] = ()
    close: Callable[[], None] = lambda: None


def split(content: bytes) -> list[tuple[bytes, bytes]] | None:
    """The named parts of a PNG, of an archive or of several files; None for all else."""
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        chunks, place = [], 8
        while place + 8 <= len(content):
            length = int.from_bytes(content[place : place + 4], "big")
            chunks.append((content[place + 4 : place + 8], content[place + 8 : place + 8 + length]))
            place += 12 + length
        return chunks
    if content.startswith(b"PK"):
        with contextlib.suppress(zipfile.BadZipFile), zipfile.ZipFile(io.BytesIO(content)) as archive:
            return [(name.encode(), archive.read(name)) for name in archive.namelist()]
    if _BETWEEN in content:
        return [(b"", part) for part in content.split(_BETWEEN)]
    return None


def join(content: bytes, parts: list[tuple[bytes, bytes]]) -> bytes:
    """Parts made whole again, with the sums and lengths that the kind of ``content`` has."""
    if content.startswith(b"\x89PNG"):
        chunks = [
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
            for name, data in parts
        ]
        return content[:8] + b"".join(chunks)
    if content.startswith(b"PK"):
        file = io.BytesIO()
        with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(file, "w") as archive:  # names may come twice
            for name, data in parts:
                archive.writestr(name.decode(), data)
        return file.getvalue()
    return _BETWEEN.join(data for _, data in parts)


def _saved(picture: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def _drawn(side: int = 48) -> Image.Image:
    picture = Image.new("L", (side, side), 250)
    ImageDraw.Draw(picture).text((side // 3, 4), "7", fill=20, font=ImageFont.load_default(size=side // 2))
    return picture


def _pngs() -> list[bytes]:
    grey = _drawn()
    kinds = [
        grey,
        grey.convert("RGBA"),
        grey.convert("P"),
        grey.convert("1"),
        grey.convert("LA"),
        grey.resize((28, 28)),
    ]
    deep = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    animated = _saved(grey, "PNG", save_all=True, append_images=[grey.rotate(90), grey])
    return [*(_saved(picture, "PNG") for picture in [*kinds, deep]), animated]


def _other_pictures() -> list[bytes]:
    grey = _drawn()
    frames: dict[str, Any] = {"save_all": True, "append_images": [grey.rotate(90)]}
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "seven"
    made = [_saved(grey.convert(mode), "JPEG", exif=exif) for mode in ("L", "RGB", "CMYK")]
    made += [_saved(grey, "JPEG", progressive=True), _saved(grey, "WEBP", **frames), _saved(grey, "GIF", **frames)]
    made += [_saved(grey.convert(mode), "BMP") for mode in ("L", "1", "RGB")]
    made += [_saved(grey.convert("RGBA"), "WEBP", lossless=True), _saved(grey, "TIFF", **frames)]
    made += [_saved(grey, "TIFF", compression=kind) for kind in ("tiff_lzw", "tiff_adobe_deflate", "packbits")]
    return [*made, _saved(Image.fromarray(np.asarray(grey, dtype=np.float32) / 255), "TIFF")]


def _reader() -> Callable[[bytes], None]:
    from digits.recognition import LAYOUTS, Recognizer

    recognizer = Recognizer.pretrained()

    def read(content: bytes) -> None:
        for layout in LAYOUTS:
            page = recognizer.read(content, layout)
            json.dumps(page.as_json("picture", with_probabilities=True), allow_nan=False)

    return read


def _in_folder(names: tuple[str, ...], function: Callable[[Path], object]) -> Callable[[], Callable[[bytes], None]]:
    """A target on files of these names, in a folder of their own, which is what the function is given."""

    def make() -> Callable[[bytes], None]:
        folder = Path(tempfile.mkdtemp(prefix="digits-fuzz-"))

        def try_files(content: bytes) -> None:
            for name, part in zip(names, content.split(_BETWEEN), strict=False):
                (folder / name).write_bytes(part)
            function(folder)

        return try_files

    return make


def _load(source: str, folder: Path) -> None:
    import torch

    from digits.data import find_source

    digits = find_source(source).load(folder)
    for part in (digits.train, digits.test):
        if part is not None:
            part.gather(torch.arange(len(part)))


def _csvs() -> list[bytes]:
    names = ",".join(["label", *(f"pixel{number}" for number in range(784))])
    train = "\n".join([names, *(",".join([label, *["0", "255"] * 392]) for label in ("3", "7"))])
    test = "\n".join([names.partition(",")[2], ",".join(["128"] * 784)])
    quoted = train.replace("\n3,", '\n"a, b",')
    both = [train.encode() + _BETWEEN + test.encode(), quoted.encode("utf-16")]
    return [*both, b"\xef\xbb\xbf" + train.replace("\n", "\r\n").encode()]


def _npys() -> list[bytes]:
    def npy(values: np.ndarray) -> bytes:
        file = io.BytesIO()
        np.save(file, values)
        return file.getvalue()

    images = np.arange(3 * 784, dtype=np.uint8).reshape(3, 28, 28)
    labels = npy(np.array([3, 7, 1], np.uint8))
    return [npy(images) + _BETWEEN + labels, npy(np.asfortranarray(images)) + _BETWEEN + labels]


def _idx() -> Callable[[bytes], None]:
    """Our four files, of which one is altered after its sum was published, as on a disk that fails."""
    from digits.data.sources.idx import IdxSource, _PublishedFile

    folder = Path(tempfile.mkdtemp(prefix="digits-fuzz-"))
    good = [gzip.compress(part) for part in _idxs()[0].split(_BETWEEN)] * 2
    files = [_PublishedFile(f"part{number}.gz", (), hashlib.md5(part).hexdigest()) for number, part in enumerate(good)]
    names = tuple(file.name for file in files)
    source = IdxSource("fuzzed", "Fuzzed", lambda: files, names)  # type: ignore[arg-type]
    (folder / "Fuzzed" / "raw").mkdir(parents=True)

    def load(content: bytes) -> None:
        first, *_ = content.split(_BETWEEN)
        for name, part in zip(names, [gzip.compress(first), *good[1:]], strict=True):
            (folder / "Fuzzed" / "raw" / name).write_bytes(part)
        source.load(folder)

    return load


def _idxs() -> list[bytes]:
    images = struct.pack(">4B3I", 0, 0, 8, 3, 2, 28, 28) + bytes(range(256)) * 6 + bytes(32)
    return [images + _BETWEEN + struct.pack(">4BI", 0, 0, 8, 1, 2) + b"\3\7"]


def _small_mlp() -> Any:
    import torch

    from digits.models import MLP

    torch.manual_seed(0)
    return MLP(hidden=[1])


def _checkpoints() -> list[bytes]:
    import torch

    from digits.models.checkpoints import describe_network

    model = _small_mlp()
    about = describe_network(model)
    config = {"model": {"class_path": about["class_path"], "init_args": about["hyper_parameters"]}}
    content = {"hyper_parameters": about["hyper_parameters"], "state_dict": model.state_dict()}
    file = io.BytesIO()
    torch.save(content | {"digits_config": config, "epoch": 1}, file)
    return [file.getvalue()]


def _portables() -> list[bytes]:
    """The JSON, and the weights with the length of their head before it (where it says ``?``, whatever it is)."""
    from digits.models import save_portable

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.safetensors"
        save_portable(_small_mlp(), path, {"accuracy": 0.5})
        about, weights = path.with_suffix(".json").read_bytes(), path.read_bytes()
    length = int.from_bytes(weights[:8], "little")
    parts = [weights[8 : 8 + length], weights[8 + length :]]
    return [_BETWEEN.join([about, first, *parts]) for first in (b"?", weights[:8])]


def _open_portable(folder: Path) -> None:
    from digits.models import open_model

    length, head = (folder / "length").read_bytes(), (folder / "head").read_bytes()
    length = struct.pack("<Q", len(head)) if length == b"?" else length
    (folder / "m.safetensors").write_bytes(length + head + (folder / "data").read_bytes())
    open_model(folder / "m.safetensors")


def _answer(name: str, folder: Path) -> None:
    from digits.recognition import Recognizer

    Recognizer.from_checkpoint(folder / name).read(np.eye(28))


def _onnxes() -> list[bytes]:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weights = numpy_helper.from_array(np.ones((1, 10), np.float32), "weights")
    shape = numpy_helper.from_array(np.array([-1, 1]), "shape")
    nodes = [
        helper.make_node("GlobalAveragePool", ["images"], ["grey"]),
        helper.make_node("Reshape", ["grey", "shape"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["logits"]),
    ]
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["N", 1, 28, 28])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 10])
    graph = helper.make_graph(nodes, "g", [images], [logits], [weights, shape])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    about = {"input": "float32", "output": "logits", "class_names": list("0123456789")}
    helper.set_model_props(model, {"digits": json.dumps(about)})
    onnx.checker.check_model(model)
    return [model.SerializeToString()]


def _yamls() -> list[bytes]:
    anchors = b"a: &a [1, 2.5, null, x]\nb: {c: *a, <<: {d: 2026-01-01}}\n"
    return [*(path.read_bytes() for path in sorted((_ROOT / "configs").glob("*.yaml"))), anchors]


def _configure(folder: Path) -> None:
    from digits.__main__ import main

    said, complaints = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(complaints):
        try:
            status = main(["fit", "--config", str(folder / "c.yaml"), "--print_config"])
        except SystemExit as end:
            status = int(end.code or 0)
    if status not in (0, 2):
        raise AssertionError(f"exit status {status}")
    if status == 2:
        raise UserError(complaints.getvalue().removesuffix("\n"))


_SERVICE: list[tuple[subprocess.Popen[str], tuple[str, int]]] = []
_SECURE = (b"content-security-policy", b"x-content-type-options", b"referrer-policy", b"cross-origin-resource-policy")


def serve() -> tuple[str, int]:
    """The address of a service that is started for the search."""
    command = [sys.executable, "-m", "digits", "serve", "--port", "0"]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"PYTHONPATH": str(_ROOT)},
    )
    assert process.stdout is not None
    address = ("127.0.0.1", int(process.stdout.readline().split()[0].rpartition(":")[2]))
    _SERVICE.append((process, address))
    while True:
        with contextlib.suppress(OSError):
            socket.create_connection(address).close()
            return address
        time.sleep(0.1)


def _stop_serving() -> None:
    for process, _ in _SERVICE:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def _requests() -> list[bytes]:
    picture, host = _pngs()[5], b" HTTP/1.1\r\nHost: localhost\r\n"
    post = b"POST /v1/recognize?layout=digit&probabilities=true" + host + b"Content-Type: image/png\r\n"
    length = b"Content-Length: %d\r\n\r\n"
    form = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--x\r\n'
    form += (
        b'Content-Disposition: form-data; name="file"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n'
        + picture
        + b"\r\n--x--\r\n"
    )
    typed = post.replace(b"image/png", b'multipart/form-data; boundary="x"')
    chunks = b"".join(b"%x;a=b\r\n" % len(part) + part + b"\r\n" for part in (picture[:50], picture[50:]))
    health = b"GET /health" + host + b"\r\n"
    return [
        health,
        health * 3,
        b"HEAD /docs" + host + b"Connection: close\r\n\r\n",
        b"OPTIONS *" + host + b"Origin: http://localhost\r\nSec-Fetch-Site: same-origin\r\n\r\n",
        b"GET /page/style.css" + host + b'Range: bytes=0-3, 7-9\r\nIf-None-Match: "x"\r\nIf-Range: x\r\n\r\n',
        b"GET /swagger/../page/%2e%2e/app.py HTTP/1.0\r\n\r\n",
        b"GET /openapi.json" + host + b"Accept-Encoding: gzip\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        post + length % len(picture) + picture,
        post + b"Expect: 100-continue\r\n" + length % len(picture) + picture,
        typed + length % len(form) + form,
        post + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\nT: x\r\n\r\n" + health,
    ]


def _due(content: bytes) -> bool:
    """Whether HTTP has an answer to this: a whole request, or what is none."""
    if not content:
        return False
    parser = h11.Connection(h11.SERVER, max_incomplete_event_size=16_384)
    parser.receive_data(content)
    try:
        while (event := parser.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
            if isinstance(event, h11.EndOfMessage):
                return True
    except h11.RemoteProtocolError:
        return True
    return False


def _answers(connection: socket.socket, method: bytes) -> Iterator[Any]:
    parser = h11.Connection(h11.CLIENT)
    parser.send(h11.Request(method=method, target="/", headers=[("Host", "x")]))
    parser.send(h11.EndOfMessage())
    while True:
        event = parser.next_event()
        if event is h11.NEED_DATA:
            parser.receive_data(connection.recv(65536))
        elif isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
            return
        else:
            yield event


def _asker() -> Callable[[bytes], None]:
    address = serve()

    def ask(content: bytes) -> None:
        is_due = _due(content)
        with socket.create_connection(address, timeout=40) as connection:
            connection.sendall(content)
            if not is_due:
                return
            try:
                events = list(_answers(connection, b"HEAD" if content.startswith(b"HEAD ") else b"GET"))
            except (h11.RemoteProtocolError, OSError) as error:
                raise AssertionError(f"no whole answer ({type(error).__name__})") from None
        answer = next((event for event in events if isinstance(event, h11.Response)), None)
        assert answer is not None, "no answer"
        assert answer.status_code < 500 or answer.status_code == 503, f"status {answer.status_code}"
        headers = dict(answer.headers)
        assert all(name in headers for name in _SECURE), "no security headers"
        body = b"".join(bytes(event.data) for event in events if isinstance(event, h11.Data))
        if answer.status_code >= 400 and not content.startswith(b"HEAD "):
            assert headers[b"content-type"] == b"application/json", f"{answer.status_code} is no JSON"
            assert json.loads(body)["error"], "an error without words"

    return ask


_PICKLE = (
    b"\x80\x02",
    b"cos\nsystem\n",
    b"ctorch._utils\n_rebuild_tensor_v2\n",
    b"Q.",
    b"(",
    b"t",
    b"R",
    b"}",
    b"]",
    b"q\0",
)
_HTTP = (
    b"\r\n",
    b"\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Content-Length: 3\r\n",
    b"%00",
    b"%2e%2e/",
    b"Host: a\r\n",
    b"Expect: 100-continue\r\n",
    b"Content-Encoding: gzip\r\n",
    b"0\r\n\r\n",
    b"\xff",
    b"HTTP/1.0",
    b"HTTP/2.0",
    b"http://x/",
    b"?layout=page&layout=\xf0",
    b"--x",
    b"filename*=utf-8''a%00",
    b";boundary=",
    b"Range: bytes=-1\r\n",
    b"HEAD",
    b"TRACE",
)
_YAML = (
    b"\n  ",
    b": ",
    b"- ",
    b"&a ",
    b"*a",
    b"!!python/name:os.system ",
    b"!!set ",
    b"<<: ",
    b"? ",
    b"| ",
    b"%YAML 9",
    b"---\n",
    b"\t",
    b"\0",
)

TARGETS = {
    "png": Target(_pngs, _reader, (b"IDAT", b"acTL", b"fcTL", b"iCCP", b"tRNS", b"zTXt", b"PLTE", b"eXIf")),
    "pictures": Target(
        _other_pictures, _reader, (b"\xff\xd8", b"\xff\xda", b"\xff\xc4", b"\xff\xd9", b"\x21\xf9", b"ANMF")
    ),
    "csv": Target(
        _csvs, _in_folder(("train.csv", "test.csv"), partial(_load, "csv")), (b",", b'"', b"\n", b"\r", b"\0")
    ),
    "npy": Target(_npys, _in_folder(("train-images.npy", "train-labels.npy"), partial(_load, "memmap"))),
    "idx": Target(_idxs, _idx),
    "checkpoint": Target(_checkpoints, _in_folder(("m.ckpt",), partial(_answer, "m.ckpt")), _PICKLE),
    "weights": Target(_portables, _in_folder(("m.json", "length", "head", "data"), _open_portable)),
    "onnx": Target(_onnxes, _in_folder(("m.onnx",), partial(_answer, "m.onnx"))),
    "yaml": Target(_yamls, _in_folder(("c.yaml",), _configure), _YAML),
    "http": Target(_requests, _asker, _HTTP, _stop_serving),
}
"""By name."""
