"""What a Python program does with python3-pylxd 2.2, against the LXD that LXD_DIR names.

    acceptance.py --list           names the checks
    acceptance.py <check> <image>  runs one; <image> is the path of a unified image that the LXD has as "busybox"

Each check makes what it needs and removes it again. A failed check ends with a traceback.
"""

import contextlib
import os
import sys
import tempfile
import threading
import time

import pylxd
from pylxd.client import EventType
from pylxd.exceptions import LXDAPIException, NotFound

CHECKS = {}


def check(function):
    CHECKS[function.__name__] = function
    return function


@contextlib.contextmanager
def container(client, name, running=False, **config):
    """A container of the small image, gone at the end."""
    made = client.containers.create(
        {"name": name, "source": {"type": "image", "alias": "busybox"}, **config}, wait=True
    )
    try:
        if running:
            made.start(wait=True)
        yield made
    finally:
        made.sync()
        if made.status != "Stopped":
            made.stop(wait=True)
        made.delete(wait=True)


def fails(exception, action):
    """The error that the action ends with; an error itself when it ends well."""
    try:
        action()
    except exception as error:
        return error
    raise AssertionError(f"{action} did not fail")


@check
def server(client, _image):
    assert client.trusted
    assert client.has_api_extension("instances")
    assert client.host_info["api_version"] == "1.0"
    assert client.host_info["environment"]["storage"]


@check
def create_start_stop(client, _image):
    with container(client, "py-states") as made:
        assert made.status == "Stopped"
        assert client.containers.exists("py-states")
        assert "py-states" in [one.name for one in client.containers.all()]
        made.start(wait=True)
        assert made.status == "Running"
        assert made.state().pid > 0
        made.freeze(wait=True)
        assert made.status == "Frozen"
        made.unfreeze(wait=True)
        made.restart(wait=True)
        assert made.status == "Running"
        made.stop(wait=True)
        assert made.status == "Stopped"
    assert not client.containers.exists("py-states")
    fails(NotFound, lambda: client.containers.get("py-states"))


@check
def configuration(client, _image):
    with container(client, "py-config", config={"user.a": "1"}) as made:
        made.config["limits.memory"] = "64MiB"
        made.config["user.b"] = "two"
        made.description = "from Python"
        made.save(wait=True)
        again = client.containers.get("py-config")
        assert again.config["limits.memory"] == "64MiB"
        assert again.config["user.a"] == "1"
        assert again.description == "from Python"
        again.config["limits.memory"] = "much"
        fails(LXDAPIException, lambda: again.save(wait=True))
        made.rename("py-renamed", wait=True)
        assert client.containers.exists("py-renamed")


@check
def duplicate(client, _image):
    with container(client, "py-twice"):
        fails(
            LXDAPIException,
            lambda: client.containers.create(
                {"name": "py-twice", "source": {"type": "image", "alias": "busybox"}}, wait=True
            ),
        )


@check
def execute(client, _image):
    with container(client, "py-exec", running=True) as made:
        result = made.execute(["sh", "-c", "echo out; echo err >&2; echo $A; exit 3"], environment={"A": "x"})
        assert result.exit_code == 3, result
        assert result.stdout == "out\nx\n", result
        assert result.stderr == "err\n", result
        result = made.execute(["cat"], stdin_payload="through the input\n")
        assert (result.exit_code, result.stdout) == (0, "through the input\n"), result
        result = made.execute(["head", "-c", "300000", "/dev/zero"], decode=False)
        assert result.exit_code == 0 and len(result.stdout) == 300000, len(result.stdout)
        lines = []
        made.execute(["sh", "-c", "echo one; echo two"], stdout_handler=lines.append)
        assert "".join(lines).split() == ["one", "two"], lines


@check
def interactive(client, _image):
    with container(client, "py-shell", running=True) as made:
        sockets = made.raw_interactive_execute(["sh"])
        assert sockets["ws"].startswith("/1.0/operations/") and "secret=" in sockets["ws"], sockets
        assert sockets["control"].startswith("/1.0/operations/"), sockets


@check
def files(client, _image):
    with container(client, "py-files", running=True) as made:
        made.files.put("/root/one", "text\n", mode="0600", uid=0, gid=0)
        assert made.files.get("/root/one") == b"text\n"
        assert made.execute(["stat", "-c", "%a:%u:%g", "/root/one"]).stdout == "600:0:0\n"
        binary = os.urandom(200000)
        made.files.put("/root/two", binary)
        assert made.files.get("/root/two") == binary
        made.files.delete("/root/one")
        fails(NotFound, lambda: made.files.get("/root/one"))
        with tempfile.TemporaryDirectory() as folder:
            os.makedirs(os.path.join(folder, "below"))
            for path in ("a", "below/b"):
                with open(os.path.join(folder, path), "w", encoding="utf-8") as file:
                    file.write(path)
            made.files.recursive_put(folder, "/root/tree")
        assert made.files.get("/root/tree/below/b") == b"below/b"


