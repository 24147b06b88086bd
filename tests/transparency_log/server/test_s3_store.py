"""The store in a bucket, against a moto server: conditions, lost answers, refusals, limits.

Not tried here: Amazon's S3 and other stores, TLS, and two conditional writes that meet inside the
store (moto's take turns, see `moto_bucket`).
"""

import hashlib
import socket
import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.transparency_log.server.moto_bucket import (
    CREDENTIALS,
    MotoServer,
    answer,
    as_asked,
    between,
    cut_body,
    ignore_conditions,
    lose_answer,
    moto_server,
    noting,
    refuse_connection,
)
from transparency_log.errors import ConfigurationError, StorageError
from transparency_log.note import MAX_NOTE
from transparency_log.server import s3_bucket, s3_store
from transparency_log.server.s3_store import S3Store

TILE = "tile/0/000"


@pytest.fixture(scope="module")
def server() -> Iterator[MotoServer]:
    with moto_server() as found:
        yield found


@pytest.fixture
def moto(server: MotoServer) -> MotoServer:
    server.heal()
    return server


@pytest.fixture(scope="module")
def bucket(server: MotoServer) -> str:
    return server.bucket()


@pytest.fixture
def new_bucket(moto: MotoServer) -> str:
    return moto.bucket()


@pytest.fixture(scope="module")
def opened(server: MotoServer, bucket: str) -> Iterator[S3Store]:
    with closing(open_store(server, bucket)) as found:
        yield found


@pytest.fixture
def store(moto: MotoServer, bucket: str, opened: S3Store) -> S3Store:
    moto.empty(bucket)
    moto.heal()
    return opened


def open_store(moto: MotoServer, bucket: str, prefix: str = "log/") -> S3Store:
    return S3Store.open(bucket=bucket, prefix=prefix, endpoint=moto.url)


def put(moto: MotoServer, bucket: str, name: str, data: bytes) -> None:
    """Write as somebody who asks for no condition."""
    moto.client().put_object(Bucket=bucket, Key=f"log/{name}", Body=data)


def writes(moto: MotoServer) -> int:
    return sum(method == "PUT" for method, _ in moto.requests)


def test_gives_what_was_written(store: S3Store) -> None:
    store.write_once([(TILE, b"tile"), ("tile/entries/000.p/1", b"")])
    store.replace("checkpoint", b"one", old=None)
    store.replace("checkpoint", b"two", old=b"one")
    names = (TILE, "tile/entries/000.p/1", "checkpoint")
    assert [store.read(name) for name in names] == [b"tile", b"", b"two"]


def test_missing_file_is_not_found(store: S3Store) -> None:
    with pytest.raises(FileNotFoundError):
        store.read(TILE)


def test_deletes_what_is_there_and_what_is_not(store: S3Store) -> None:
    store.write_once([(TILE, b"tile")])
    store.delete([TILE, "tile/0/001"])
    with pytest.raises(FileNotFoundError):
        store.read(TILE)


def test_logs_of_one_bucket_do_not_meet(moto: MotoServer, bucket: str, store: S3Store) -> None:
    store.write_once([(TILE, b"tile")])
    with closing(open_store(moto, bucket, "other/")) as other:
        other.write_once([(TILE, b"another")])
    assert store.read(TILE) == b"tile"


def test_file_that_is_there_stays_or_is_an_error(store: S3Store) -> None:
    store.write_once([(TILE, b"tile")])
    store.write_once([(TILE, b"tile")])
    with pytest.raises(StorageError, match=f"{TILE}.*not as this log left it"):
        store.write_once([(TILE, b"other")])
    assert store.read(TILE) == b"tile"


def test_batch_is_written_whole_and_every_failure_is_told(store: S3Store) -> None:
    files = [(f"tile/0/{index:03}", bytes([index]) * 8192) for index in range(60)]
    store.write_once(files)
    assert all(store.read(name) == data for name, data in files)
    with pytest.raises(StorageError, match="tile/0/059"):
        store.write_once([*files[:-1], (files[-1][0], b"other")])


def test_first_checkpoint_is_not_written_over_another(store: S3Store) -> None:
    store.replace("checkpoint", b"one", old=None)
    with pytest.raises(StorageError):
        store.replace("checkpoint", b"two", old=None)
    assert store.read("checkpoint") == b"one"


def test_replaces_only_what_it_knows(store: S3Store) -> None:
    store.replace("checkpoint", b"one", old=None)
    with pytest.raises(StorageError):
        store.replace("checkpoint", b"three", old=b"two")
    assert store.read("checkpoint") == b"one"


def test_replaces_nothing_that_is_gone(store: S3Store) -> None:
    with pytest.raises(StorageError):
        store.replace("checkpoint", b"two", old=b"one")
    with pytest.raises(FileNotFoundError):
        store.read("checkpoint")


