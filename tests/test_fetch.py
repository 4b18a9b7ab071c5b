"""Fetching, from a server in this process that has a file's bytes and one of several bad habits."""

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


def packed(text):
    """A .zip with one file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("text8", text)
    return buffer.getvalue()


DATA = packed(PROSE)
HALF = len(DATA) // 2


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers with `server.data`; `server.habit` says what is wrong with it."""

    def do_GET(self):
        server, data = self.server, self.server.data
        server.asked.append(self.headers["Range"])
        begin = (
            int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
            if self.headers["Range"]
            else 0
        )
        if server.habit == "nothing":
            self.send_error(404)
            return
        if server.habit == "nonsense":
            self.wfile.write(b"nonsense\r\n\r\n")
            return
        if server.habit == "no range":
            begin = 0
        self.send_response(206 if begin else 200)
        if server.habit != "no length":
            self.send_header("Content-Length", str(len(data) - begin))
        self.end_headers()
        body = data[begin:]
        first = len(server.asked) == 1
        if server.habit == "cut" or (
            server.habit in ("cut once", "stalls once") and first
        ):
            body = data[begin:HALF]
        self.wfile.write(body)
        if server.habit == "stalls once" and first:
            server.tested.wait(10)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.data, server.habit, server.asked, server.tested = (
            DATA,
            "none",
            [],
            threading.Event(),
        )
        thread = threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.01}
        )
        thread.start()
        yield server
        server.tested.set()
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


def refused(*arguments):
    """The one line of the error, which says what to do."""
    with pytest.raises(fetch.FetchError) as caught:
        fetch.fetch(*arguments)
    message = str(caught.value)
    assert "\n" not in message and message == caught.value.strerror
    assert str(arguments[1]) in message and arguments[0].url in message
    return message


@pytest.mark.parametrize("habit", ["none", "no range", "no length"])
def test_a_file_is_fetched_once_and_used_without_a_network(
    server, tmp_path, habit, monkeypatch
):
    server.habit = habit
    monkeypatch.setattr(fetch, "PIECE", 1000)
    shares = []
    path = fetch.fetch(source(server), tmp_path / "new" / "folder", shares.append)
    assert path == tmp_path / "new" / "folder" / "text8.zip"
    assert path.read_bytes() == DATA
    assert shares == sorted(shares) and len(shares) > 3 and shares[-1] == 1
    assert names(path.parent) == ["text8.zip"]
    assert fetch.fetch(source(server), path.parent) == path
    assert server.asked == [None]


@pytest.mark.parametrize("habit", ["cut once", "stalls once"])
def test_a_transfer_that_was_cut_goes_on(server, tmp_path, habit, monkeypatch):
    server.habit = habit
    monkeypatch.setattr(fetch, "PATIENCE", 0.2)
    assert fetch.fetch(source(server), tmp_path).read_bytes() == DATA
    assert server.asked == [None, f"bytes={HALF}-"]


def test_what_an_earlier_call_received_is_not_asked_for_again(server, tmp_path):
    server.habit = "cut"
    message = refused(source(server), tmp_path)
    assert (
        "text8.zip is missing and could not be fetched (the connection was cut)"
        in message
    )
    assert (tmp_path / "text8.zip.part").read_bytes() == DATA[:HALF]
    server.habit, server.asked = "none", []
    shares = []
    assert fetch.fetch(source(server), tmp_path, shares.append).read_bytes() == DATA
    assert server.asked == [f"bytes={HALF}-"]
    assert min(shares) > 0.5
    assert names(tmp_path) == ["text8.zip"]


def test_a_whole_part_needs_no_network(server, tmp_path):
    (tmp_path / "text8.zip.part").write_bytes(DATA)
    assert fetch.fetch(source(server), tmp_path).read_bytes() == DATA
    assert server.asked == []


def test_a_server_without_ranges_starts_over(server, tmp_path, monkeypatch):
    server.habit = "no range"
    monkeypatch.setattr(fetch, "PIECE", 1000)
    (tmp_path / "text8.zip.part").write_bytes(b"x" * HALF)
    shares = []
    assert fetch.fetch(source(server), tmp_path, shares.append).read_bytes() == DATA
    assert server.asked == [f"bytes={HALF}-"]
    assert shares[0] < 0.5 and shares[-1] == 1