@check
def snapshots(client, _image):
    with container(client, "py-snap", running=True) as made:
        made.files.put("/root/file", "before")
        first = made.snapshots.create("first", stateful=False, wait=True)
        assert [one.name for one in made.snapshots.all()] == ["first"]
        made.files.put("/root/file", "after")
        made.restore_snapshot("first", wait=True)
        assert made.files.get("/root/file") == b"before"
        first.rename("second", wait=True)
        assert made.snapshots.get("second").name == "second"
        published = made.snapshots.get("second").publish(wait=True)
        assert published.fingerprint
        published.delete(wait=True)
        made.snapshots.get("second").delete(wait=True)
        assert made.snapshots.all() == []


@check
def images(client, image):
    image_of_busybox = client.images.get_by_alias("busybox")
    assert image_of_busybox.properties["os"] == "BusyBox"
    assert client.images.exists("busybox", alias=True)
    with open(image, "rb") as file:
        content = file.read()
    assert client.images.get(image_of_busybox.fingerprint).export().read() == content
    image_of_busybox.add_alias("py-alias", "from Python")
    assert client.images.get_by_alias("py-alias").fingerprint == image_of_busybox.fingerprint
    image_of_busybox.delete_alias("py-alias")
    fails(NotFound, lambda: client.images.get_by_alias("py-alias"))
    with container(client, "py-image") as made:
        made.files.put("/root/marker", "here")
        published = made.publish(wait=True)
        content = published.export().read()
        published.delete(wait=True)
        uploaded = client.images.create(content, public=False, wait=True)
        assert uploaded.fingerprint == published.fingerprint
        uploaded.delete(wait=True)
        assert not client.images.exists(published.fingerprint)


@check
def profiles(client, _image):
    profile = client.profiles.create(
        "py-profile",
        config={"limits.memory": "128MiB"},
        devices={"share": {"type": "disk", "source": "/usr/share", "path": "/mnt/share"}},
    )
    try:
        assert client.profiles.exists("py-profile")
        with container(client, "py-profiled", running=True, profiles=["default", "py-profile"]) as made:
            assert made.expanded_config["limits.memory"] == "128MiB"
            assert made.execute(["ls", "-d", "/mnt/share/doc"]).exit_code == 0
            fails(LXDAPIException, lambda: profile.delete(wait=True))
        profile.config["limits.memory"] = "64MiB"
        profile.save(wait=True)
        assert client.profiles.get("py-profile").config["limits.memory"] == "64MiB"
        profile.rename("py-profile2")
        assert client.profiles.exists("py-profile2")
    finally:
        for name in ("py-profile", "py-profile2"):
            if client.profiles.exists(name):
                client.profiles.get(name).delete(wait=True)
    assert not client.profiles.exists("py-profile2")


@check
def networks(client, _image):
    network = client.networks.create(
        "pybr0", description="first", type="bridge", config={"ipv4.address": "10.98.1.1/24", "ipv6.address": "none"}
    )
    try:
        assert network.managed and network.config["ipv4.address"] == "10.98.1.1/24"
        network.config["ipv4.nat"] = "true"
        network.save()
        assert client.networks.get("pybr0").config["ipv4.nat"] == "true"
    finally:
        client.networks.get("pybr0").delete()
    assert not client.networks.exists("pybr0")


@check
def storage(client, _image):
    pool = client.storage_pools.create({"name": "py-pool", "driver": "dir"})
    try:
        assert client.storage_pools.exists("py-pool")
        assert pool.resources.get().space["total"] > 0
        volume = pool.volumes.create({"type": "custom", "name": "py-volume", "config": {"user.a": "b"}})
        assert pool.volumes.get("custom", "py-volume").config["user.a"] == "b"
        assert "py-volume" in [one.name for one in pool.volumes.all()]
        volume.delete()
    finally:
        client.storage_pools.get("py-pool").delete()
    assert not client.storage_pools.exists("py-pool")


@check
def events(client, _image):
    listener = client.events(event_types={EventType.Operation, EventType.Lifecycle})
    listener.connect()
    thread = threading.Thread(target=listener.run, daemon=True)
    thread.start()
    with container(client, "py-events"):
        pass

    def seen(kind, action=None):
        return any(
            one["type"] == kind and (action is None or one["metadata"]["action"] == action) for one in listener.messages
        )

    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and not seen("lifecycle", "instance-deleted"):
        time.sleep(0.05)
    listener.close()
    assert seen("lifecycle", "instance-created"), listener.messages
    assert seen("lifecycle", "instance-deleted"), listener.messages
    assert seen("operation"), listener.messages
    assert not seen("logging"), listener.messages


def main():
    if sys.argv[1:] == ["--list"]:
        print("\n".join(CHECKS))
        return
    name, image = sys.argv[1:]
    CHECKS[name](pylxd.Client(), image)


if __name__ == "__main__":
    main()