def test_no_write_comes_without_a_condition(moto: MotoServer, new_bucket: str) -> None:
    none: list[str] = []
    match: list[str] = []
    moto.heal()
    moto.fail("PUT", "", *[noting({"HTTP_IF_NONE_MATCH": none, "HTTP_IF_MATCH": match})] * 30)
    with closing(open_store(moto, new_bucket)) as store:
        store.write_once([(TILE, b"tile")])
        store.replace("checkpoint", b"one", old=None)
        store.replace("checkpoint", b"two", old=b"one")
    assert len(none) == writes(moto) == 2 * s3_store.RIVALS + 3
    assert all((one == "*") != bool(other) for one, other in zip(none, match, strict=True))


def test_other_writer_between_reading_and_replacing_is_found(
    moto: MotoServer, bucket: str, store: S3Store
) -> None:
    store.replace("checkpoint", b"one", old=None)
    moto.fail("PUT", "checkpoint", between(lambda: put(moto, bucket, "checkpoint", b"theirs")))
    with pytest.raises(StorageError):
        store.replace("checkpoint", b"two", old=b"one")
    assert store.read("checkpoint") == b"theirs"


def test_file_deleted_between_reading_and_replacing_is_found(
    moto: MotoServer, bucket: str, store: S3Store
) -> None:
    store.replace("checkpoint", b"one", old=None)
    client = moto.client()
    moto.fail(
        "PUT",
        "checkpoint",
        between(lambda: client.delete_object(Bucket=bucket, Key="log/checkpoint")),
    )
    with pytest.raises(StorageError):
        store.replace("checkpoint", b"two", old=b"one")
    with pytest.raises(FileNotFoundError):
        store.read("checkpoint")


def test_of_two_writers_one_wins_each_time(moto: MotoServer, bucket: str, store: S3Store) -> None:
    store.replace("checkpoint", b"0", old=None)
    won: list[list[int]] = [[], []]

    def climb(mine: S3Store, number: int) -> None:
        while (old := mine.read("checkpoint")).count(b".") < 20:
            try:
                mine.replace("checkpoint", old + b".%d" % number, old=old)
            except StorageError:
                continue
            won[number].append(old.count(b"."))

    with closing(open_store(moto, bucket)) as other:
        threads = [
            threading.Thread(target=climb, args=(mine, number))
            for number, mine in enumerate((store, other))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(won[0] + won[1]) == list(range(20))  # no place was taken twice


def test_lost_answer_to_a_first_write_is_not_another_writer(
    moto: MotoServer, store: S3Store
) -> None:
    moto.fail("PUT", TILE, lose_answer)
    store.write_once([(TILE, b"tile")])
    assert store.read(TILE) == b"tile"
    assert writes(moto) == 2


def test_lost_answer_to_a_replacement_is_not_another_writer(
    moto: MotoServer, store: S3Store
) -> None:
    store.replace("checkpoint", b"one", old=None)
    moto.fail("PUT", "checkpoint", lose_answer, lose_answer)
    store.replace("checkpoint", b"two", old=b"one")
    assert store.read("checkpoint") == b"two"


def test_lost_request_is_sent_again(moto: MotoServer, store: S3Store) -> None:
    moto.fail("PUT", TILE, refuse_connection)
    store.write_once([(TILE, b"tile")])
    assert store.read(TILE) == b"tile"


def test_other_writer_after_a_lost_answer_is_found(
    moto: MotoServer, bucket: str, store: S3Store
) -> None:
    store.replace("checkpoint", b"one", old=None)
    theirs = between(lambda: put(moto, bucket, "checkpoint", b"theirs"))
    moto.fail("PUT", "checkpoint", lose_answer, theirs)
    with pytest.raises(StorageError):
        store.replace("checkpoint", b"two", old=b"one")
    assert store.read("checkpoint") == b"theirs"


def test_write_in_flight_elsewhere_is_waited_for(moto: MotoServer, store: S3Store) -> None:
    conflict = answer("409 Conflict", "ConditionalRequestConflict")
    moto.fail("PUT", TILE, conflict, conflict)
    store.write_once([(TILE, b"tile")])
    assert store.read(TILE) == b"tile"


def test_write_in_flight_for_ever_is_an_error(
    moto: MotoServer, store: S3Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_bucket, "CONFLICT_PAUSES", (0.0,))
    conflict = answer("409 Conflict", "ConditionalRequestConflict")
    moto.fail("PUT", TILE, conflict, conflict)
    with pytest.raises(StorageError, match="in flight"):
        store.write_once([(TILE, b"tile")])


def test_busy_store_is_asked_again(moto: MotoServer, store: S3Store) -> None:
    moto.fail("PUT", TILE, answer("503 Slow Down", "SlowDown"))
    store.write_once([(TILE, b"tile")])
    assert store.read(TILE) == b"tile"


def test_etag_that_is_no_digest_is_kept_as_it_is(
    moto: MotoServer, bucket: str, store: S3Store
) -> None:
    client, key = moto.client(), {"Bucket": bucket, "Key": "log/checkpoint"}
    upload = client.create_multipart_upload(**key)["UploadId"]
    part = client.upload_part(**key, UploadId=upload, PartNumber=1, Body=b"one")
    client.complete_multipart_upload(
        **key,
        UploadId=upload,
        MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]},
    )
    assert client.head_object(**key)["ETag"].strip('"') != hashlib.md5(b"one").hexdigest()
    store.replace("checkpoint", b"two", old=b"one")
    assert store.read("checkpoint") == b"two"


