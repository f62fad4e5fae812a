"""darnet.jobs.remote: pictures that are no files of this machine."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from darnet import RestorerSpec, cli, restore_many
from darnet.errors import MissingPackageError, UsageError
from darnet.jobs import Encoding, Job, Local, sidecar
from darnet.jobs.blending import blend_many
from darnet.jobs.sheet import Sheet
from darnet.restore.restorer import Restorer

JOB = Job(recursive=True)


@pytest.fixture(scope="module")
def restorer(tiny_system: Path) -> Restorer:
    return RestorerSpec(system=str(tiny_system), device="cpu").build()


@pytest.fixture
def store() -> Iterator[fsspec.AbstractFileSystem]:
    files = fsspec.filesystem("memory")
    files.store.clear()
    files.pseudo_dirs[:] = [""]
    yield files
    files.store.clear()


def fill(pictures, files, root: str) -> None:
    for name in ("a.png", "sub/b.jpg"):
        files.pipe_file(f"{root}/in/{name}", pictures(f"in/{name}").read_bytes())
    files.pipe_file(f"{root}/in/.hidden.png", b"")
    files.pipe_file(f"{root}/in/notes.txt", b"no picture")
    files.pipe_file(f"{root}/in/broken.png", b"no picture either")


def told(outcomes) -> dict[str, str | None]:
    return {done.input: done.output if done.error is None else done.error.partition(",")[0] for done in outcomes}


def check(pictures, files, root: str, url: str, restorer: Restorer) -> None:
    """From a store to it, from it here, from here to it: the same bytes; and what is there stays."""
    fill(pictures, files, root)
    Path("in/broken.png").write_bytes(b"no picture either")
    expected = {"a.png", "sub/b.jpg"}
    assert told(restore_many("in", "here", restorer, JOB))["in/a.png"] == "here/a.png"
    outcomes = told(restore_many(f"{url}/in", f"{url}/out", restorer, JOB))
    assert outcomes == {
        f"{url}/in/a.png": f"{url}/out/a.png",
        f"{url}/in/sub/b.jpg": f"{url}/out/sub/b.jpg",
        f"{url}/in/broken.png": "not a JPEG",
    }
    restored = (
        list(restore_many("in", f"{url}/up", restorer, JOB)),
        list(restore_many(f"{url}/in", "down", restorer, JOB)),
    )
    for name in expected:
        same = Path("here", name).read_bytes()
        assert files.cat_file(f"{root}/out/{name}") == files.cat_file(f"{root}/up/{name}") == same
        assert Path("down", name).read_bytes() == same
    assert len(files.find(f"{root}/out")) == len(files.find(f"{root}/up")) == 2, restored
    again = told(restore_many(f"{url}/in/a.png", f"{url}/out/", restorer))
    assert again == {f"{url}/in/a.png": f"{url}/out/a.png: exists already; `overwrite=True` replaces it"}
    beside = told(restore_many(f"{url}/in/a.png", None, restorer))
    assert beside == {f"{url}/in/a.png": f"{url}/in/a.restored.png"}
    agenda = JOB.plan([f"{url}/in"])  # our own output is passed over
    assert [task.source.relative.name for task in agenda.tasks] == ["a.png", "broken.png", "b.jpg"]
    assert [name for name, _ in agenda.left_out] == [f"{url}/in/notes.txt"]
    flat = Job().plan([f"{url}/in"])
    assert [task.source.relative.name for task in flat.tasks] == ["a.png", "broken.png"]


def test_memory(pictures, store, restorer):
    check(pictures, store, "/bucket", "memory://bucket", restorer)


def test_outputs_inside_a_searched_folder_are_passed_over(pictures, store):
    store.pipe_file("/bucket/a.png", pictures("a.png").read_bytes())
    store.pipe_file("/bucket/out/a.png", pictures("a.png").read_bytes())
    agenda = JOB.plan(["memory://bucket"], "memory://bucket/out")
    assert [(task.source.name, task.name) for task in agenda.tasks] == [
        ("memory://bucket/a.png", "memory://bucket/out/a.png")
    ]


def test_what_is_not_there_is_named(store, restorer):
    assert told(restore_many("memory://nothing/in", "out", restorer)) == {"memory://nothing/in": "no such file"}
    assert not Path("out").exists()


def test_a_host_that_cannot_be_reached_is_not_said_to_lack_a_file(restorer):
    pytest.importorskip("aiohttp")
    (done,) = restore_many("http://127.0.0.1:9/a.png", "out", restorer)
    assert "connect" in done.error.lower()


def test_what_cannot_be_done_there_is_refused(pictures, store):
    store.pipe_file("/bucket/a.png", pictures("a.png").read_bytes())
    with pytest.raises(UsageError, match="`keep=True`"):
        Job(keep=True).plan(["memory://bucket/a.png"])
    with pytest.raises(UsageError, match="`sidecar=True`: lies beside the output, which is no file of this machine"):
        Job(sidecar=True).plan(["memory://bucket/a.png"])
    with pytest.raises(UsageError, match="`keep_time=True`"):
        Job(encoding=Encoding(keep_time=True)).plan(["memory://bucket/a.png"])
    with pytest.raises(UsageError, match=r"nowhere://bucket/a\.png: Protocol not known"):
        Job().plan(["nowhere://bucket/a.png"])


def test_what_lies_beside_an_output_tells_of_the_url(pictures, store, tiny_system, restorer, capsys):
    """Sidecar, residuals and contact sheet of a picture from a store lead back to it."""
    store.pipe_file("/bucket/a.png", pictures("a.png").read_bytes())
    url, spec = "memory://bucket/a.png", RestorerSpec(system=str(tiny_system), device="cpu")
    job, sheet = Job("noise", keep=True, sidecar=True), Sheet(Job())
    for done in restore_many(url, "b.png", spec, job):
        sheet.add(done)
    sheet.write("sheet.html")
    assert Path("sheet.html").read_text().count("<img") == 2
    again = sidecar.read(Path("b.png.json"))
    assert json.loads(Path("b.png.json").read_text())["input"] == again.picture.name == url
    assert cli.run(["restore", "--from-sidecar", "b.png.json", "-o", "c.png"]) == 0
    assert Path("c.png").read_bytes() == Path("b.png").read_bytes()
    assert [done.error for done in blend_many("b.png.residuals", "d.png")] == [None]
    assert Path("d.png").read_bytes() == Path("b.png").read_bytes()


def test_the_url_of_a_file_of_this_machine_is_its_path(pictures, restorer):
    url = pictures("in/a b.png").parent.as_uri()
    assert list(told(restore_many(f"{url}/a%20b.png", f"{url}/out/", restorer)).values()) == [
        f"{Path('in').resolve()}/out/a b.png"
    ]
    assert Path("in/out/a b.png").exists()
    assert not Path("file:").exists()
    with pytest.raises(UsageError, match=r"file://a\.png: expected file:// and a whole path"):
        Job().plan(["file://a.png"])


def test_a_store_without_its_package_says_how_to_install_it(monkeypatch):
    def missing(_: str) -> None:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(fsspec.core, "url_to_fs", missing)
    with pytest.raises(MissingPackageError, match=r"s3://b/a\.png: Install s3fs .*pip install 'darnet\[remote\]'"):
        Job().plan(["s3://b/a.png"])


def test_an_output_that_cannot_be_reached_is_refused_before_any_picture(pictures, monkeypatch):
    """Whatever the inputs are, and once."""
    pictures("in/a.png")
    with pytest.raises(UsageError, match="nowhere://bucket/out: Protocol not known"):
        Job().plan(["in"], "nowhere://bucket/out")
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'darnet\[remote\]'"):
        Job().plan(["in"], "s3://bucket/out")


def test_what_several_processes_would_write_to_their_own_memory_is_refused(pictures, store, spec):
    for name in "ab":
        pictures(f"in/{name}.png")
    tasks = Job().plan(["in"], "memory://bucket/out").tasks
    with pytest.raises(UsageError, match=r"`output='memory://bucket/out/a\.png'`: is the memory of a process"):
        Local(2)(Job(), tasks, spec)
    assert len(list(Local(1)(Job(), tasks, spec))) == len(store.find("/bucket/out")) == 2


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_s3(pictures, restorer, monkeypatch):
    """By moto's server, in one command with s3fs: alone it takes a botocore that this does not.

    Tried with `pip install 'moto[server]==5.2.5' 's3fs==2026.9.0'`, which takes boto3 and botocore 1.43.117.
    """
    pytest.importorskip("s3fs")
    server = pytest.importorskip("moto.server").ThreadedMotoServer(port=0)
    server.start()
    host, port = server.get_host_and_port()
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
    for name, value in (keys | {"AWS_ENDPOINT_URL": f"http://{host}:{port}"}).items():
        monkeypatch.setenv(name, value)
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    try:
        files = fsspec.filesystem("s3")
        files.mkdir("bucket")
        check(pictures, files, "bucket", "s3://bucket", restorer)
        assert told(restore_many("s3://nobody/in", "out", restorer)) == {"s3://nobody/in": "no such file"}
        (done,) = restore_many("in/a.png", "s3://nobody/out.png", restorer)
        assert "bucket" in done.error
        for name in keys:
            monkeypatch.delenv(name)
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        monkeypatch.setenv("HOME", str(Path.cwd()))
        fsspec.get_filesystem_class("s3").clear_instance_cache()
        (done,) = restore_many("in/a.png", "s3://bucket/new.png", restorer)
        assert done.error and "\n" not in done.error
    finally:
        server.stop()