def test_another_file_of_the_same_length_is_thrown_away(server, tmp_path):
    server.data = DATA[:-1] + b"x"
    assert "the wrong SHA-256" in refused(source(server), tmp_path)
    assert names(tmp_path) == []
    server.data = DATA
    assert fetch.fetch(source(server), tmp_path).read_bytes() == DATA


@pytest.mark.parametrize("data", [DATA[:-100], DATA + b"x" * 100])
def test_a_file_of_another_length_is_refused(server, tmp_path, data):
    server.data = data
    assert (
        f"the server has {len(data)} bytes, and it should have {len(DATA)}"
        in refused(source(server), tmp_path)
    )
    server.habit = "no length"
    message = refused(source(server), tmp_path)
    assert (
        "the connection was cut" if len(data) < len(DATA) else "the wrong SHA-256"
    ) in message
    assert "text8.zip" not in names(tmp_path)


def test_no_more_is_received_than_the_file_should_have(server, tmp_path, monkeypatch):
    monkeypatch.setattr(fetch, "PIECE", 1000)
    server.habit, server.data = "no length", DATA + b"x" * 100_000
    shares = []
    assert "the wrong SHA-256" in refused(source(server), tmp_path, shares.append)
    assert shares[-1] == 1 and shares.count(1) < 10


def test_a_file_that_is_there_needs_no_writing(server, tmp_path):
    (tmp_path / "text8.zip").write_bytes(DATA)
    (tmp_path / "text8.zip.part").mkdir()
    assert fetch.fetch(source(server), tmp_path) == tmp_path / "text8.zip"
    assert server.asked == []


def test_a_missing_page_and_no_network_are_said_in_one_line(server, tmp_path):
    server.habit = "nothing"
    assert "(the server says 404 Not Found)" in refused(source(server), tmp_path)
    server.habit = "nonsense"
    assert "BadStatusLine" in refused(source(server), tmp_path)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        message = refused(
            fetch.Source(f"http://127.0.0.1:{port}/text8.zip", 9, "0" * 64), tmp_path
        )
    assert "Connection refused" in message
    assert (
        f"put http://127.0.0.1:{port}/text8.zip there by hand, or set RNNJAX_DATA_DIR"
        in message
    )


@pytest.mark.parametrize("damaged", [DATA[:-1], DATA[:-1] + b"x", DATA + b"x", b""])
def test_a_damaged_file_is_replaced_and_without_a_network_named(
    server, tmp_path, damaged
):
    (tmp_path / "text8.zip").write_bytes(damaged)
    server.habit = "nothing"
    assert "text8.zip is damaged and could not be fetched" in refused(
        source(server), tmp_path
    )
    assert (tmp_path / "text8.zip").read_bytes() == damaged
    server.habit = "none"
    assert fetch.fetch(source(server), tmp_path).read_bytes() == DATA


def test_a_folder_that_cannot_be_made_is_named(server, tmp_path):
    (tmp_path / "file").write_text("")
    assert "is missing and could not be fetched" in refused(
        source(server), tmp_path / "file" / "folder"
    )
    assert server.asked == []


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
    assert server.asked == []
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
    corpus.read.cache_clear()
    text = corpus.read("text8")
    assert names(tmp_path) == ["text8.zip"]
    assert (
        "".join(" abcdefghijklmnopqrstuvwxyz"[k] for k in text).encode()
        == PROSE.strip()
    )
    assert corpus.digest("text8") == corpus.digest(os.fspath(tmp_path / "text8.zip"))
    corpus.read.cache_clear()
    server.habit = "nothing"
    monkeypatch.setenv("RNNJAX_DATA_DIR", str(tmp_path / "elsewhere"))
    with pytest.raises(
        OSError, match="elsewhere/text8.zip is missing and could not be fetched"
    ):
        corpus.read("text8")


def test_text8_is_the_published_file():
    assert (fetch.TEXT8.name, fetch.TEXT8.size, len(fetch.TEXT8.sha256)) == (
        "text8.zip",
        31_344_016,
        64,
    )