def test_cut_body_is_not_taken_for_a_file(moto: MotoServer, store: S3Store) -> None:
    store.write_once([(TILE, b"0123456789")])
    moto.fail("GET", TILE, cut_body)
    with pytest.raises(StorageError):
        store.read(TILE)


def test_body_that_was_changed_on_the_way_is_refused(moto: MotoServer, store: S3Store) -> None:
    """The signature covers the body; a store checks that, and moto does not."""
    seen: list[str] = []
    moto.fail("PUT", TILE, noting({"HTTP_X_AMZ_CONTENT_SHA256": seen}))
    store.write_once([(TILE, b"tile")])
    assert seen == [hashlib.sha256(b"tile").hexdigest()]


def test_reads_no_more_than_a_checkpoint_may_have(
    moto: MotoServer, bucket: str, store: S3Store
) -> None:
    put(moto, bucket, "checkpoint", bytes(MAX_NOTE + 1))
    with pytest.raises(StorageError, match="more than"):
        store.read("checkpoint")


def test_files_can_be_served_as_they_are(moto: MotoServer, bucket: str, store: S3Store) -> None:
    store.write_once([(TILE, b"tile")])
    store.replace("checkpoint", b"one", old=None)
    store.replace("checkpoint", b"two", old=b"one")
    client = moto.client()
    for name, kind, cache in (
        (TILE, "application/octet-stream", "max-age=31536000, immutable"),
        ("checkpoint", "text/plain; charset=utf-8", "max-age=5"),
    ):
        head = client.head_object(Bucket=bucket, Key=f"log/{name}")
        assert (head["ContentType"], head["CacheControl"]) == (kind, cache)


def test_a_start_leaves_nothing(moto: MotoServer, new_bucket: str) -> None:
    open_store(moto, new_bucket).close()
    assert "Contents" not in moto.client().list_objects_v2(Bucket=new_bucket)


def test_refuses_a_store_that_ignores_conditions(moto: MotoServer, new_bucket: str) -> None:
    moto.fail("PUT", "", *[ignore_conditions] * s3_store.RIVALS)
    with pytest.raises(ConfigurationError, match=r"does not keep If-None-Match .8 of 8"):
        open_store(moto, new_bucket)
    assert "Contents" not in moto.client().list_objects_v2(Bucket=new_bucket)


@pytest.mark.parametrize(("before", "header"), [(0, "If-None-Match"), (8, "If-Match")])
def test_refuses_a_store_that_checks_and_then_writes(
    moto: MotoServer, bucket: str, before: int, header: str
) -> None:
    """Two writes at once pass the check, as with moto itself where requests take no turns."""
    moto.fail("PUT", "", *[as_asked] * before, ignore_conditions, ignore_conditions)
    with pytest.raises(ConfigurationError, match=f"does not keep {header} .[23] of 8"):
        open_store(moto, bucket)


@pytest.mark.parametrize(("before", "header"), [(0, "If-None-Match"), (8, "If-Match")])
def test_refuses_a_store_that_lets_no_condition_hold(
    moto: MotoServer, bucket: str, before: int, header: str
) -> None:
    refusal = answer("412 Precondition Failed", "PreconditionFailed")
    moto.fail("PUT", "", *[as_asked] * before, *[refusal] * s3_store.RIVALS)
    with pytest.raises(ConfigurationError, match=f"with {header} none went through"):
        open_store(moto, bucket)


