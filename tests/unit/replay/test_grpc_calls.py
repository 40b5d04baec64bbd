"""Unary gRPC calls: methods known by reflection of both versions or a proto file, statuses, TLS."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import trustme
from test_drive_variables import context, load

from pytest_telemetry_gate.replay.captured import DriveResult
from pytest_telemetry_gate.replay.drive.drivers import drive
from pytest_telemetry_gate.replay.drive.grpc_methods import method_of_proto
from pytest_telemetry_gate.support.secrets import Secrets

grpc = pytest.importorskip("grpc")
reflection = pytest.importorskip("grpc_reflection.v1alpha.reflection")
pytest.importorskip("grpc_tools")

PROTO = """\
syntax = "proto3";
package shop;
import "google/protobuf/timestamp.proto";
message Wish { string sku = 1; int64 pieces = 2; google.protobuf.Timestamp when = 3; }
message Order { int64 id = 1; string state = 2; repeated Wish wishes = 3; bool paid = 4; }
service Orders {
  rpc Place(Wish) returns (Order);
  rpc Watch(Wish) returns (stream Order);
}
"""


@dataclass
class Shop:
    """A gRPC service and what it was asked."""

    port: int = 0
    asked: list[dict[str, Any]] = field(default_factory=list)


@pytest.fixture(scope="module")
def proto(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("proto") / "shop.proto"
    path.write_text(PROTO)
    return path


def serve(proto: Path, versions: tuple[str, ...], credentials: Any = None) -> Iterator[Shop]:
    method, shop = method_of_proto(proto, "shop.Orders/Place"), Shop()

    def place(wish: Any, call: Any) -> Any:
        shop.asked.append({"sku": wish.sku, "pieces": wish.pieces, **dict(call.invocation_metadata())})
        if wish.sku == "none":
            call.abort(grpc.StatusCode.NOT_FOUND, f"no such article: {wish.sku}")
        return method.response(id=7, state="open", wishes=[wish])

    handler = grpc.unary_unary_rpc_method_handler(
        place,
        request_deserializer=method.request.FromString,
        response_serializer=method.response.SerializeToString,
    )
    server = grpc.server(ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("shop.Orders", {"Place": handler}),)
    )
    servicer = reflection.ReflectionServicer(["shop.Orders"], pool=method.request.DESCRIPTOR.file.pool)
    messages = reflection._reflection_pb2
    info = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=messages.ServerReflectionRequest.FromString,
        response_serializer=messages.ServerReflectionResponse.SerializeToString,
    )
    for version in versions:
        name = f"grpc.reflection.{version}.ServerReflection"
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(name, {"ServerReflectionInfo": info}),)
        )
    where = "127.0.0.1:0"
    shop.port = server.add_secure_port(where, credentials) if credentials else server.add_insecure_port(where)
    server.start()
    yield shop
    server.stop(0).wait(5)


@pytest.fixture(scope="module", params=["v1", "v1alpha"])
def shop(proto: Path, request: pytest.FixtureRequest) -> Iterator[Shop]:
    yield from serve(proto, (request.param,))


@pytest.fixture(scope="module")
def silent(proto: Path) -> Iterator[Shop]:
    """A service without reflection."""
    yield from serve(proto, ())


def driven(folder: Path, shop: Shop, more: str, scheme: str = "http") -> DriveResult:
    settings = f"{{grpc: {{url: $target, timeout: 5s, {more}}}}}"
    case = load(folder, settings, f"{scheme}://127.0.0.1:{shop.port}").cases[0]
    return drive(case, context(folder), Secrets())


PLACE = "method: shop.Orders/Place, message: {sku: $span_id, pieces: 2, when: '2026-01-02T03:04:05Z'}"


def test_a_method_that_the_server_tells_is_called_with_the_trace(tmp_path: Path, shop: Shop) -> None:
    expected = "expect: {json: {/id: '7', /state: open, /wishes/0/pieces: '2', /paid: false}}"
    more = f"{PLACE}, metadata: {{X-User: $sampled}}, propagation: [w3c, b3multi], {expected}"
    result = driven(tmp_path, shop, more)
    assert (result.failure, result.error, result.code) == ("", "", 0)
    assert result.summary == f"gRPC shop.Orders/Place at 127.0.0.1:{shop.port} -> OK"
    own, asked = context(tmp_path), shop.asked[-1]
    assert (asked["sku"], asked["pieces"], asked["x-user"]) == (own.span_id, 2, "1")
    assert (asked["traceparent"], asked["x-b3-traceid"]) == (own.traceparent, own.trace_id)


def test_a_proto_file_does_as_well(tmp_path: Path, silent: Shop) -> None:
    (tmp_path / "shop.proto").write_text(PROTO)
    assert driven(tmp_path, silent, f"{PLACE}, proto: shop.proto").code == 0
    result = driven(tmp_path, silent, PLACE)
    assert "the server does not tell what shop.Orders/Place takes (no gRPC reflection)" in result.error
    (tmp_path / "shop.proto").write_text(PROTO.replace("int64 id", "int65 id"))
    error = driven(tmp_path, silent, f"{PLACE}, proto: shop.proto").error
    assert error.startswith("shop.proto:5:17: ")
    assert '"int65" is not defined' in error


@pytest.mark.parametrize(
    ("more", "failure", "error"),
    [
        ("method: shop.Orders/Place, message: {sku: none}", "status: expected OK, got NOT_FOUND (no such article: none)", ""),
        ("method: shop.Orders/Place, message: {sku: none}, expect: {status: NOT_FOUND}", "", ""),
        ("method: shop.Orders/Place, expect: {status: NOT_FOUND}", "status: expected NOT_FOUND, got OK", ""),
        ("method: shop.Orders/Place, expect: {json: {/state: paid}}", '/state: expected paid, got string "open"', ""),
        ("method: shop.Orders/Plaice", "", "gRPC service shop.Orders has no method 'Plaice' (did you mean 'Place'?)"),
        ("method: shop.Orders/Watch", "", "shop.Orders/Watch is a stream; unary calls are driven alone"),
        ("method: shop.Others/Place", "", "the server knows no shop.Others: "),
        ("method: shop.Orders/Place, message: {skew: a}", "", 'drive.grpc.message: Message type "shop.Wish" has no field named "skew"'),
        ("method: shop.Orders/Place, message: {pieces: many}", "", "drive.grpc.message: "),
    ],
)  # fmt: skip
def test_statuses_and_mistakes(tmp_path: Path, shop: Shop, more: str, failure: str, error: str) -> None:
    result = driven(tmp_path, shop, more)
    assert result.failure == failure
    assert result.error.startswith(error)
    assert bool(result.error) == bool(error)


def test_steps_take_from_an_answer(tmp_path: Path, silent: Shop) -> None:
    (tmp_path / "shop.proto").write_text(PROTO)
    call = (
        "grpc: {url: $target, timeout: 5s, proto: shop.proto, method: shop.Orders/Place, message: {sku: %s}}"
    )
    steps = f"{{steps: [{{{call % 'a'}, outputs: {{order: {{json: /id}}}}}}, {{{call % 'order-$order'}}}]}}"
    case = load(tmp_path, steps, f"http://127.0.0.1:{silent.port}").cases[0]
    result = drive(case, context(tmp_path), Secrets())
    assert (result.failure, result.error) == ("", "")
    assert silent.asked[-1]["sku"] == "order-7"


def test_nobody_there_is_an_error_of_the_drive(tmp_path: Path) -> None:
    result = driven(tmp_path, Shop(port=9), PLACE)
    assert result.error.startswith("gRPC shop.Orders/Place at 127.0.0.1:9: ")
    assert result.failure == ""


def test_tls_is_verified_always(tmp_path: Path, proto: Path) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("shop.example.net")
    credentials = grpc.ssl_server_credentials(
        [(certificate.private_key_pem.bytes(), certificate.cert_chain_pems[0].bytes())]
    )
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "stranger.pem"))
    running = serve(proto, ("v1",), credentials)
    shop = next(running)
    named = f"{PLACE}, tls_config: {{ca_file: ca.pem, server_name: shop.example.net}}"
    assert driven(tmp_path, shop, named, "https").code == 0
    for wrong in (
        f"{PLACE}, tls_config: {{ca_file: ca.pem}}",
        named.replace("ca.pem", "stranger.pem"),
        PLACE,
    ):
        result = driven(tmp_path, shop, wrong, "https")
        assert result.error
        assert result.code is None
    assert len(shop.asked) == 1
    next(running, None)
