"""Downloads from a server in this process, which has one of several faults."""

import fcntl
import hashlib
import http.server
import io
import os
import pathlib
import socket
import threading
import zipfile

import pytest

from rnnjax.text import corpus, fetch

PROSE = b" " + b"anarchism originated as a term of abuse " * 100 + b"first us"


def zipped(text):
    """A .zip with one file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("text8", text)
    return buffer.getvalue()


DATA = zipped(PROSE)
HALF = len(DATA) // 2


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers with `server.data`; `server.fault` is what goes wrong.

    `server.ranges` collects the Range header of each request.
    """

    def do_GET(self):
        server, data = self.server, self.server.data
        server.ranges.append(self.headers["Range"])
        wanted = self.headers["Range"] or "bytes=0-"
        offset = int(wanted.removeprefix("bytes=").removesuffix("-"))
        if server.fault == "nothing":
            self.send_error(404)
            return
        if server.fault == "nonsense":
            self.wfile.write(b"nonsense\r\n\r\n")
            return
        if server.fault == "no range":
            offset = 0
        self.send_response(206 if offset else 200)
        if server.fault != "no length":
            self.send_header("Content-Length", str(len(data) - offset))
        self.end_headers()
        body = data[offset:]
        first = len(server.ranges) == 1
        if server.fault == "cut" or (
            server.fault in ("cut once", "stalls once") and first
        ):
            body = data[offset:HALF]
        self.wfile.write(body)
        if server.fault == "stalls once" and first:
            server.released.wait(10)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.data, server.fault, server.ranges = DATA, "none", []
        server.released = threading.Event()
        thread = threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.01}
        )
        thread.start()
        yield server
        server.released.set()
        server.shutdown()
        thread.join()


def source(server, data=DATA):
    return fetch.Source(
        f"http://127.0.0.1:{server.server_port}/dc/text8.zip",
        len(data),
        hashlib.sha256(data).hexdigest(),
    )


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def error_line(*arguments):
    """The message of the FetchError: one line that says what to do."""
    with pytest.raises(fetch.FetchError) as caught:
        fetch.fetch(*arguments)
    message = str(caught.value)
    assert "\n" not in message and message == caught.value.strerror
    assert str(arguments[1]) in message and arguments[0].url in message
    return message


@pytest.mark.parametrize("fault", ["none", "no range", "no length"])
def test_a_file_is_fetched_once_and_used_without_a_network(
    server, tmp_path, fault, monkeypatch
):
    server.fault = fault
    monkeypatch.setattr(fetch, "READ_SIZE", 1000)
    fractions = []
    path = fetch.fetch(source(server), tmp_path / "new" / "folder", fractions.append)
    assert path == tmp_path / "new" / "folder" / "text8.zip"
    assert path.read_bytes() == DATA
    assert fractions == sorted(fractions) and len(fractions) > 3 and fractions[-1] == 1
    assert names(path.parent) == ["text8.zip"]
    assert fetch.fetch(source(server), path.parent) == path
    assert server.ranges == [None]


@pytest.mark.parametrize("fault", ["cut once", "stalls once"])
def test_an_interrupted_transfer_is_resumed(server, tmp_path, fault, monkeypatch):
    server.fault = fault
    monkeypatch.setattr(fetch, "TIMEOUT", 0.2)
    assert fetch.fetch(source(server), tmp_path).read_bytes() == DATA
    assert server.ranges == [None, f"bytes={HALF}-"]


def test_bytes_of_an_earlier_call_are_not_requested_again(server, tmp_path):
    server.fault = "cut"
    message = error_line(source(server), tmp_path)
    assert (
        "text8.zip is missing and could not be fetched (the connection was cut)"
        in message
    )
    assert (tmp_path / "text8.zip.part").read_bytes() == DATA[:HALF]
    server.fault, server.ranges = "none", []
    fractions = []
    assert fetch.fetch(source(server), tmp_path, fractions.append).read_bytes() == DATA
    assert server.ranges == [f"bytes={HALF}-"]
    assert min(fractions) > 0.5
    assert names(tmp_path) == ["text8.zip"]


def test_a_complete_part_needs_no_network(server, tmp_path):
    (tmp_path / "text8.zip.part").write_bytes(DATA)
    assert fetch.fetch(source(server), tmp_path).read_bytes() == DATA
    assert server.ranges == []


def test_a_server_without_ranges_starts_over(server, tmp_path, monkeypatch):
    server.fault = "no range"
    monkeypatch.setattr(fetch, "READ_SIZE", 1000)
    (tmp_path / "text8.zip.part").write_bytes(b"x" * HALF)
    fractions = []
    assert fetch.fetch(source(server), tmp_path, fractions.append).read_bytes() == DATA
    assert server.ranges == [f"bytes={HALF}-"]
    assert fractions[0] < 0.5 and fractions[-1] == 1


def test_a_file_with_the_wrong_checksum_is_deleted(server, tmp_path):
    server.data = DATA[:-1] + b"x"
    assert "the wrong SHA-256" in error_line(source(server), tmp_path)
    assert names(tmp_path) == []
    server.data = DATA
    assert fetch.fetch(source(server), tmp_path).read_bytes() == DATA


@pytest.mark.parametrize("data", [DATA[:-100], DATA + b"x" * 100])
def test_a_file_of_another_length_is_error_line(server, tmp_path, data):
    server.data = data
    assert (
        f"the server has {len(data)} bytes, and it should have {len(DATA)}"
        in error_line(source(server), tmp_path)
    )
    server.fault = "no length"
    message = error_line(source(server), tmp_path)
    assert (
        "the connection was cut" if len(data) < len(DATA) else "the wrong SHA-256"
    ) in message
    assert "text8.zip" not in names(tmp_path)