REFUSALS = [
    ("GET", "403 Forbidden", "AccessDenied", "s3:ListBucket"),
    ("PUT", "403 Forbidden", "AccessDenied", "s3:PutObject"),
    ("PUT", "403 Forbidden", "Odd", "access denied"),
    ("GET", "403 Forbidden", "InvalidAccessKeyId", "credentials"),
    ("GET", "403 Forbidden", "SignatureDoesNotMatch", "secret key"),
    ("GET", "403 Forbidden", "RequestTimeTooSkewed", "clock"),
    ("DELETE", "403 Forbidden", "AccessDenied", "s3:DeleteObject"),
    ("PUT", "501 Not Implemented", "NotImplemented", "conditional writes"),
    ("GET", "404 Not Found", "NoSuchBucket", "no such bucket"),
    ("GET", "404 Not Found", "Odd", "refuses"),
    ("PUT", "400 Bad Request", "Odd!\n", "unknown"),
]


@pytest.mark.parametrize(("method", "status", "code", "remedy"), REFUSALS)
def test_refusal_names_the_remedy_and_nothing_secret(
    moto: MotoServer, new_bucket: str, method: str, status: str, code: str, remedy: str
) -> None:
    moto.fail(method, "", answer(status, code, text="AKIATESTTESTTESTTEST and more"))
    with pytest.raises(ConfigurationError, match=remedy) as caught:
        open_store(moto, new_bucket)
    assert_says_nothing_secret(moto, caught.value)


def assert_says_nothing_secret(moto: MotoServer, error: BaseException) -> None:
    text = str(error)
    for secret in (*list(CREDENTIALS.values())[:2], moto.url, "X-Amz", "\n"):
        assert secret not in text
    shown = error
    while shown.__cause__ or (shown.__context__ and not shown.__suppress_context__):
        shown = shown.__cause__ or shown.__context__  # type: ignore[assignment]
        assert moto.url not in str(shown)


def test_bucket_that_is_missing_is_named(moto: MotoServer) -> None:
    with pytest.raises(ConfigurationError, match=r"bucket no-such-bucket: .*there is no such"):
        open_store(moto, "no-such-bucket")


def test_missing_credentials_are_named(
    moto: MotoServer, new_bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(ConfigurationError, match="AWS_SHARED_CREDENTIALS_FILE"):
        open_store(moto, new_bucket)


def test_half_credentials_are_named(
    moto: MotoServer, new_bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(ConfigurationError, match="AWS_SHARED_CREDENTIALS_FILE"):
        open_store(moto, new_bucket)


def test_profile_that_is_missing_is_named(
    moto: MotoServer, new_bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(ConfigurationError, match="AWS_PROFILE"):
        open_store(moto, new_bucket)


def test_store_that_is_down_is_named(moto: MotoServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_bucket, "ATTEMPTS", 1)
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(ConfigurationError, match="does not answer") as caught:
        S3Store.open(bucket="bucket", endpoint=url)
    assert url not in str(caught.value)
    assert caught.value.__suppress_context__


def test_store_that_goes_down_is_a_storage_error(
    moto: MotoServer, new_bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_bucket, "ATTEMPTS", 2)
    with closing(open_store(moto, new_bucket)) as store:
        moto.fail("GET", "checkpoint", *[refuse_connection] * 2)
        with pytest.raises(StorageError, match="checkpoint: the store does not answer") as caught:
            store.read("checkpoint")
        assert_says_nothing_secret(moto, caught.value)


def test_what_is_no_store_is_refused(moto: MotoServer) -> None:
    """A web server that has no such page does not say that a log has no checkpoint."""
    moto.fail("GET", "", _web_page)
    with pytest.raises(ConfigurationError):
        S3Store.open(bucket="bucket", endpoint=moto.url)


def _web_page(_app, _environ, start):
    start("404 Not Found", [("content-type", "text/html")])
    return [b"<html>not here</html>"]


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("bucket", ""),
        ("bucket", "a/b"),
        ("bucket", "Upper"),
        ("bucket", "arn:aws:s3:::bucket"),
        ("prefix", "log"),
        ("prefix", "/log/"),
        ("prefix", "../log/"),
        ("prefix", "log//"),
        ("prefix", "lög/"),
        ("endpoint", "store.example"),
        ("endpoint", "ftp://store.example"),
        ("endpoint", "https://user:password@store.example"),
        ("endpoint", "https://store.example/path"),
        ("endpoint", "https://store.example?key=secret"),
        ("endpoint", "https://"),
        ("endpoint", "http://[::1"),
        ("endpoint", "http://store.example:port"),
        ("endpoint", "http://store.example:65536"),
        ("region", "no region"),
    ],
)
def test_refuses_arguments_of_another_form(moto: MotoServer, option: str, value: str) -> None:
    arguments = {"bucket": "bucket", "endpoint": moto.url} | {option: value}
    with pytest.raises(ConfigurationError) as caught:
        S3Store.open(**arguments)
    assert "password" not in str(caught.value)
    assert "secret" not in str(caught.value)