def test_no_more_is_received_than_the_file_should_have(server, tmp_path, monkeypatch):
    monkeypatch.setattr(fetch, "READ_SIZE", 1000)
    server.fault, server.data = "no length", DATA + b"x" * 100_000
    fractions = []
    assert "the wrong SHA-256" in error_line(source(server), tmp_path, fractions.append)
    assert fractions[-1] == 1 and fractions.count(1) < 10


def test_a_file_that_is_there_needs_no_writing(server, tmp_path):
    (tmp_path / "text8.zip").write_bytes(DATA)
    (tmp_path / "text8.zip.part").mkdir()
    assert fetch.fetch(source(server), tmp_path) == tmp_path / "text8.zip"
    assert server.ranges == []


def test_a_missing_page_and_no_network_are_reported_in_one_line(server, tmp_path):
    server.fault = "nothing"
    assert "(the server says 404 Not Found)" in error_line(source(server), tmp_path)
    server.fault = "nonsense"
    assert "BadStatusLine" in error_line(source(server), tmp_path)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        message = error_line(
            fetch.Source(f"http://127.0.0.1:{port}/text8.zip", 9, "0" * 64), tmp_path
        )
    assert "Connection refused" in message
    assert (
        f"put http://127.0.0.1:{port}/text8.zip there by hand, or set RNNJAX_DATA_DIR"
        in message
    )


@pytest.mark.parametrize("damaged", [DATA[:-1], DATA[:-1] + b"x", DATA + b"x", b""])
def test_a_damaged_file_is_replaced_or_else_named(server, tmp_path, damaged):
    (tmp_path / "text8.zip").write_bytes(damaged)
    server.fault = "nothing"
    assert "text8.zip is damaged and could not be fetched" in error_line(
        source(server), tmp_path
    )
    assert (tmp_path / "text8.zip").read_bytes() == damaged
    server.fault = "none"
    assert fetch.fetch(source(server), tmp_path).read_bytes() == DATA


def test_a_folder_that_cannot_be_made_is_named(server, tmp_path):
    (tmp_path / "file").write_text("")
    assert "is missing and could not be fetched" in error_line(
        source(server), tmp_path / "file" / "folder"
    )
    assert server.ranges == []


@pytest.mark.parametrize("renamed", [True, False])
def test_a_second_process_waits_and_uses_what_the_first_one_fetched(
    server, tmp_path, renamed
):
    part = tmp_path / "text8.zip.part"
    paths = []
    second = threading.Thread(
        target=lambda: paths.append(fetch.fetch(source(server), tmp_path))
    )
    with part.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        second.start()
        second.join(0.3)
        assert second.is_alive()
        if renamed:
            file.write(DATA)
            file.flush()
            part.replace(tmp_path / "text8.zip")
        else:
            (tmp_path / "text8.zip").write_bytes(DATA)
    second.join(10)
    assert paths == [tmp_path / "text8.zip"]
    assert server.ranges == []
    assert (tmp_path / "text8.zip").read_bytes() == DATA
    assert names(tmp_path) == ["text8.zip"]


def test_the_folder_is_the_named_one_or_the_cache(monkeypatch, tmp_path):
    for name in ("RNNJAX_DATA_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    assert fetch.default_folder() == pathlib.Path.home() / ".cache" / "rnnjax"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert fetch.default_folder() == tmp_path / "rnnjax"
    monkeypatch.setenv("RNNJAX_DATA_DIR", "~/texts")
    assert fetch.default_folder() == pathlib.Path.home() / "texts"
    monkeypatch.setenv("RNNJAX_DATA_DIR", "")
    assert fetch.default_folder() == tmp_path / "rnnjax"


def test_text8_is_read_as_any_reduced_text(server, tmp_path, monkeypatch):
    monkeypatch.setattr(fetch, "TEXT8", source(server))
    monkeypatch.setenv("RNNJAX_DATA_DIR", str(tmp_path))
    corpus.clear_cache()
    text = corpus.read("text8")
    assert names(tmp_path) == ["text8.zip"]
    assert (
        "".join(" abcdefghijklmnopqrstuvwxyz"[k] for k in text).encode()
        == PROSE.strip()
    )
    assert corpus.digest("text8") == corpus.digest(os.fspath(tmp_path / "text8.zip"))
    corpus.clear_cache()
    server.fault = "nothing"
    monkeypatch.setenv("RNNJAX_DATA_DIR", str(tmp_path / "elsewhere"))
    with pytest.raises(
        OSError, match="elsewhere/text8.zip is missing and could not be fetched"
    ):
        corpus.read("text8")


def test_a_named_folder_goes_before_the_default_one(server, tmp_path, monkeypatch):
    monkeypatch.setattr(fetch, "TEXT8", source(server))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("RNNJAX_DATA_DIR", str(tmp_path / "default"))
    corpus.clear_cache()
    text = corpus.read("text8", "~/named")
    assert names(tmp_path) == ["named"]
    assert len(server.ranges) == 1
    assert corpus.read("text8", "~/named") is text
    digest = corpus.digest("text8", "~/named")
    assert corpus.digest("text8") == digest
    assert names(tmp_path) == ["default", "named"]
    assert corpus.read("text8") is corpus.read("text8", str(tmp_path / "default"))
    assert len(server.ranges) == 2
    corpus.clear_cache()


def test_text8_is_the_published_file():
    assert fetch.TEXT8.name == "text8.zip"
    assert (fetch.TEXT8.size, len(fetch.TEXT8.sha256)) == (31_344_016, 64)
